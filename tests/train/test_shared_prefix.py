"""Shared-prefix passes give the log-probs, loss and gradients of the plain ones, on TRL's own batches."""

from contextlib import nullcontext
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from peft import LoraConfig
from trl import GRPOConfig

from ecg_r1.corpus.store import RecordStore
from ecg_r1.corpus.writer import SplitWriter
from ecg_r1.model.checkpoint import load_model
from ecg_r1.recipe import Dropout, RecipeError, Rehearsal, RewardWorkers
from ecg_r1.scoring import load_reward
from ecg_r1.train.dropout import NOTHING
from ecg_r1.train.grpo import grpo_trainer
from ecg_r1.train.media import WHOLE, Media
from ecg_r1.train.prompt_order import groups_kept_together
from ecg_r1.train.rehearsal import RehearsalLoss
from ecg_r1.train.rewards import RewardSet
from ecg_r1.train.sft import SFTCollator
from ecg_r1.train.shared_prefix import SharedPrefix

QUESTIONS = ["Read.", "What does this ECG show?", "Report the rate, the intervals and the rhythm.", "Diagnosis?"]
GROUP = 3
BATCH = {
    "one micro-batch": {"per_device_train_batch_size": 12, "gradient_accumulation_steps": 1},
    "micro-batches, twice": {"per_device_train_batch_size": 6, "gradient_accumulation_steps": 2, "num_iterations": 2},
    "checkpointed": {
        "per_device_train_batch_size": 12, "gradient_checkpointing": True,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
    },
}  # fmt: skip


def asked(split, folder):
    """The split with other questions, so that prompts of several lengths are padded on the left."""
    store = RecordStore(split)
    with SplitWriter(folder, store.facts) as writer:
        for record in store.ids:
            writer.add(store.record(record), store.measurements(record), store.page(record))
        for example, question in zip(store.examples, QUESTIONS, strict=True):
            writer.add_example(replace(example, question=question))
        writer.finish()
    return RecordStore(folder)


def trainer_on(split, folder, batch, dropout, lora, **options):
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=[*QUESTIONS, "normal ECG"])
    store = asked(split, folder / "split")
    config = GRPOConfig(
        output_dir=str(folder), max_steps=2, num_generations=GROUP, max_completion_length=12, use_vllm=False,
        report_to=[], bf16=False, learning_rate=1e-3, disable_tqdm=True, dataloader_pin_memory=False,
        beta=0.1 if lora else 0.0, **BATCH[batch], **options.pop("trainer", {}),
    )  # fmt: skip
    media = Media(store, processor, dropout, seed=1)
    rewards = RewardSet([load_reward("length", {"limit": 24, "cache": 24})], RewardWorkers(workers=0), media)
    peft = LoraConfig(r=2, target_modules=["q_proj", "v_proj"]) if lora else None
    trainer = grpo_trainer(
        model, media, config, peft, [], reward_set=rewards, credit="sequence", rollout={}, shared_prefix=True, **options
    )
    trainer._generate_single_turn = cut(trainer._generate_single_turn)
    return trainer


def cut(generate):
    """Completions of many lengths, as an untrained model does not write them; one is a single token."""

    def generate_and_cut(*args):
        completions, logprobs = generate(*args)
        return [ids[: 1 + 7 * i % 12] for i, ids in enumerate(completions)], logprobs

    return generate_and_cut


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad and p.grad is not None}


HIDING = Dropout(leads=0.3, ecg=0.3, page=0.3)


@pytest.mark.parametrize(
    ("batch", "dropout", "lora", "options"),
    [
        ("one micro-batch", NOTHING, True, {}),
        ("micro-batches, twice", HIDING, False, {}),
        ("checkpointed", NOTHING, True, {}),
        ("one micro-batch", NOTHING, False, {"trainer": {"mask_truncated_completions": True}}),
    ],
)
def test_loss_and_gradients_equal_the_plain_pass(split, tmp_path, batch, dropout, lora, options):
    trainer = trainer_on(split, tmp_path, batch, dropout, lora, **options)
    log_probs, loss_of = trainer._get_per_token_logps_and_entropies, trainer._compute_loss
    compared = {"log-probs": 0, "old or reference": 0, "updates": 0}

    def both_log_probs(model, ids, mask, keep, **kwargs):
        scored = mask[:, -keep:].bool()
        trainer.shared_prefix = False
        plain = log_probs(model, ids, mask, keep, **kwargs)
        trainer.shared_prefix = True
        shared = log_probs(model, ids, mask, keep, **kwargs)
        for a, b in zip(plain[:2], shared[:2], strict=True):  # log-probs, entropies
            assert (a is None) == (b is None)
            assert a is None or torch.allclose(a[scored], b[scored], rtol=0, atol=5e-6)
        compared["log-probs" if torch.is_grad_enabled() else "old or reference"] += 1
        return shared

    def both_updates(model, inputs):
        found = []
        for shared in (False, True):
            trainer.shared_prefix = shared
            trainer._get_per_token_logps_and_entropies = log_probs
            model.zero_grad()
            loss = loss_of(model, inputs)
            loss.backward()
            found.append((loss.detach(), gradients(model)))
        (plain, plain_grads), (again, grads) = found
        assert torch.allclose(plain, again, rtol=1e-6, atol=1e-6)
        assert plain_grads.keys() == grads.keys()
        largest = max(float(grad.abs().max()) for grad in plain_grads.values())
        assert largest > 0 or not inputs["completion_mask"].any()
        for name, grad in plain_grads.items():
            assert float((grad - grads[name]).abs().max()) <= 1e-6 * max(1.0, largest), name
        compared["updates"] += 1
        model.zero_grad()
        trainer._get_per_token_logps_and_entropies = both_log_probs
        return loss_of(model, inputs)

    trainer._compute_loss = both_updates
    trainer._get_per_token_logps_and_entropies = both_log_probs
    trainer.train()
    assert compared["updates"] == 2 * trainer.args.gradient_accumulation_steps
    assert compared["log-probs"] == compared["updates"]
    assert compared["old or reference"] >= (2 if lora else trainer.num_iterations // 2)


def test_each_prompt_is_read_once_and_no_padding(split, tmp_path):
    trainer = trainer_on(split, tmp_path, "one micro-batch", NOTHING, lora=False)
    shapes, written = [], []
    trainer.model.model.register_forward_pre_hook(
        lambda module, args, kwargs: shapes.append(kwargs["input_ids"].shape) if torch.is_grad_enabled() else None,
        with_kwargs=True,
    )
    loss_of = trainer._compute_loss
    trainer._compute_loss = lambda model, inputs: (
        written.append(int(inputs["completion_mask"].sum())) or loss_of(model, inputs)
    )
    trainer.train()
    processor, store = trainer.media.processor, trainer.media.store
    texts = [
        processor.expand(trainer.media.prompt(example, trainer.media.shown(example, WHOLE)))
        for example in store.examples
    ]
    prompts = sum(len(ids) - 1 for ids in processor.tokenizer(texts, add_special_tokens=False)["input_ids"])
    assert shapes == [(1, prompts + tokens) for tokens in written]
    assert written == [sum(1 + 7 * i % 12 for i in range(12))] * 2


@pytest.mark.parametrize("loss_type", ["dapo", "bnpo", "grpo"])
def test_a_budget_of_tokens_gives_the_same_gradients_in_several_passes(split, tmp_path, loss_type):
    trainer = trainer_on(
        split, tmp_path, "one micro-batch", NOTHING, lora=False, tokens_per_pass=140, trainer={"loss_type": loss_type}
    )
    passes = []
    trainer.model.model.register_forward_pre_hook(
        lambda module, args, kwargs: passes.append(kwargs["input_ids"].shape[1]) if torch.is_grad_enabled() else None,
        with_kwargs=True,
    )
    training_step, found = trainer.training_step, []

    def both(model, inputs, *args):
        prepared = trainer._prepare_inputs(inputs)
        trainer._prepare_inputs = lambda _: prepared
        for budget in (None, 140):
            trainer.tokens_per_pass = budget
            model.zero_grad()
            loss = training_step(model, inputs, *args)
            found.append((loss, gradients(model), len(passes)))
        return loss

    trainer.training_step = both
    trainer.args.max_steps = 1
    trainer.train()
    (whole, expected, once), (again, grads, total) = found
    assert once == 1
    assert total - once > 1
    assert max(passes[1:]) <= 140
    assert torch.allclose(whole, again, rtol=1e-5, atol=1e-6)
    largest = max(float(grad.abs().max()) for grad in expected.values())
    assert largest > 0
    for name, grad in expected.items():
        assert float((grad - grads[name]).abs().max()) <= 1e-6 * max(1.0, largest), name


@pytest.mark.parametrize("budget", [None, 140])
def test_rehearsal_adds_the_loss_of_the_reports(split, tmp_path, budget):
    trainer = trainer_on(
        split, tmp_path, "one micro-batch", NOTHING, lora=False, tokens_per_pass=budget, rehearsal=Rehearsal(weight=0.5)
    )
    rehearsal, training_step, found = trainer.rehearsal, trainer.training_step, []

    def both(model, inputs, *args):
        prepared = trainer._prepare_inputs(inputs)
        trainer._prepare_inputs = lambda _: prepared
        for of_this_step in (None, rehearsal):
            trainer.rehearsal = of_this_step
            model.zero_grad()
            loss = training_step(model, inputs, *args)
            found.append((loss, gradients(model)))
        model.zero_grad()
        rows = [{"example": one.id} for one in trainer.media.store.examples]
        reports = sum(model(**SFTCollator(trainer.media)([row])).loss for row in rows) / len(rows)
        reports.backward()
        found.append((reports.detach(), gradients(model)))
        return loss

    trainer.training_step = both
    trainer.args.max_steps = 1
    trainer.train()
    (loss, grads), (with_reports, added), (reports, expected) = found
    assert torch.allclose(with_reports, loss + 0.5 * reports, atol=1e-5)
    for name, grad in expected.items():
        assert torch.allclose(added[name], grads[name] + 0.5 * grad, rtol=1e-3, atol=1e-5), name
    logged = trainer._metrics["train"]["rehearsal"] or [row["rehearsal"] for row in trainer.state.log_history[:1]]
    assert sum(logged) / len(logged) == pytest.approx(float(reports), abs=1e-4)


def test_rehearsal_needs_reports(split, tmp_path):
    trainer = trainer_on(split, tmp_path, "one micro-batch", NOTHING, lora=False, rehearsal=Rehearsal(weight=0.5))
    example = trainer.media.store.example
    trainer.media.store.example = lambda name: replace(example(name), response=None)
    shown = [trainer.media.shown(one, WHOLE) for one in trainer.media.store.examples]
    with pytest.raises(RecipeError, match=r"rehearsal: the example .* has no response to learn from"):
        trainer.rehearsal.loss(trainer.model, shown, WHOLE, torch.device("cpu"))


def test_rehearsal_of_the_answer_learns_its_tokens_alone(split, tmp_path):
    trainer = trainer_on(split, tmp_path, "one micro-batch", NOTHING, lora=False)
    media, tokenizer = trainer.media, trainer.media.processor.tokenizer
    shown = [media.shown(one, WHOLE) for one in media.store.examples]
    expected = []
    for one in media.store.examples:
        batch = SFTCollator(media)([{"example": one.id}])
        labels, answer = batch["labels"][0], tokenizer(one.response, add_special_tokens=False)["input_ids"]
        start = answer.index(tokenizer.convert_tokens_to_ids("<answer>")) + 1
        end = answer.index(tokenizer.convert_tokens_to_ids("</answer>")) + 1
        first = int((labels >= 0).nonzero()[0])
        kept = torch.full_like(labels, -100)
        kept[first + start : first + end] = labels[first + start : first + end]
        expected.append(trainer.model(**batch | {"labels": kept[None]}).loss)
    found = RehearsalLoss(media, 1.0, "answer").loss(trainer.model, shown, WHOLE, torch.device("cpu"))
    assert torch.allclose(found, sum(expected) / len(expected), atol=1e-5)
    assert not torch.allclose(found, RehearsalLoss(media, 1.0).loss(trainer.model, shown, WHOLE, torch.device("cpu")))


def test_a_group_that_is_torn_apart_is_an_error():
    rows = torch.tensor([[1, 2, 3], [1, 4, 3]])
    with pytest.raises(ValueError, match="do not stand together in groups of 2"):
        SharedPrefix(lambda **_: None, group=2, completion=1)(rows, torch.ones_like(rows), rows)


def test_groups_are_shuffled_whole():
    import trl.trainer.grpo_trainer as trl_grpo

    original = trl_grpo.shuffle_sequence_dict
    batch = {"row": torch.arange(24), "two": torch.arange(48).view(24, 2), "scalar": torch.tensor(3.0), "none": None}
    with groups_kept_together(4):
        shuffled = trl_grpo.shuffle_sequence_dict(batch)
    assert trl_grpo.shuffle_sequence_dict is original
    groups = shuffled["row"].view(-1, 4)
    assert (groups % 4 == torch.arange(4)).all()
    assert sorted(groups[:, 0].tolist()) == list(range(0, 24, 4))
    assert groups[:, 0].tolist() != sorted(groups[:, 0].tolist())
    assert torch.equal(shuffled["two"][:, 0], 2 * shuffled["row"])
    assert shuffled["scalar"] == 3
    assert shuffled["none"] is None


@pytest.mark.parametrize("mode", ["sequence_mask", "sequence_truncate", "token_mask", "token_truncate"])
def test_the_correction_is_that_of_trls_own_pass(split, tmp_path, mode):
    bounds = {"vllm_importance_sampling_clip_min": 0.8, "vllm_importance_sampling_clip_max": 1.2}
    trainer = trainer_on(
        split,
        tmp_path,
        "one micro-batch",
        NOTHING,
        lora=False,
        trainer={"vllm_importance_sampling_mode": mode, **bounds},
    )
    store, passes, found = trainer.media.store, [], []
    rows = [{"example": example.id} for example in store.examples for _ in range(GROUP)]
    random = torch.Generator().manual_seed(4)
    written = [torch.randint(10, 200, (1 + i,), generator=random).tolist() for i in range(len(rows))]
    sampled = [(-5.7 + 0.3 * torch.randn(len(ids), generator=random)).tolist() for ids in written]
    sampled[3][1] = None  # vLLM's NaN
    trainer._generate_single_turn = lambda *_: (written, sampled)
    trainer.use_vllm, trainer.current_gradient_accumulation_steps = True, 1
    trainer.model.train()
    trainer.model.model.register_forward_pre_hook(lambda *_: passes.append(torch.is_grad_enabled()))
    for ours in (False, True):
        if not ours:
            trainer._correction_left_to_the_update = nullcontext
        else:
            del trainer._correction_left_to_the_update
        trainer._metrics["train"].clear()
        inputs = trainer._generate_and_score_completions(rows)
        trainer.model.zero_grad()
        loss = trainer._compute_loss(trainer.model, inputs)
        loss.backward()
        said = {name: values for name, values in trainer._metrics["train"].items() if name.startswith("sampling/")}
        found.append((loss.detach(), inputs["importance_sampling_ratio"], gradients(trainer.model), said))
    (loss, ratio, grads, said), (our_loss, our_ratio, our_grads, our_said) = found
    assert passes == [False, True, True]  # one pass less
    assert torch.allclose(loss, our_loss, rtol=0, atol=1e-6)
    mask = inputs["completion_mask"] if ratio.shape[1] > 1 else torch.ones_like(ratio)
    assert torch.allclose(ratio * mask, our_ratio * mask, rtol=1e-4, atol=1e-6)
    assert (ratio == 0).any() or "truncate" in mode
    assert all(torch.allclose(our_grads[name], grad, rtol=0, atol=1e-6) for name, grad in grads.items())
    assert our_said.keys() == said.keys()
    assert all(our_said[name] == pytest.approx(values, rel=1e-4, abs=1e-5) for name, values in said.items())
