"""Options that are passed on have their effect in our trainers too, where rollouts and collators are our own."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from ecg_r1.corpus.store import RecordStore
from ecg_r1.model.checkpoint import load_model, save
from ecg_r1.recipe import RewardWorkers, read_recipe
from ecg_r1.scoring import load_reward
from ecg_r1.train.arguments import training_arguments
from ecg_r1.train.grpo import grpo_trainer
from ecg_r1.train.media import Media
from ecg_r1.train.rewards import RewardSet
from ecg_r1.train.sft import sft_trainer

RECIPES = Path(__file__).parents[2] / "recipes" / "tiny"
TEXTS = ["Report this ECG. normal ECG sinus rhythm"]
COMMON = (
    "deepspeed=null",
    "trainer.warmup_steps=0",
    "trainer.report_to=none",
    "trainer.logging_steps=1",
    "trainer.save_strategy=no",
)


def sft(split, folder, *overrides):
    """The losses of two steps, and the examples that were shown in them."""
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=TEXTS)
    recipe = read_recipe(
        RECIPES / "sft.yaml",
        [f"run={folder}", *COMMON, "trainer.max_steps=2", "trainer.per_device_train_batch_size=2", *overrides],
    )
    trainer = sft_trainer(model, Media(RecordStore(split), processor), training_arguments(recipe, "sft"), None, [])
    seen, collate = [], trainer.data_collator
    trainer.data_collator = lambda rows: seen.append([row["example"] for row in rows]) or collate(rows)
    trainer.train()
    return [row["loss"] for row in trainer.state.log_history if "loss" in row], seen


def test_options_of_sft(split, tmp_path):
    plain, drawn = sft(split, tmp_path)
    first, second, third, fourth = RecordStore(split).example_ids
    in_order = [[first, second], [third, fourth]]
    assert sft(split, tmp_path, "trainer.train_sampling_strategy=sequential")[1] == in_order != drawn
    assert sft(split, tmp_path, "trainer.data_seed=7")[1] != drawn
    for option in ("label_smoothing_factor=0.1", "neftune_noise_alpha=5", "loss_type=dft", "optim=adafactor"):
        losses, seen = sft(split, tmp_path, f"trainer.{option}")
        assert seen == drawn
        assert losses != plain, option


def grpo(split, folder, *overrides):
    """A trainer of three steps on transformers' rollouts, and what each generation gave."""
    torch.manual_seed(0)
    save(*load_model("tiny", texts=TEXTS), folder / "tiny")
    model, processor = load_model(str(folder / "tiny"))
    recipe = read_recipe(
        RECIPES / "grpo.yaml",
        [
            f"run={folder}/run", *COMMON, "rollout.engine=hf", "trainer.max_steps=3", "trainer.num_generations=4",
            "trainer.per_device_train_batch_size=4", "trainer.max_completion_length=6", "trainer.log_completions=false",
            "rewards=[{name: length, limit: 24, cache: 24}]", *overrides,
        ],
    )  # fmt: skip
    media = Media(RecordStore(split), processor)
    loaded = [load_reward(reward.name, reward.options) for reward in recipe.rewards]
    with RewardSet(loaded, RewardWorkers(workers=0), media) as rewards:
        trainer = grpo_trainer(
            model, media, training_arguments(recipe, "grpo"), None, [], reward_set=rewards, credit="sequence",
            shared_prefix=recipe.shared_prefix,
            rollout={"checkpoint": str(folder / "tiny"), "seed": 0, "engine": {}},
        )  # fmt: skip
        outputs, generate = [], trainer._generate_and_score_completions
        trainer._generate_and_score_completions = lambda inputs: outputs.append(generate(inputs)) or outputs[-1]
        trainer.train()
    return trainer, outputs


@pytest.mark.parametrize("shared_prefix", [False, True])
def test_a_reference_model_without_adapters_follows_the_policy_as_it_is_told(split, tmp_path, shared_prefix):
    trainer, _ = grpo(
        split, tmp_path, f"shared_prefix={shared_prefix}", "trainer.beta=0.1", "trainer.sync_ref_model=true",
        "trainer.ref_model_sync_steps=2", "trainer.ref_model_mixup_alpha=1.0",
    )  # fmt: skip
    gaps = [row["kl"] for row in trainer.state.log_history if "kl" in row]
    assert gaps[0] == pytest.approx(0, abs=1e-6)  # it begins as the policy
    assert gaps[1] > 1e-6
    assert gaps[2] == pytest.approx(0, abs=1e-6)  # at step 2 it became what the policy then was
    policy = dict(trainer.accelerator.unwrap_model(trainer.model).named_parameters())
    at_start = load_model(str(tmp_path / "tiny"))[0].state_dict()
    trained = {n for n, p in policy.items() if not torch.equal(p, at_start[n])}
    reference = trainer.accelerator.unwrap_model(trainer.ref_model).state_dict()
    assert trained
    assert {name for name in at_start if not torch.equal(at_start[name], reference[name])} == trained


def test_options_of_rollouts(split, tmp_path):
    banned = list(range(100, 140))
    trainer, outputs = grpo(
        split, tmp_path, "trainer.shuffle_dataset=false", "trainer.mask_truncated_completions=true",
        f"trainer.generation_kwargs={{suppress_tokens: {banned}}}",
    )  # fmt: skip
    assert [output["shown"][:, 0].tolist() for output in outputs] == [[k] * 4 for k in range(3)]  # shuffle_dataset
    for output in outputs:
        assert not set(output["completion_ids"].unique().tolist()) & set(banned)
        ended = (output["completion_ids"] == trainer.processing_class.eos_token_id).any(dim=1)
        assert torch.equal(output["completion_mask"].any(dim=1), ended)  # mask_truncated_completions
