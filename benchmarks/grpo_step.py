"""Seconds and memory of a GRPO step at GEM's prompt shape: TRL with nothing but our ECG overrides, against ours.

    python benchmarks/grpo_step.py [--json FILE] [--rounds 4] [--only NAME]          about 12 minutes on 2 cores
    python benchmarks/grpo_step.py --only "G = 8, ragged" --prompts 16       as many prompts a step as the demo has
    python benchmarks/grpo_step.py --model runs/demo/sft --corpus runs/demo/corpus/rl

One run: the same engine, model, prompts, seeds and completions. Both ways take turns: a busy machine slows both.
The prompt has 101 ECG tokens, 576 of the page and about 40 of text; the language model has 8 layers of 256; completions
have 150 tokens (fixed), or lengths with a mean of half of the longest, as in the demo's GRPO (ragged). The plain way
sends every completion as a request of its own, pads to the longest, reads the prompt for each, and computes the
log-probs of the rollouts in a pass of its own. Ours sends a prompt once with n = G, packs, reads the prompt once,
leaves that pass out, and encodes frozen towers once in the run. Nothing is learned (a learning rate of 0), so that both
ways see the same rollouts. A step has 2 prompts unless `--prompts` gives more; both ways update 2 at a time, since the
plain way has no memory for more. Seconds are of the processor; the bound is the ratio of the tokens that an update
reads.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import math
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import yaml
from rich.console import Console
from rich.table import Table

from ecg_r1.corpus.build import build
from ecg_r1.corpus.store import RecordStore
from ecg_r1.recipe import CorpusRecipe, GRPORecipe, read_recipe
from ecg_r1.train.processes import set_environment

RECIPE = Path(__file__).parents[1] / "recipes" / "tiny" / "grpo.yaml"
QUESTION = (
    "This is a 12-lead ECG of ten seconds. Measure the heart rate, the PR interval, the QRS duration and the QT "
    "interval, describe the rhythm, and state the diagnosis."
)
LONGEST, AT_ONCE = 150, 2
CASES = {"G = 8, fixed": (8, False), "G = 16, fixed": (16, False), "G = 8, ragged": (8, True)}
RATES = (1e-4, 1e-5)  # of recipes/small and recipes/gem-7b
UPDATES = 9
PHASES = ("rollouts", "log-probs", "rewards", "update", "step")
WAYS = ("plain", "ours")
ADAPTED = {
    "all linear layers": None, "attention": ["q_proj", "k_proj", "v_proj", "o_proj"], "q and v": ["q_proj", "v_proj"],
}  # fmt: skip


def gem_shaped(folder: Path, prompts: int) -> tuple[str, str]:
    """A model and a corpus of as many prompts, of the shape that the head of this file gives."""
    import torch

    from ecg_r1.model import register
    from ecg_r1.model.checkpoint import save
    from ecg_r1.model.modeling import GEMForConditionalGeneration
    from ecg_r1.model.presets import PRESETS, build_config, build_processor
    from ecg_r1.model.tokenizer import train_tokenizer

    simulated = {
        "stage": "corpus", "out": str(folder / "corpus"), "page_size": 336, "prompts": {"question": [QUESTION]},
        "splits": {"train": [{"simulate": prompts}]},
    }  # fmt: skip
    (corpus,) = build(CorpusRecipe.model_validate(simulated))
    PRESETS["gem-shaped"] = {
        "ecg_config": {
            "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 512,
        },
        "vision_config": {
            "image_size": 336, "patch_size": 14, "hidden_size": 128, "intermediate_size": 512,
            "num_hidden_layers": 3, "num_attention_heads": 4, "projection_dim": 64,
        },
        "text_config": {
            "hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 8, "num_attention_heads": 8,
            "num_key_value_heads": 8, "max_position_embeddings": 1024,
        },
    }  # fmt: skip
    torch.manual_seed(0)
    register()
    responses = [example.response or "" for example in RecordStore(corpus).examples]
    tokenizer = train_tokenizer([QUESTION, *responses])
    config = build_config("gem-shaped", tokenizer)
    model = GEMForConditionalGeneration(config)
    save(model, build_processor(config, tokenizer), folder / "model")
    return str(folder / "model"), str(corpus)


def end_of_text(longest: int, tokens: int) -> float:
    """The bias of the end token with which completions of an untrained model are half of the longest on average.

    Among `tokens` tokens that are about equally probable. With probability p of ending at each token, the mean length
    is (1 - (1 - p) ** longest) / p.
    """
    low, high = 1e-6, 0.5
    for _ in range(60):
        p = (low + high) / 2
        low, high = (p, high) if (1 - (1 - p) ** longest) / p > longest / 2 else (low, p)
    return math.log(p * tokens / (1 - p))


def measure(
    model: str, corpus: str, run: Path, group: int, *, ragged: bool | None, rounds: int, prompts: int = AT_ONCE
) -> dict[str, Any]:
    """Median processor seconds of each phase for each way, tokens read, and the peak memory of an update.

    Args:
        ragged: completions of many lengths, or all of the longest; None leaves it to a trained model.
        prompts: of a step of the untrained model, which are updated `AT_ONCE` at a time.
    """
    from ecg_r1.model.checkpoint import load_processor
    from ecg_r1.train.fit import fit
    from ecg_r1.train.grpo import ECGGRPOTrainer
    from ecg_r1.train.preflight import check

    tokenizer = load_processor(Path(model)).tokenizer
    sampling: dict[str, Any] = {"seed": 1}
    if ragged is not None:
        sampling |= (
            {"logit_bias": {tokenizer.eos_token_id: end_of_text(LONGEST, len(tokenizer))}}
            if ragged
            else {"ignore_eos": True}
        )
    meter = Meter()
    meter.put_into(ECGGRPOTrainer)
    overrides = [
        f"run={run}", f"model={model}", f"corpus={{train: {corpus}}}", "shared_prefix=true", "deepspeed=null",
        f"trainer.num_generations={group}", f"trainer.max_steps={2 * (rounds + 1)}", "trainer.save_strategy=no",
        "trainer.learning_rate=0", "trainer.log_completions=false", f"trainer.generation_kwargs={flow(sampling)}",
    ]  # fmt: skip
    if ragged is not None:
        overrides += [
            f"trainer.per_device_train_batch_size={AT_ONCE * group}", f"trainer.max_completion_length={LONGEST}",
            f"trainer.gradient_accumulation_steps={prompts // AT_ONCE}", "rollout.options.max_model_len=1024",
        ]  # fmt: skip
    recipe = read_recipe(RECIPE, overrides)
    assert isinstance(recipe, GRPORecipe)
    try:
        fit(recipe, check(recipe, str(RECIPE)))
    finally:
        meter.take_out()
    return meter.result()


def flow(values: dict[str, Any]) -> str:
    """As YAML on one line, in which a key can be a number."""
    return yaml.safe_dump(values, default_flow_style=True, width=1000).strip()


PerStep = dict[int, float]


def per_step() -> PerStep:
    """A sum for each step, whose parts come one by one."""
    return defaultdict(float)


class Meter:
    """Flips the way at each step, and times the parts of a step where the trainer calls them."""

    METHODS: ClassVar = {
        "rollouts": "_generate_single_turn", "log-probs": "_get_per_token_logps_and_entropies",
        "rewards": "_calculate_rewards", "prepare": "_prepare_inputs", "step": "training_step",
    }  # fmt: skip

    def __init__(self) -> None:
        self.seconds: dict[str, dict[str, PerStep]] = {way: defaultdict(per_step) for way in WAYS}
        self.wall: dict[str, PerStep] = defaultdict(per_step)
        self.memory: dict[str, PerStep] = {way: per_step() for way in WAYS}
        self.tokens: dict[str, PerStep] = {way: per_step() for way in WAYS}
        self.lengths: dict[str, Any] = {}
        self.way = WAYS[0]

    def put_into(self, trainer: type) -> None:
        self.trainer, self.whole = trainer, {name: getattr(trainer, name) for name in self.METHODS.values()}
        self.whole["compute_loss"] = trainer.compute_loss
        for phase, name in self.METHODS.items():
            setattr(trainer, name, self.timed(phase, getattr(trainer, name)))
        trainer.compute_loss = self.counted(trainer.compute_loss)

    def take_out(self) -> None:
        for name, method in self.whole.items():
            setattr(self.trainer, name, method)

    def timed(self, phase: str, method: Callable[..., Any]) -> Callable[..., Any]:
        import torch

        def measured(trainer: Any, *args: Any, **kwargs: Any) -> Any:
            step = trainer.state.global_step
            if phase == "step":
                self.way = WAYS[step % 2]
                trainer.shared_prefix = self.way == "ours"
                trainer.media.keyed = self.way == "ours" and trainer.features is not None
                one_by_one(trainer.vllm_generation.engine, alone=self.way == "plain")
                with_a_pass_for_the_correction(trainer, own=self.way == "plain")
            if phase == "rewards":  # of texts as a trained model writes them
                examples = [trainer.media.store.example(shown.example) for shown in trainer._shown]
                args = (args[0], args[1], [example.response for example in examples], *args[3:])
            began, wall = time.process_time(), time.perf_counter()
            result = method(trainer, *args, **kwargs)
            spent = time.process_time() - began
            self.wall[phase][step] += time.perf_counter() - wall
            if phase == "step":
                self.memory[self.way][step] = max(self.memory[self.way][step], peak() - self.before)
            if phase != "log-probs" or not torch.is_grad_enabled():  # the update has its own
                self.seconds[self.way][phase][step] += spent
            return result

        return measured

    def counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """The update: tokens that it reads, and the memory that it takes beyond what there is before."""

        def measured(trainer: Any, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
            lengths = inputs["completion_mask"].sum(dim=1)
            rows, group = len(lengths), trainer.num_generations
            prompt, longest = inputs["prompt_ids"].shape[1], inputs["completion_ids"].shape[1]
            packed = int(inputs["prompt_mask"][::group].sum()) + int(lengths.sum())
            step = trainer.state.global_step
            self.tokens[self.way][step] += packed if self.way == "ours" else rows * (prompt + longest)
            self.lengths = {"prompt": prompt, "longest": longest, "mean": float(lengths.float().mean()), "rows": rows}
            self.before = reset_peak()
            return method(trainer, model, inputs, *args, **kwargs)

        return measured

    def result(self) -> dict[str, Any]:
        """Medians over the steps, the first of each way left out: it warms up."""
        found: dict[str, Any] = {"lengths": self.lengths}
        for way in WAYS:
            steps = sorted(self.memory[way])[1:]
            of = {name: statistics.median(times[i] for i in steps) for name, times in self.seconds[way].items()}
            of["update"] = of["step"] - of.pop("prepare")
            tokens = statistics.median(self.tokens[way][i] for i in steps)
            found[way] = of | {"tokens": tokens, "MiB": max(self.memory[way][i] for i in steps) / 2**20}
        plain, ours = (found[way] for way in WAYS)
        if not plain["log-probs"] or "log-probs" in ours:
            raise RuntimeError("the plain way has a pass for log-probs, and ours has none; TRL or the trainer changed")
        ours["log-probs"] = 0.0
        found["ratio"] = {phase: plain[phase] / ours[phase] for phase in PHASES if ours[phase]}
        found["bound"] = plain["tokens"] / ours["tokens"]
        found["memory"] = ours["MiB"] / plain["MiB"]
        found["rewards"] = statistics.median(self.wall["rewards"][i] / self.wall["step"][i] for i in steps)
        return found


def sync_bytes(preset: str = "small", rank: int = 64) -> dict[str, Any]:
    """Bytes of one update of a rollout server: an adapter, and what changed of it, against merged weights, in float32.

    Of a layer with d inputs and e outputs an adapter has r (d + e) numbers for d e, whatever is sent with it. What
    changed depends on the learning rate: real updates by AdamW on texts of random words, the median of `UPDATES`.
    """
    import torch
    from peft import get_peft_model_state_dict, set_peft_model_state_dict

    from ecg_r1.engine.changes import changes
    from ecg_r1.model.checkpoint import load_model
    from ecg_r1.model.lora import adapted
    from ecg_r1.recipe import LoRA

    found: dict[str, Any] = {}
    for name, layers in ADAPTED.items():
        torch.manual_seed(0)
        model, processor = load_model(preset, texts=[QUESTION])
        merged = found["merged"] = sum(parameter.nbytes for parameter in model.parameters())
        lora = LoRA(r=rank) if layers is None else LoRA(r=rank, target_modules=layers)
        policy = adapted(lora, model, "benchmark")
        start = {key: tensor.clone() for key, tensor in get_peft_model_state_dict(policy).items()}
        whole = sum(tensor.nbytes for tensor in start.values())
        found[name] = {"adapter": whole, "ratio": merged / whole}
        words = torch.tensor(processor.tokenizer(QUESTION)["input_ids"])
        for rate in RATES:
            set_peft_model_state_dict(policy, start)
            optimizer = torch.optim.AdamW([one for one in policy.parameters() if one.requires_grad], lr=rate)
            sizes, last = [], start
            for _ in range(UPDATES):
                ids = words[torch.randint(len(words), (4, 64))]
                optimizer.zero_grad()
                policy(input_ids=ids, attention_mask=torch.ones_like(ids), labels=ids).loss.backward()
                optimizer.step()
                now = {key: tensor.clone() for key, tensor in get_peft_model_state_dict(policy).items()}
                sizes.append(sum(plane.nbytes for plane in changes(last, now).values()))
                last = now
            changed = statistics.median(sizes)
            found[name][f"changes at {rate:g}"] = {"bytes": changed, "ratio": merged / changed}
    return found


def one_by_one(engine: Any, *, alone: bool) -> None:
    """Whether the engine gets the completions of a prompt as requests of their own, as TRL sends them."""
    generate = type(engine).generate

    def repeated(prompts: Any, n: int = 1, **sampling: Any) -> Any:
        rows = generate(engine, [prompt for prompt in prompts for _ in range(n)], n=1, **sampling)
        return [[one for (one,) in rows[i : i + n]] for i in range(0, len(rows), n)]

    if alone:
        engine.generate = repeated
    else:
        vars(engine).pop("generate", None)


def with_a_pass_for_the_correction(trainer: Any, *, own: bool) -> None:
    """Whether the log-probs that correct for the rollouts' come from a pass of their own, as TRL computes them."""
    if own:
        trainer._correction_left_to_the_update = nullcontext
    else:
        vars(trainer).pop("_correction_left_to_the_update", None)


def reset_peak() -> int:
    """Give free memory back and start the peak anew; bytes in use (Linux)."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak() -> int:
    """The most bytes in use since `reset_peak`."""
    return _status("VmHWM")


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write what was measured to this file")
    parser.add_argument("--rounds", type=int, default=4, help="measured steps of each way, after one that warms up")
    parser.add_argument("--only", choices=CASES, help="one of the cases")
    parser.add_argument("--prompts", type=int, default=AT_ONCE, help=f"of a step; a multiple of {AT_ONCE}")
    parser.add_argument("--model", help="a trained model, such as runs/demo/sft, in place of the untrained one")
    parser.add_argument("--adapter", action="store_true", help="only the bytes of an update of a rollout server")
    parser.add_argument("--corpus", help="its prompts, with --model")
    args = parser.parse_args()
    if args.prompts < 1 or args.prompts % AT_ONCE:
        parser.error(f"--prompts {args.prompts} is no multiple of {AT_ONCE}")
    set_environment()
    results: dict[str, Any] = {}
    if args.adapter:
        print(json.dumps(sync_bytes()))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if args.model:
            results[args.model] = measure(args.model, args.corpus, folder / "run", 8, ragged=None, rounds=args.rounds)
        else:
            model, corpus = gem_shaped(folder, args.prompts)
            for number, (name, (group, ragged)) in enumerate(CASES.items()):
                if args.only in (None, name):
                    run = folder / f"run-{number}"
                    shape = {"ragged": ragged, "rounds": args.rounds, "prompts": args.prompts}
                    results[name] = measure(model, corpus, run, group, **shape)
    for name, found in results.items():
        shape = found["lengths"]
        title = f"{name}: prompt {shape['prompt']}, completions {shape['mean']:.0f} of {shape['longest']} tokens"
        table = Table("processor seconds", *WAYS, "plain / ours", title=title)
        for phase in PHASES:
            ratio = found["ratio"].get(phase)
            table.add_row(phase, *(f"{found[way][phase]:.3f}" for way in WAYS), f"{ratio:.2f}" if ratio else "")
        table.add_row("bound: tokens", *(f"{found[way]['tokens']:.0f}" for way in WAYS), f"{found['bound']:.2f}")
        table.add_row("MiB of an update", *(f"{found[way]['MiB']:.0f}" for way in WAYS), f"{1 / found['memory']:.2f}")
        Console().print(table, f"rewards' share of a step: {100 * found['rewards']:.1f}%")
    said = json.dumps(results)
    print(said)
    if args.json:
        args.json.write_text(said + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
