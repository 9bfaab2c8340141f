"""Every pass of the policy sees the ECG of its own row: the record's number stands in the signal and in the prompt.

With dropout it sees what was drawn for the row's prompt group when its completions were generated.
"""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from peft import LoraConfig
from trl import GRPOConfig

from ecg_r1.corpus.store import PAGES, SIGNALS, RecordStore
from ecg_r1.ecg.leads import LEADS
from ecg_r1.engine import Rollout
from ecg_r1.model.checkpoint import load_model
from ecg_r1.recipe import Dropout, RewardWorkers
from ecg_r1.scoring import load_reward
from ecg_r1.train.dropout import NOTHING, View
from ecg_r1.train.grpo import grpo_trainer
from ecg_r1.train.media import Media
from ecg_r1.train.rewards import RewardSet
from ecg_r1.train.rollout import ECGRollout

RECORDS = 6


@pytest.fixture
def store(tmp_path):
    """Record k holds k + 1 mV in the first sample of each lead, and is asked for by its number."""
    signals = np.zeros((RECORDS, 12, 5000), dtype=np.int16)
    signals[:, :, 0] = 1000 * (1 + np.arange(RECORDS)[:, None])
    pages = np.zeros((RECORDS, 112, 112, 3), dtype=np.uint8)
    pages[:, 0, 0, 0] = np.arange(RECORDS)
    (tmp_path / SIGNALS).write_bytes(signals.tobytes())
    (tmp_path / PAGES).write_bytes(pages.tobytes())
    (tmp_path / "split.json").write_text(json.dumps({"page_size": 112}))
    rows = [
        {"record": f"r{k}", "diagnoses": ["normal ECG"], "leads": LEADS, "measurements": {"pr_ms": 160.0}}
        for k in range(RECORDS)
    ]
    examples = [{"record": f"r{k}", "question": f"Record {k}", "response": "normal ECG"} for k in range(RECORDS)]
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "examples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in examples))
    return RecordStore(tmp_path)


HIDING = Dropout(leads=0.5, ecg=0.25, page=0.25, interleave=0.5)


@pytest.mark.parametrize(("beta", "dropout"), [(0.0, NOTHING), (0.1, NOTHING), (0.1, HIDING)])
def test_signal_page_and_prompt_stay_together_in_every_pass(store, tmp_path, beta, dropout):
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=["Record 0 1 2 3 4 5", "normal ECG"])
    media = Media(store, processor, dropout, seed=1)
    ecg, image = (processor.tokenizer.convert_tokens_to_ids(tag) for tag in ("<ecg>", "<image>"))
    passes, views = [], set()

    def look(module, args, kwargs):
        if kwargs.get("ecg_values") is None:
            return  # a decoding step: the media are in the cache
        step = trainer.state.global_step
        texts = processor.tokenizer.batch_decode(kwargs["input_ids"], skip_special_tokens=True)
        for row, text in enumerate(texts):
            asked = int(text.split("Record ")[1][0])
            view = media.view(asked, step - step % 2)  # num_iterations=2: completions serve for two steps
            views.add(view)
            place = kwargs["media_index"][row]
            ids = kwargs["input_ids"][row].tolist()
            right = [  # a policy without training samples placeholders too, though not so many
                (ids.count(ecg) >= processor.num_ecg_tokens) == view.ecg,
                (ids.count(image) >= processor.num_image_tokens) == view.page,
                not (view.ecg and view.page) or (ids.index(image) < ids.index(ecg)) == view.page_first,
            ]
            if view.ecg:
                leads = [asked + 1 if lead in (view.leads or LEADS) else 0 for lead in LEADS]
                right.append(kwargs["ecg_values"][place, :, 0].round().int().tolist() == leads)
            if view.page:
                page = processor.image_processor([media.page(view)], return_tensors="pt")["pixel_values"][0]
                right.append(torch.equal(kwargs["pixel_values"][place], page))
            passes.append((torch.is_grad_enabled(), all(right)))

    model.model.register_forward_pre_hook(look, with_kwargs=True)
    config = GRPOConfig(
        output_dir=str(tmp_path / "run"), max_steps=4, per_device_train_batch_size=4, gradient_accumulation_steps=2,
        num_generations=2, num_iterations=2, max_completion_length=6, beta=beta, use_vllm=False, report_to=[],
        bf16=False, learning_rate=1e-3, disable_tqdm=True, dataloader_pin_memory=False,
    )  # fmt: skip
    peft = LoraConfig(r=2, target_modules=["q_proj", "v_proj"]) if beta else None
    with RewardSet([load_reward("format")], RewardWorkers(workers=0), media) as reward_set:
        trainer = grpo_trainer(model, media, config, peft, [], reward_set=reward_set, credit="claim", rollout={})
        trainer.train()
    assert len(passes) >= 64
    assert {grad for grad, _ in passes} == {True, False}
    assert all(right for _, right in passes)
    if dropout == HIDING:
        assert {(view.ecg, view.page) for view in views} == {(True, True), (True, False), (False, True)}
        assert {view.leads is None for view in views} == {True, False}


def test_a_placeholder_that_a_policy_samples_where_its_prompt_has_none_is_a_token_like_others():
    model, processor = load_model("tiny", texts=["Record 0"])
    ecg, image = (processor.tokenizer.convert_tokens_to_ids(tag) for tag in ("<ecg>", "<image>"))
    ids = torch.tensor([[image] * processor.num_image_tokens + [5, 6, 7, ecg, 8]])
    page = torch.randn(1, 3, 112, 112)
    with torch.no_grad():
        alone = model.eval()(input_ids=ids, pixel_values=page).logits
        beside = model(
            input_ids=ids, pixel_values=page, ecg_values=torch.zeros(1, 12, 5000), media_index=torch.tensor([0])
        ).logits
    assert torch.equal(alone, beside)


class _FakeEngine:
    """Answers each prompt with n copies of its record's number, read off the signal."""

    def generate(self, prompts, n=1, **sampling):
        self.n, self.asked, self.sampling = n, prompts, sampling
        return [[Rollout([int(p.ecgs[0][0, 0].round()) - 1], [-0.5])] * n for p in prompts]


def _rollout(store):
    rollout = object.__new__(ECGRollout)  # the engine alone is faked: this is the seam's own unit test
    rollout.media, rollout.engine = Media(store, None), _FakeEngine()
    rollout.temperature = rollout.top_p = rollout.repetition_penalty = 1.0
    rollout.top_k, rollout.min_p, rollout.max_completion_length, rollout.generation_kwargs = 0, None, 4, {}
    return rollout


def test_rollouts_send_each_distinct_prompt_once(store):
    rollout = _rollout(store)
    _, completions, logprobs, _ = rollout.generate([[1], [1], [2], [2]], [View(r) for r in ("r3", "r3", "r5", "r5")], 2)
    assert rollout.engine.n == 2
    assert len(rollout.engine.asked) == 2
    assert completions == [[3], [3], [5], [5]]
    assert logprobs[0] == [[-0.5]]


def test_rollouts_are_sampled_as_the_recipe_says(store):
    rollout = _rollout(store)
    rollout.temperature, rollout.top_p, rollout.top_k, rollout.min_p = 0.7, 0.8, 9, 0.1
    rollout.repetition_penalty, rollout.max_completion_length, rollout.generation_kwargs = 1.2, 5, {"min_tokens": 2}
    rollout.generate([[1]], [View("r3")], 1)
    assert rollout.engine.sampling == {
        "temperature": 0.7, "top_p": 0.8, "top_k": 9, "min_p": 0.1, "repetition_penalty": 1.2, "max_tokens": 5,
        "min_tokens": 2,
    }  # fmt: skip


def test_two_groups_of_one_record_are_not_merged_into_a_wrong_shape(store):
    rollout = _rollout(store)
    _, completions, _, _ = rollout.generate([[1]] * 6, [View("r3")] * 4 + [View("r5")] * 2, 2)
    assert completions == [[3]] * 4 + [[5]] * 2
