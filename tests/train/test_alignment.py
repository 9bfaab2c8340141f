"""Every pass of the policy sees the ECG of its own row: the record's number stands in the signal and in the prompt."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from peft import LoraConfig
from trl import GRPOConfig

from ecg_r1.corpus.store import PAGES, SIGNALS, RecordStore
from ecg_r1.model.checkpoint import load_model
from ecg_r1.model.engine import Rollout
from ecg_r1.recipe import RewardWorkers
from ecg_r1.scoring import load_reward
from ecg_r1.train.grpo import grpo_trainer
from ecg_r1.train.rewards import RewardSet
from ecg_r1.train.rollout import ECGRollout

RECORDS = 6


@pytest.fixture
def store(tmp_path):
    """Record k holds k mV in its first sample, and is asked for by its number."""
    signals = np.zeros((RECORDS, 12, 5000), dtype=np.int16)
    signals[:, 0, 0] = 1000 * np.arange(RECORDS)
    pages = np.zeros((RECORDS, 112, 112, 3), dtype=np.uint8)
    pages[:, 0, 0, 0] = np.arange(RECORDS)
    (tmp_path / SIGNALS).write_bytes(signals.tobytes())
    (tmp_path / PAGES).write_bytes(pages.tobytes())
    (tmp_path / "split.json").write_text(json.dumps({"page_size": 112}))
    rows = [
        {"record": f"r{k}", "diagnoses": ["normal ECG"], "leads": ["I"], "measurements": {"pr_ms": 160.0}}
        for k in range(RECORDS)
    ]
    examples = [{"record": f"r{k}", "question": f"Record {k}", "response": "normal ECG"} for k in range(RECORDS)]
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in examples))
    return RecordStore(tmp_path)


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_signal_page_and_prompt_stay_together_in_every_pass(store, tmp_path, beta):
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=["Record 0 1 2 3 4 5", "normal ECG"])
    passes = []

    def look(module, args, kwargs):
        if kwargs.get("ecg_values") is None:
            return  # a decoding step: the media are in the cache
        texts = processor.tokenizer.batch_decode(kwargs["input_ids"], skip_special_tokens=True)
        asked = [int(text.split("Record ")[1][0]) for text in texts]
        index = kwargs["media_index"]
        signal = kwargs["ecg_values"][index][:, 0, 0].round().int().tolist()
        red = kwargs["pixel_values"][index][:, 0, 0, 0]
        page = [
            processor.image_processor([store.page(f"r{k}")], return_tensors="pt")["pixel_values"][0, 0, 0, 0]
            for k in asked
        ]
        passes.append((torch.is_grad_enabled(), asked == signal, torch.allclose(red, torch.stack(page))))

    model.model.register_forward_pre_hook(look, with_kwargs=True)
    config = GRPOConfig(
        output_dir=str(tmp_path / "run"), max_steps=3, per_device_train_batch_size=4, gradient_accumulation_steps=2,
        num_generations=2, num_iterations=2, max_completion_length=6, beta=beta, use_vllm=False, report_to=[],
        bf16=False, learning_rate=1e-3, disable_tqdm=True, dataloader_pin_memory=False,
    )  # fmt: skip
    reward_set = RewardSet([load_reward("format")], RewardWorkers(workers=0), store)
    peft = LoraConfig(r=2, target_modules=["q_proj", "v_proj"]) if beta else None
    trainer = grpo_trainer(model, processor, store, config, peft, [], reward_set=reward_set, credit="claim", rollout={})
    trainer.train()
    assert len(passes) >= 12
    assert {grad for grad, _, _ in passes} == {True, False}
    assert all(signal and page for _, signal, page in passes)


class _FakeEngine:
    """Answers each prompt with n copies of its record's number, read off the signal."""

    def generate(self, prompts, n=1, **sampling):
        self.n, self.asked = n, prompts
        return [[Rollout([int(p.ecgs[0][0, 0].round())], [-0.5])] * n for p in prompts]


def _rollout(store):
    rollout = object.__new__(ECGRollout)  # the engine alone is faked: this is the seam's own unit test
    rollout.store, rollout.engine = store, _FakeEngine()
    rollout.temperature = rollout.top_p = rollout.repetition_penalty = 1.0
    rollout.top_k, rollout.min_p, rollout.max_completion_length, rollout.generation_kwargs = 0, None, 4, {}
    return rollout


def test_rollouts_send_each_distinct_prompt_once(store):
    rollout = _rollout(store)
    _, completions, logprobs, _ = rollout.generate([[1], [1], [2], [2]], ["r3", "r3", "r5", "r5"], 2)
    assert rollout.engine.n == 2
    assert len(rollout.engine.asked) == 2
    assert completions == [[3], [3], [5], [5]]
    assert logprobs[0] == [[-0.5]]


def test_two_groups_of_one_record_are_not_merged_into_a_wrong_shape(store):
    rollout = _rollout(store)
    _, completions, _, _ = rollout.generate([[1]] * 6, ["r3"] * 4 + ["r5"] * 2, 2)
    assert completions == [[3]] * 4 + [[5]] * 2
