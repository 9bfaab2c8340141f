"""No NaN and no infinity is saved as finished, gone on from, or loaded."""

import json
import math
import os
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from safetensors.torch import load_file, save_file
from transformers import TrainingArguments
from trl import GRPOConfig, SFTConfig

from ecg_r1.corpus.store import RecordStore
from ecg_r1.model.checkpoint import load_model, save, stored_weights
from ecg_r1.model.weights import CheckpointError, check_values, first_not_finite
from ecg_r1.recipe import Dropout, RewardWorkers
from ecg_r1.runs.directory import RunDirectory
from ecg_r1.scoring import load_reward
from ecg_r1.train.grpo import grpo_trainer
from ecg_r1.train.guarded import GuardedTrainer
from ecg_r1.train.media import Media
from ecg_r1.train.pretrain import pretrain_trainer
from ecg_r1.train.rewards import RewardSet
from ecg_r1.train.sft import sft_trainer
from ecg_r1.train.stopped import NonFinite

COMMON = {
    "max_steps": 3, "save_steps": 1, "logging_steps": 1, "report_to": [], "bf16": False, "learning_rate": 1e-3,
    "disable_tqdm": True, "dataloader_pin_memory": False, "gradient_accumulation_steps": 2,
}  # fmt: skip


def trainer_of(stage, split, folder, **changes):
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=["Report this ECG. normal ECG sinus rhythm"])
    media = Media(RecordStore(split), processor, Dropout())
    options = COMMON | changes | {"output_dir": str(folder / "checkpoints")}
    if stage == "grpo":
        config = GRPOConfig(
            per_device_train_batch_size=2, num_generations=2, max_completion_length=6, use_vllm=False, **options
        )
        rewards = RewardSet([load_reward("length", {"limit": 24, "cache": 24})], RewardWorkers(workers=0), media)
        return grpo_trainer(model, media, config, None, [], reward_set=rewards, credit="sequence", rollout={})
    if stage == "sft":
        return sft_trainer(model, media, SFTConfig(per_device_train_batch_size=2, **options), None, [])
    return pretrain_trainer(model, media, TrainingArguments(per_device_train_batch_size=2, **options), [])


def below(trainer):
    """The library's trainer, on which ours stands."""
    order = type(trainer).__mro__
    return order[order.index(GuardedTrainer) + 1]


def loss_of_step(trainer, step, change):
    """From this step on the loss is changed, after it was computed."""
    inner = below(trainer).compute_loss

    def compute_loss(self, *args, **kwargs):
        loss = inner(self, *args, **kwargs)
        return change(loss) if self.state.global_step + 1 == step else loss

    return compute_loss


class Gradient(torch.autograd.Function):
    """The loss as it is, with an infinite gradient."""

    @staticmethod
    def forward(ctx, loss):
        return loss.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * math.inf


FAULTS = {
    "loss nan": ("the loss is nan", lambda loss: loss * math.nan),
    "loss inf": ("the loss is inf", lambda loss: loss + math.inf),
    "gradient": ("the gradient is (inf|nan)", Gradient.apply),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stage", ["pretrain", "sft", "grpo"])
def test_a_run_stops_at_the_first_number_that_is_not_finite(split, tmp_path, monkeypatch, stage, fault):
    said, change = FAULTS[fault]
    trainer = trainer_of(stage, split, tmp_path)
    monkeypatch.setattr(below(trainer), "compute_loss", loss_of_step(trainer, 2, change))
    with pytest.raises(NonFinite, match=f"step 2: {said}; the run stopped") as error:
        trainer.train()
    assert "\n" not in str(error.value)
    (tensors,) = (tmp_path / "stopped").glob("step-2-*.safetensors")
    assert str(tensors) in str(error.value)
    facts = json.loads(tensors.with_suffix(".json").read_text())
    named = [name for batch in facts["micro_batches"] for name in batch["examples"]]
    store = RecordStore(split)
    assert named
    assert set(named) <= set(store.ids if stage == "pretrain" else store.example_ids)
    assert set(named) & set(str(error.value).split("examples ")[1].replace(".", " ").replace(",", " ").split())
    assert {"0.ecg_values", "0.input_ids", "0.completion_ids"} & load_file(tensors).keys()
    assert [path.name for path in (tmp_path / "checkpoints").glob("checkpoint-*")] == ["checkpoint-1"]
    check_values(tmp_path / "checkpoints" / "checkpoint-1")
    assert not math.isfinite(trainer.state.log_history[-1].get("grad_norm", trainer.state.log_history[-1]["loss"]))


@pytest.mark.parametrize("stage", ["pretrain", "sft", "grpo"])
def test_a_run_stops_at_weights_that_are_not_finite(split, tmp_path, stage):
    trainer = trainer_of(stage, split, tmp_path, learning_rate=1e39, max_grad_norm=0.0)
    with pytest.raises(NonFinite, match=r"step 1: the weight \S+ is nan; the run stopped"):
        trainer.train()
    assert list((tmp_path / "checkpoints").glob("checkpoint-*")) == []


def test_rollouts_that_cannot_be_sampled_stop_the_run(split, tmp_path):
    trainer = trainer_of("grpo", split, tmp_path)
    with torch.no_grad():
        trainer.model.lm_head.weight.fill_(math.nan)
    with pytest.raises(NonFinite, match="step 1: the probability of a token in the rollouts is nan; the run stopped"):
        trainer.train()
    assert json.loads((tmp_path / "stopped" / "step-1-process-0.json").read_text())["micro_batches"][0]["examples"]


def test_an_overflow_that_a_loss_scale_causes_is_skipped(split, tmp_path, monkeypatch):
    class Scaler:
        scale = 4.0

        def is_enabled(self):
            return True

        def get_scale(self):
            return self.scale

    trainer = trainer_of("sft", split, tmp_path)
    trainer.accelerator.scaler = Scaler()
    assert trainer._skips()
    Scaler.scale = 1.0  # it cannot be the scale any more
    assert not trainer._skips()


RECIPE = """
stage: {stage}
run: {folder}/run
model: tiny
corpus: {{train: {split}}}
trainer: {{max_steps: 4, per_device_train_batch_size: 2, learning_rate: 1.0e6, save_steps: 1, logging_steps: 1,
  report_to: none, max_grad_norm: 0.0}}
"""


GRPO = (  # short answers earn more, so that there is an advantage, and a gradient
    "rewards=[{name: length, limit: 12, cache: 12}]",
    "rollout={engine: vllm, mode: colocate, dtype: float32, options: {max_model_len: 256}}",
    "trainer.num_generations=4",
    "trainer.per_device_train_batch_size=8",
    "trainer.max_completion_length=12",
)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("stage", ["sft", "pretrain", "grpo"])
def test_a_learning_rate_that_is_too_high_ends_in_one_line(split, tmp_path, stage):
    (tmp_path / "r.yaml").write_text(RECIPE.format(stage=stage, folder=tmp_path, split=split))
    command = [sys.executable, "-m", "ecg_r1", "train", str(tmp_path / "r.yaml")]
    if stage == "grpo":
        pytest.importorskip("vllm")
        torch.manual_seed(0)
        save(*load_model("tiny", texts=["Report this ECG. normal ECG sinus rhythm"]), tmp_path / "begin")
        command += [f"model={tmp_path}/begin", *GRPO]
    done = subprocess.run(command, capture_output=True, text=True, timeout=800, check=False)
    run = tmp_path / "run"
    assert done.returncode == 2, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    (said,) = [line for line in done.stderr.splitlines() if "the run stopped" in line]
    assert said.startswith(f"{run}: step ")
    assert not (run / "finished.json").exists()
    assert not (run / "model").exists()
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert not math.isfinite(rows[-1]["loss"]) or not math.isfinite(rows[-1].get("grad_norm", 0.0))
    for checkpoint in (run / "checkpoints").glob("checkpoint-*"):
        check_values(checkpoint)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("deepspeed", ["zero2", "zero3"])
def test_two_processes_stop_together(split, tmp_path, deepspeed):
    pytest.importorskip("deepspeed")
    torch.manual_seed(0)
    save(*load_model("tiny", texts=["Report this ECG. normal ECG sinus rhythm"]), tmp_path / "begin")
    recipe = RECIPE.format(stage="sft", folder=tmp_path, split=split).replace("model: tiny", f"model: {tmp_path}/begin")
    (tmp_path / "r.yaml").write_text(f"{recipe}\nprocesses: 2\ndeepspeed: {deepspeed}\n")
    command = [sys.executable, "-m", "ecg_r1", "train", str(tmp_path / "r.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 2
    assert done.stderr.count("the run stopped") == 1, done.stderr[-3000:]
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    assert done.stderr.splitlines()[-1].startswith(f"{tmp_path}/run: step "), done.stderr[-3000:]
    assert not (tmp_path / "run" / "finished.json").exists()
    for checkpoint in (tmp_path / "run" / "checkpoints").glob("checkpoint-*"):
        check_values(checkpoint)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    save(*load_model("tiny", texts=["Report this ECG. normal ECG sinus rhythm"]), folder)
    return folder


def damaged(saved, folder, name, value, dtype=torch.float32):
    """A copy of the checkpoint with one value of one tensor changed."""
    for path in saved.iterdir():
        os.link(path, folder / path.name)
    weights = {key: tensor.to(dtype).clone() for key, tensor in load_file(saved / "model.safetensors").items()}
    weights[name].view(-1)[-1] = value
    (folder / "model.safetensors").unlink()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


PROJECTOR = "model.mm_projector.0.weight"
EMBEDDINGS = "model.language_model.embed_tokens.weight"  # the head shares them


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", [EMBEDDINGS, PROJECTOR])
def test_weights_that_are_not_finite_are_not_loaded(saved, tmp_path, name, dtype, value):
    folder = damaged(saved, tmp_path, name, value, dtype)
    for load in (load_model, check_values, lambda folder: list(stored_weights(folder))):
        with pytest.raises(CheckpointError, match=r"1 of the [\d,]+ values of \S+ are NaN or infinite") as error:
            load(folder)
        assert name in str(error.value) or "lm_head" in str(error.value)


def test_vllm_and_the_server_refuse_them_before_they_start(saved, tmp_path):
    pytest.importorskip("vllm")
    folder = damaged(saved, tmp_path, EMBEDDINGS, math.nan)
    from ecg_r1.engine.vllm_colocated import VLLMEngine
    from ecg_r1.serving.server import serve

    for start in (VLLMEngine, serve):
        with pytest.raises(CheckpointError, match=f"values of {EMBEDDINGS} are NaN or infinite"):
            start(folder)


def test_large_and_tiny_values_are_finite(saved, tmp_path):
    largest = torch.finfo(torch.float32).max
    assert first_not_finite([("a", torch.full((9,), largest)), ("b", torch.tensor([0, 1]))]) is None
    infinite = torch.tensor([math.inf, -math.inf])
    assert first_not_finite([("a", torch.tensor([largest, -largest])), ("b", infinite)]) == "b"


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    model, processor = load_model("tiny", texts=["Report this ECG."])
    with torch.no_grad():
        model.get_parameter(PROJECTOR).view(-1)[0] = math.nan
    with pytest.raises(CheckpointError, match=f"values of {PROJECTOR} are NaN or infinite"):
        save(model, processor, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_the_run_goes_on_from_the_last_whole_checkpoint(tmp_path):
    from ecg_r1.recipe import SFTRecipe

    recipe = SFTRecipe.model_validate(
        {"stage": "sft", "run": "a", "model": "tiny", "corpus": {"train": "c"}, "trainer": {"max_steps": 5}}
    )
    run = RunDirectory(recipe, tmp_path / "a")
    run.open()
    for step, state in ((2, "{}"), (4, '{"glo')):
        (run.checkpoints / f"checkpoint-{step}").mkdir()
        (run.checkpoints / f"checkpoint-{step}" / "trainer_state.json").write_text(state)
    (tmp_path / "a" / "model.part").mkdir()
    (tmp_path / "a" / "environment.json.part").write_text("{")
    run.open()
    assert run.last_checkpoint() == str(run.checkpoints / "checkpoint-2")
    assert not (run.checkpoints / "checkpoint-4").exists()
    assert not list((tmp_path / "a").glob("*.part"))
