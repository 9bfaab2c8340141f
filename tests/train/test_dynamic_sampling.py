"""Groups without a spread of rewards are replaced within a budget; a resumed run chooses what the first would have."""

import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from safetensors.torch import load_file
from trl import GRPOConfig

from ecg_r1.corpus.build import build
from ecg_r1.corpus.store import RecordStore
from ecg_r1.model.checkpoint import load_model, save
from ecg_r1.recipe import CorpusRecipe, Curriculum, DynamicSampling, RecipeError, RewardWorkers, read_recipe
from ecg_r1.scoring.contract import Score
from ecg_r1.scoring.registry import Reward
from ecg_r1.train.dropout import Shown
from ecg_r1.train.dynamic_sampling import Group, GroupSampler
from ecg_r1.train.grpo import grpo_trainer
from ecg_r1.train.media import Media
from ecg_r1.train.preflight import check
from ecg_r1.train.prompt_pool import PromptPool
from ecg_r1.train.rewards import RewardSet

FLAT = {0, 1, 2, 3, 4, 5}  # rows whose completions are all the same


def group(row, *values):
    return Group(row, Shown(str(row), ()), [[1]] * len(values), None, [[Score(value)] for value in values])


def written(rows):
    return [group(row, *((1.0, 1.0) if row in FLAT else (0.0, 1.0))) for row in rows]


def sampler(pool, dynamic, write=written):
    return GroupSampler(pool, dynamic, [1.0], write, lambda given: given, 0)


def test_groups_without_spread_are_replaced_until_none_is_left():
    asked = []

    def write(rows):
        asked.append(rows)
        return written(rows)

    groups, facts = sampler(PromptPool(64, 0), DynamicSampling(budget=10), write).sample([0, 10, 1, 11], 3)
    assert [one.row for one in groups][1::2] == [10, 11]
    assert not FLAT & {one.row for one in groups}
    assert len(asked[1]) == 2  # as many as are missing: no group is written for nothing
    everything = [row for rows in asked for row in rows]
    assert len(everything) == len(set(everything))
    assert facts["dynamic/groups_written"] == len(everything) / 4
    assert facts["dynamic/without_spread"] == 0


@pytest.mark.parametrize("budget", [1.25, 2, 3])
def test_no_more_is_written_than_the_budget_allows(budget):
    def all_flat(rows):
        return [group(row, 0.5, 0.5) for row in rows]

    groups, facts = sampler(PromptPool(64, 0), DynamicSampling(budget=budget), all_flat).sample([0, 1, 2, 3], 0)
    assert facts == {"dynamic/groups_written": budget, "dynamic/without_spread": 1, "dynamic/exchanged": 0}
    assert len(groups) == 4


def test_a_corpus_without_other_examples_keeps_what_it_has():
    groups, facts = sampler(PromptPool(4, 0), DynamicSampling(), written).sample([0, 1, 2, 3], 0)
    assert [one.row for one in groups] == [0, 1, 2, 3]
    assert facts["dynamic/groups_written"] == 1


def test_several_processes_replace_their_own_groups_by_different_examples():
    """Two threads in the place of processes; `gather` waits for both, as gather_object does."""
    import threading

    meeting, shared = threading.Barrier(2), [None, None]
    results = {}

    def work(process, rows):
        def gather(given):
            shared[process] = given
            meeting.wait()
            together = shared[0] + shared[1]
            meeting.wait()
            return together

        one = GroupSampler(PromptPool(64, 0), DynamicSampling(budget=4), [1.0], written, gather, process)
        results[process] = one.sample(rows, 0)

    threads = [threading.Thread(target=work, args=given) for given in ((0, [0, 1]), (1, [20, 2]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = [one.row for process in (0, 1) for one in results[process][0]]
    assert len(set(rows)) == 4
    assert not FLAT & set(rows)
    assert rows[2] == 20
    assert results[0][1] == results[1][1]


def test_examples_that_always_or_never_passed_give_way():
    pool = PromptPool(400, 0, Curriculum(passed=1.0, least=0.1))
    pool.saw([(row, 1.0) for row in range(100)] + [(row, 0.5) for row in range(100, 200)])
    pool.saw([(300, math.nan)])
    assert pool.weights()[[0, 100, 300]].tolist() == [0.1, 1.0, 1.0]
    kept = pool.exchange(list(range(200)), 7)
    assert kept[100:] == list(range(100, 200))
    assert 3 <= sum(row < 100 for row in kept[:100]) <= 35  # 10 of 100, and some of those that take their place
    assert len(set(kept)) == 200
    assert PromptPool(400, 0).exchange(list(range(200)), 7) == list(range(200))


def test_a_pass_rate_counts_what_was_scored():
    scored = Group(0, Shown("", ()), [[1]] * 3, None, [[Score(1.0)], [Score(0.2)], [Score(None)]])
    assert scored.pass_rate([1.0], 0.5) == 0.5
    assert scored.has_spread([1.0])
    assert not scored.has_spread([0.0])
    assert math.isnan(group(0, None, None).pass_rate([1.0], 0.5))
    assert not group(0, None, 1.0).has_spread([1.0])


STEPS = 5


def train(split, folder, resume=None, **settings):
    """GRPO with transformers, on examples of which two always have the same reward."""
    torch.manual_seed(0)
    model, processor = load_model("tiny", texts=["Report this ECG. normal ECG sinus rhythm"])
    store = RecordStore(split)
    media = Media(store, processor)
    flat = set(store.example_ids[:2])
    asked = []

    def reward(completion, case):
        asked.append(case.example_id)
        return Score(0.5 if case.example_id in flat else len(completion.text) / 100)

    rewards = RewardSet([Reward("own", "own", reward, scope="sample")], RewardWorkers(workers=0), media)
    config = GRPOConfig(
        output_dir=str(folder), per_device_train_batch_size=4, num_generations=2, max_completion_length=6,
        use_vllm=False, max_steps=STEPS, save_steps=1, report_to=[], bf16=False, learning_rate=1e-3, logging_steps=1,
        disable_tqdm=True, dataloader_pin_memory=False, save_total_limit=None,
    )  # fmt: skip
    trainer = grpo_trainer(
        model, media, config, None, [], reward_set=rewards, credit="sequence", rollout={}, shared_prefix=True,
        **settings,
    )  # fmt: skip
    trainer.train(resume_from_checkpoint=resume and str(folder / f"checkpoint-{resume}"))
    rows = [row for row in trainer.state.log_history if "reward" in row]
    return rows, asked, {name: value.clone() for name, value in model.state_dict().items()}


SETTINGS = {"dynamic_sampling": DynamicSampling(budget=3.0), "curriculum": Curriculum(passed=0.2, least=0.2)}


@pytest.mark.parametrize("step", [3, pytest.param(2, marks=pytest.mark.slow)])  # amid an epoch, and at its end
def test_a_resumed_run_chooses_and_ends_as_one_that_was_not_cut_short(split, tmp_path, step):
    rows, asked, weights = train(split, tmp_path / "run", **SETTINGS)
    again, asked_again, weights_again = train(split, tmp_path / "run", resume=step, **SETTINGS)
    assert [name for name in weights if not torch.equal(weights[name], weights_again[name])] == []
    assert asked[-len(asked_again) :] == asked_again
    counted = [row["dynamic/groups_written"] for row in rows]
    assert max(counted) > 1  # something was replaced
    assert sum(counted) * 4 == len(asked)  # and nothing was scored twice
    keys = [key for key in rows[0] if key.startswith("dynamic/")]
    assert len(keys) == 4
    assert [[row[key] for key in keys] for row in rows[step:]] == [[row[key] for key in keys] for row in again[step:]]


def test_what_was_replaced_is_not_learned_from(split, tmp_path):
    rows, _, _ = train(split, tmp_path / "run", dynamic_sampling=DynamicSampling(budget=8))
    plain, asked, _ = train(split, tmp_path / "plain")
    assert all("dynamic/groups_written" not in row for row in plain)  # off by default
    assert len(asked) == STEPS * 4
    without, with_all = ([row["frac_reward_zero_std"] for row in logged] for logged in (rows, plain))
    assert np.mean(without) < np.mean(with_all)
    for row in rows:
        assert row["dynamic/without_spread"] == row["frac_reward_zero_std"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["dynamic_sampling={budget: 1}"], "dynamic_sampling.budget"),
        (["dynamic_sampling={budgets: 2}"], "budgets"),
        (["curriculum={}"], "curriculum.passed"),
        (["curriculum={passed: 1, least: 0}"], "curriculum.least"),
        (
            [
                "curriculum={passed: 1}",
                "rollout.mode=server",
                "rollout.servers=['http://127.0.0.1:1']",
                "rollout.key_file=key",
                "rollout.staleness=1",
            ],
            "not with `rollout.staleness`",
        ),
    ],
)
def test_what_would_not_be_honoured_is_refused(overrides, said):
    with pytest.raises(RecipeError, match=said):
        read_recipe("tiny/grpo", overrides)


def test_a_reward_of_whole_batches_is_refused_where_a_part_of_them_is_replaced(split, tmp_path):
    own = tmp_path / "own.py"
    own.write_text("def ranked(completions, cases):\n    return [1.0] * len(cases)\nranked.reward_scope = 'batch'\n")
    overrides = [f"run={tmp_path}/run", f"corpus={{train: {split}}}", f"rewards=[{{name: '{own}:ranked'}}]"]
    with pytest.raises(RecipeError, match="ranked judges a whole batch at once, and `dynamic_sampling`"):
        check(read_recipe("tiny/grpo", [*overrides, "dynamic_sampling={}"]), "grpo.yaml", dry_run=True)


OFTEN_FLAT = """
from ecg_r1.scoring import reward


@reward
def half(completion, case):
    return 0.5 if case.example_id[-1] in "0246" else len(completion.text) % 7 / 7
"""


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_is_killed_and_its_command_repeated(tmp_path, processes):
    simulated = {"stage": "corpus", "out": str(tmp_path / "corpus"), "splits": {"train": [{"simulate": 8}]}}
    (corpus,) = build(CorpusRecipe.model_validate(simulated))
    torch.manual_seed(0)
    save(*load_model("tiny", texts=["Read this ECG. PR 160 ms, QRS 90 ms. normal ECG"]), tmp_path / "model")
    (tmp_path / "own.py").write_text(OFTEN_FLAT, encoding="utf-8")

    def begin(name):
        overrides = [
            f"run={tmp_path}/{name}", f"model={tmp_path}/model", f"corpus={{train: {corpus}}}", "deepspeed=null",
            f"processes={processes}", "rollout={engine: hf}", "credit=sequence", "trainer.num_generations=4",
            f"trainer.per_device_train_batch_size={16 // processes}", "trainer.max_steps=6", "trainer.save_steps=2",
            "trainer.max_completion_length=12", f"rewards=[{{name: '{tmp_path}/own.py:half'}}]",
            "dynamic_sampling={budget: 3}", "curriculum={passed: 0.4, least: 0.2}",
        ]  # fmt: skip
        command = [sys.executable, "-m", "ecg_r1", "train", "tiny/grpo", *overrides]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)

    def logged(name):
        file = tmp_path / name / "metrics.jsonl"
        rows = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
        return {row["step"]: row for row in map(json.loads, rows) if "reward" in row}

    whole = begin("whole")
    assert whole.wait(timeout=900) == 0, whole.stderr.read()[-3000:]
    trainer = begin("killed")
    while 5 not in logged("killed"):
        assert trainer.poll() is None, trainer.stderr.read()[-3000:]
        time.sleep(0.02)
    trainer.send_signal(signal.SIGKILL)
    trainer.wait()
    trainer = begin("killed")
    assert trainer.wait(timeout=900) == 0, trainer.stderr.read()[-3000:]
    ends = [load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "killed")]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    keys = ("dynamic/groups_written", "dynamic/without_spread", "dynamic/exchanged", "dynamic/pass_rate", "reward")
    first, second = logged("whole"), logged("killed")
    assert first.keys() == second.keys()
    for step, row in first.items():
        assert [row[key] for key in keys] == [second[step][key] for key in keys]
    assert max(row["dynamic/groups_written"] for row in first.values()) > 1
    assert max(row["dynamic/exchanged"] for row in first.values()) > 0
