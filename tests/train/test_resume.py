"""A run that is resumed ends as one that was not: same order of records in each epoch, same weights."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from trl import GRPOConfig, SFTConfig

from ecg_r1.corpus.store import RecordStore
from ecg_r1.model.checkpoint import load_model
from ecg_r1.recipe import Dropout, RewardWorkers
from ecg_r1.scoring import load_reward
from ecg_r1.train.grpo import grpo_trainer
from ecg_r1.train.media import Media
from ecg_r1.train.rewards import RewardSet
from ecg_r1.train.sft import sft_trainer

STEPS = 5  # of two steps an epoch
COMMON = {
    "max_steps": STEPS, "save_steps": 1, "report_to": [], "bf16": False, "learning_rate": 1e-3, "disable_tqdm": True,
    "dataloader_pin_memory": False, "save_total_limit": None, "logging_steps": 1,
}  # fmt: skip


def sft(media, model, folder):
    config = SFTConfig(output_dir=str(folder), per_device_train_batch_size=2, **COMMON)
    return sft_trainer(model, media, config, None, [])


def grpo(media, model, folder):
    config = GRPOConfig(
        output_dir=str(folder), per_device_train_batch_size=4, num_generations=2, max_completion_length=6,
        use_vllm=False, **COMMON,
    )  # fmt: skip
    rewards = RewardSet([load_reward("length", {"limit": 24, "cache": 24})], RewardWorkers(workers=0), media)
    return grpo_trainer(model, media, config, None, [], reward_set=rewards, credit="sequence", rollout={})


@pytest.mark.parametrize("stage", [sft, grpo])
@pytest.mark.parametrize("step", [2, 3])  # at the end of an epoch, and amid one
def test_a_resumed_run_ends_as_one_that_was_not_cut_short(split, tmp_path, stage, step):
    def run(resume=None):
        torch.manual_seed(0)
        model, processor = load_model("tiny", texts=["Report this ECG. normal ECG sinus rhythm"])
        media = Media(RecordStore(split), processor, Dropout(leads=0.5, page=0.3))
        seen = []
        model.model.register_forward_pre_hook(
            lambda module, args, kwargs: seen.append(kwargs["ecg_values"]) if torch.is_grad_enabled() else None,
            with_kwargs=True,
        )
        trainer = stage(media, model, tmp_path / stage.__name__)
        trainer.train(resume_from_checkpoint=resume)
        return seen, {name: value.clone() for name, value in model.state_dict().items()}

    seen, weights = run()
    seen_again, weights_again = run(str(tmp_path / stage.__name__ / f"checkpoint-{step}"))
    assert len(seen) == STEPS
    assert len(seen_again) == STEPS - step
    assert all(torch.equal(a, b) for a, b in zip(seen[step:], seen_again, strict=True))
    assert [name for name in weights if not torch.equal(weights[name], weights_again[name])] == []
