"""Every pass of the policy sees the ECGs of its own row: a record's number stands in its signal and in the prompt.

With dropout it sees what was drawn for the row's prompt group when its completions were generated.
"""

from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from peft import LoraConfig
from splits import write_split
from trl import GRPOConfig

from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.example import Example
from ecg_r1.ecg.leads import LEADS
from ecg_r1.engine import Rollout
from ecg_r1.model.checkpoint import load_model
from ecg_r1.recipe import Dropout, RewardWorkers
from ecg_r1.scoring import load_reward
from ecg_r1.train.dropout import NOTHING, Shown, View
from ecg_r1.train.grpo import grpo_trainer
from ecg_r1.train.media import Media, example_dataset
from ecg_r1.train.rewards import RewardSet
from ecg_r1.train.rollout import ECGRollout
from ecg_r1.train.sft import SFTCollator

RECORDS = 6
# Example -> the records that it asks about.
ASKED = {"a": (0,), "again": (0,), "pair": (1, 2), "turned": (2, 1), "c": (3,), "d": (4,), "three": (5, 0, 3)}


@pytest.fixture
def store(tmp_path):
    """Record k holds k + 1 mV in the first sample of each lead; its examples ask for it by its number.

    Two examples ask about record 0, one about records 1 and 2, one about the same the other way round.
    """
    signals = np.zeros((RECORDS, 12, 5000), dtype=np.float32)
    signals[:, :, 0] = 1 + np.arange(RECORDS)[:, None]
    pages = np.zeros((RECORDS, 112, 112, 3), dtype=np.uint8)
    pages[:, 0, 0, 0] = np.arange(RECORDS)
    rows = [{"record": f"r{k}", "diagnoses": ["normal ECG"], "measurements": {"pr_ms": 160.0}} for k in range(RECORDS)]
    examples = [
        Example(name, tuple(f"r{k}" for k in asked), f"Record {' '.join(map(str, asked))}", "normal ECG")
        for name, asked in ASKED.items()
    ]
    folder = write_split(
        tmp_path / "split", rows, examples, page_size=112, signal=signals.__getitem__, page=pages.__getitem__
    )
    return RecordStore(folder)


HIDING = Dropout(leads=0.5, ecg=0.25, page=0.25, interleave=0.5)


def tags_of(view: View) -> str:
    """The media of a view in the order of the prompt: "e" is an ECG, "i" a page."""
    tags = "e" * view.ecg + "i" * view.page
    return tags[::-1] if view.page_first else tags


@pytest.mark.parametrize(("beta", "dropout"), [(0.0, NOTHING), (0.1, NOTHING), (0.1, HIDING)])
def test_signal_page_and_prompt_stay_together_in_every_pass(store, tmp_path, beta, dropout):
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=["Record 0 1 2 3 4 5", "normal ECG"])
    media = Media(store, processor, dropout, seed=1)
    lengths = {"e": processor.num_ecg_tokens, "i": processor.num_image_tokens}
    ecg, image = (processor.tokenizer.convert_tokens_to_ids(tag) for tag in ("<ecg>", "<image>"))
    passes, views, groups = [], set(), set()

    def look(module, args, kwargs):
        if kwargs.get("ecg_values") is None:
            return  # a decoding step: the media are in the cache
        step = trainer.state.global_step
        texts = processor.tokenizer.batch_decode(kwargs["input_ids"], skip_special_tokens=True)
        for row, text in enumerate(texts):
            asked = [int(word) for word in text.split("Record ")[1].split("\n")[0].split()]
            # num_iterations=2: completions serve for two steps
            shown = [media.view(f"r{k}", step - step % 2) for k in asked]
            views.update(shown)
            groups.add(len(asked))
            placed = [token for view in shown for token in tags_of(view)]
            ids = [{ecg: "e", image: "i"}.get(token) for token in kwargs["input_ids"][row].tolist()]
            runs = [tag for tag in ids if tag][: sum(lengths[tag] for tag in placed)]
            right = [  # a policy without training samples placeholders too, behind the prompt's
                runs == [tag for tag in placed for _ in range(lengths[tag])],
                (kwargs["media_index"][row] >= 0).sum(dim=0).tolist() == [placed.count("e"), placed.count("i")],
            ]
            for k, view, (signal, page) in zip(asked, shown, kwargs["media_index"][row].tolist(), strict=False):
                if view.ecg:
                    leads = [k + 1 if lead in (view.leads or LEADS) else 0 for lead in LEADS]
                    right.append(kwargs["ecg_values"][signal, :, 0].round().int().tolist() == leads)
                if view.page:
                    pixels = processor.image_processor([media.page(view)], return_tensors="pt")["pixel_values"][0]
                    right.append(torch.equal(kwargs["pixel_values"][page], pixels))
            passes.append((torch.is_grad_enabled(), all(right)))

    model.model.register_forward_pre_hook(look, with_kwargs=True)
    config = GRPOConfig(
        output_dir=str(tmp_path / "run"), max_steps=8, per_device_train_batch_size=4, gradient_accumulation_steps=2,
        num_generations=2, num_iterations=2, max_completion_length=6, beta=beta, use_vllm=False, report_to=[],
        bf16=False, learning_rate=1e-3, disable_tqdm=True, dataloader_pin_memory=False,
    )  # fmt: skip
    peft = LoraConfig(r=2, target_modules=["q_proj", "v_proj"]) if beta else None
    with RewardSet([load_reward("format")], RewardWorkers(workers=0), media) as reward_set:
        trainer = grpo_trainer(model, media, config, peft, [], reward_set=reward_set, credit="claim", rollout={})
        trainer.train()
    assert len(passes) >= 128
    assert groups == {1, 2, 3}
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
            input_ids=ids, pixel_values=page, ecg_values=torch.zeros(1, 12, 5000), media_index=torch.tensor([[[-1, 0]]])
        ).logits
    assert torch.equal(alone, beside)


@pytest.mark.parametrize("dropout", [NOTHING, HIDING])
def test_supervised_rows_have_their_own_records(store, dropout):
    """The same answer, whichever rows a batch has: each row alone, and all of them together."""
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=["Record 0 1 2 3 4 5", "normal ECG"])
    collator = SFTCollator(Media(store, processor, dropout, seed=1))
    rows = list(example_dataset(store))
    batch = collator(rows)
    with torch.no_grad():
        together = model.eval()(**{key: value for key, value in batch.items() if key != "labels"}).logits
        for i, row in enumerate(rows):
            one = collator([row])
            length = one["input_ids"].shape[1]
            alone = model(**{key: value for key, value in one.items() if key != "labels"}).logits[0]
            assert torch.equal(batch["input_ids"][i, :length], one["input_ids"][0])
            assert torch.allclose(together[i, :length], alone, atol=1e-4)
    if dropout == NOTHING:  # "a" and "again" ask the same of one record; the pairs differ in their order alone
        assert torch.allclose(together[0], together[1], atol=1e-5)
        assert not torch.allclose(together[2], together[3], atol=1e-3)


class _FakeEngine:
    """Answers each prompt with n copies of its records' numbers, read off the signals and the pages."""

    def generate(self, prompts, n=1, **sampling):
        self.n, self.asked, self.sampling = n, prompts, sampling
        return [
            [Rollout([int(e[0, 0].round()) - 1 for e in p.ecgs] + [int(i[0, 0, 0]) for i in p.pages], [-0.5])] * n
            for p in prompts
        ]


def _rollout(store):
    rollout = object.__new__(ECGRollout)  # the engine alone is faked: this is the seam's own unit test
    rollout.media, rollout.engine, rollout.tensor_parallel_size = Media(store, None), _FakeEngine(), 1
    rollout.temperature = rollout.top_p = rollout.repetition_penalty = 1.0
    rollout.top_k, rollout.min_p, rollout.max_completion_length, rollout.generation_kwargs = 0, None, 4, {}
    return rollout


def _whole(*names):
    return [Shown(name, tuple(View(f"r{k}") for k in ASKED[name])) for name in names]


def test_rollouts_send_each_distinct_prompt_once(store):
    rollout = _rollout(store)
    _, completions, logprobs, _ = rollout.generate([[1], [1], [2], [2]], _whole("c", "c", "d", "d"), 2)
    assert rollout.engine.n == 2
    assert len(rollout.engine.asked) == 2
    assert completions == [[3, 3], [3, 3], [4, 4], [4, 4]]
    assert logprobs[0] == [[-0.5]]


def test_rollouts_are_sampled_as_the_recipe_says(store):
    rollout = _rollout(store)
    rollout.temperature, rollout.top_p, rollout.top_k, rollout.min_p = 0.7, 0.8, 9, 0.1
    rollout.repetition_penalty, rollout.max_completion_length, rollout.generation_kwargs = 1.2, 5, {"min_tokens": 2}
    rollout.generate([[1]], _whole("c"), 1)
    assert rollout.engine.sampling == {
        "temperature": 0.7, "top_p": 0.8, "top_k": 9, "min_p": 0.1, "repetition_penalty": 1.2, "max_tokens": 5,
        "min_tokens": 2,
    }  # fmt: skip


def test_each_rollout_keeps_its_own_log_probabilities(store):
    rollout = _rollout(store)
    sampled = iter([Rollout([5], [-0.1]), Rollout([6, 7], [-0.2, -0.3]), Rollout([8], [-0.4]), Rollout([9], [-0.5])])
    rollout.engine.generate = lambda prompts, n, **sampling: [[next(sampled) for _ in range(n)] for _ in prompts]
    _, ids, logprobs, _ = rollout.generate([[1], [1], [2], [2]], _whole("c", "c", "d", "d"), 2)
    assert ids == [[5], [6, 7], [8], [9]]
    assert logprobs == [[[-0.1]], [[-0.2], [-0.3]], [[-0.4]], [[-0.5]]]


@pytest.mark.parametrize("rank", [0, 1])
def test_processes_of_one_engine_ask_the_same_and_take_their_own(store, monkeypatch, rank):
    rows = [([1], _whole("c")[0]), ([1], _whole("c")[0])], [([2], _whole("d")[0]), ([2], _whole("d")[0])]

    def gathered(parts, own, group):
        parts[:] = [(rows[0], 11), (rows[1], 12)]
        assert own[0] == rows[rank]

    monkeypatch.setattr("ecg_r1.train.rollout.dist.all_gather_object", gathered)
    monkeypatch.setattr("ecg_r1.train.rollout.dist.get_rank", lambda group: rank)
    rollout = _rollout(store)
    rollout.tensor_parallel_size, rollout.tp_group = 2, None
    _, completions, _, _ = rollout.generate(*map(list, zip(*rows[rank], strict=True)), 2)
    assert completions == [[[3, 3]] * 2, [[4, 4]] * 2][rank]
    assert len(rollout.engine.asked) == 2
    assert rollout.engine.sampling["seed"] == 11  # the first one's, in both


def test_each_process_samples_with_a_seed_of_its_own(monkeypatch):
    given = []
    monkeypatch.setattr("ecg_r1.train.rollout.VLLMEngine", lambda folder, **options: given.append(options))
    for index in range(2):
        rollout = object.__new__(ECGRollout)
        rollout.checkpoint, rollout.seed, rollout.engine_options = "model", 7, {"max_num_seqs": 3}
        rollout.max_model_length = rollout.max_num_seqs = 64
        rollout.gpu_memory_utilization, rollout.enable_sleep_mode = 0.3, False
        rollout.accelerator = SimpleNamespace(process_index=index, num_processes=2, wait_for_everyone=lambda: None)
        rollout.tensor_parallel_size = 1
        rollout._init_vllm()
    assert [options["seed"] for options in given] == [7, 8]
    assert {options["max_num_seqs"] for options in given} == {3}  # the recipe's goes before TRL's
    assert {options["max_model_len"] for options in given} == {64}


def test_rollouts_see_every_record_of_an_example_in_its_order(store):
    rollout = _rollout(store)
    _, completions, _, _ = rollout.generate([[1]] * 4, _whole("pair", "pair", "turned", "turned"), 2)
    assert completions == [[1, 2, 1, 2]] * 2 + [[2, 1, 2, 1]] * 2
    hidden = Shown("pair", (View("r1", page=False), View("r2")))
    _, completions, _, _ = rollout.generate([[1]] * 2, [hidden, hidden], 2)
    assert completions == [[1, 2, 2]] * 2


def test_two_examples_of_one_record_are_two_prompts(store):
    rollout = _rollout(store)
    _, completions, _, _ = rollout.generate([[1]] * 4, _whole("a", "a", "again", "again"), 2)
    assert (rollout.engine.n, len(rollout.engine.asked)) == (2, 2)
    assert completions == [[0, 0]] * 4


def test_two_groups_of_one_example_are_not_merged_into_a_wrong_shape(store):
    rollout = _rollout(store)
    _, completions, _, _ = rollout.generate([[1]] * 6, _whole(*["c"] * 4, *["d"] * 2), 2)
    assert completions == [[3, 3]] * 4 + [[4, 4]] * 2
