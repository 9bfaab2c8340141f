"""No reward can kill, stall or silently bias a run."""

from pathlib import Path
from select import select

import pytest
from misbehaving import NUMBERS, WRONG

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.scoring import Case, RewardFailure, RewardPool, load_reward
from ecg_r1.scoring.workers import DEATHS

DEADLINE = 8.0  # a call that hangs is ended after half of it; no other call here comes near, on however busy a machine
FILE = Path(__file__).with_name("misbehaving.py")
MEASURED = Measurements.from_json({"heart_rate_bpm": 75, "pr_ms": 160, "qrs_ms": 92, "qt_ms": 400})
TEXT = (
    "<think>Rate 75 bpm. PR interval 160 ms. QRS duration 92 ms. QT interval 400 ms.</think><answer>normal ECG</answer>"
)


def cases(n: int, group: int = 4) -> list[Case]:
    return [Case(f"r{i // group}", ("normal ECG",), MEASURED, question="q", extra={"answer": TEXT}) for i in range(n)]


def pool(*functions: str, workers: int, **limits: float) -> RewardPool:
    rewards = [load_reward(f"{FILE}:{name}") for name in functions]
    return RewardPool(
        [*rewards, load_reward("format"), load_reward("intervals")], workers=workers, **({"error_limit": 1.0} | limits)
    )


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("name", "error"),
    [("raises", "KeyError: 'missing'"), ("returns_text", "returned str 'good'"), ("returns_nan", "returned nan"),
     ("wrong_length", "returned 1 values for 4 completions"), ("leaves", "SystemExit: 3"),
     ("trl_state", "trainer_state.global_step is not known to a reward here; make it an option")],
)  # fmt: skip
def test_a_failure_is_recorded_on_its_samples(workers: int, name: str, error: str) -> None:
    with pool(name, workers=workers) as p:
        failed, formats, values = p.score([TEXT] * 8, cases(8))
        counters = p.counters()
    assert all(s.value is None and error in s.error for s in failed)
    assert [s.value for s in formats] == [s.value for s in values] == [1.0] * 8
    assert counters[f"rewards/{name}/errors"] == 8
    assert counters["rewards/format/errors"] == counters[f"rewards/{name}/timeouts"] == 0
    assert p.counters() == {}


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_every_number_is_a_float_and_evidence_json(workers: int) -> None:
    measured = [Case(name, (), MEASURED) for name in NUMBERS]
    with pool("numbers", workers=workers) as p:
        scores = p.score([TEXT] * len(NUMBERS), measured)[0]
    expected = [1.0 if value in (1, True) else 0.5 for value in NUMBERS.values()]
    assert [s.error for s in scores] == [None] * len(NUMBERS)
    assert [s.value for s in scores] == expected
    assert all(type(s.value) is float and s.extracted == [0, 1] and s.explanation == "" for s in scores)
    for score, value in zip(scores, expected, strict=True):
        assert score.evidence == ({"value": value, "span": [0, 1], "not finite": None},)


@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_no_number_or_no_evidence_is_recorded_on_its_sample(workers: int) -> None:
    with pool("wrong", workers=workers) as p:
        scores, formats, _ = p.score([TEXT] * len(WRONG), [Case(name, (), MEASURED) for name in WRONG])
        counters = p.counters()
    assert all(s.value is None and s.error for s in scores)
    assert [s.value for s in formats] == [1.0] * len(WRONG)
    assert counters["rewards/wrong/errors"] == len(WRONG)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("name", ["trl_array", "trl_tensor", "trl_any"])
def test_what_trl_takes_is_taken(workers: int, name: str) -> None:
    with RewardPool([load_reward(f"{FILE}:{name}")], workers=workers) as p:
        assert [s.value for s in p.score([TEXT] * 3, cases(3))[0]] == [0.25] * 3


def test_a_run_stops_when_too_many_samples_fail() -> None:
    with (
        pool("raises", workers=0, error_limit=0.25) as p,
        pytest.raises(RewardFailure, match=r'"raises" failed on 8 of the last 8'),
    ):
        p.score([TEXT] * 8, cases(8))


@pytest.mark.parametrize("workers", [0, 2])
def test_scopes_async_and_trl(workers: int) -> None:
    texts = [TEXT + "x" * (i % 4) for i in range(8)]
    with pool("relative", "rank", "waits", "for_trl", "prints", workers=workers) as p:
        relative, rank, waits, trl, prints, *_ = p.score(texts, cases(8))
    assert [s.value for s in relative] == [len(t) / len(texts[3]) for t in texts]
    assert [s.value for s in rank] == [i / 8 for i in range(8)]
    assert [s.value for s in waits] == [8 / max(1, workers)] * 8  # each process lets all of its own wait together
    assert [s.value for s in trl] == [1.0, 0.0, 0.0, 0.0] * 2
    assert [s.value for s in prints] == [1.0] * 8


def test_a_trl_reward_that_expects_messages() -> None:
    with RewardPool([load_reward(f"{FILE}:for_trl_chat", {"conversational": True})], workers=1) as p:
        assert p.score([TEXT] * 2, cases(2))[0][0].value == len(TEXT)


@pytest.mark.parametrize("workers", [0, 1])
def test_token_ids_reach_the_rewards_that_count_them(workers: int) -> None:
    ids = [[7] * n for n in (8, 15, 40)]
    rewards = [load_reward("length", {"unit": "tokens", "limit": 20, "cache": 10}), load_reward(f"{FILE}:trl_overlong")]
    with RewardPool(rewards, workers=workers, error_limit=1.0) as p:
        ours, trl = p.score([TEXT] * 3, cases(3), ids)
        unknown = p.score([TEXT] * 3, cases(3))
    assert [s.value for s in ours] == [s.value for s in trl] == [0.0, -0.5, -1.0]
    assert "unit: words counts anywhere" in unknown[0][0].error
    assert "completion_ids" in unknown[1][0].error


def test_workers_and_this_process_agree() -> None:
    rewards = [load_reward(name) for name in ("format", "diagnosis", "intervals", "consistency")]
    texts = [TEXT.replace("160", str(100 + 7 * i)) for i in range(12)]
    with RewardPool(rewards) as here, RewardPool(rewards, workers=2) as there:
        a, b = here.score(texts, cases(12)), there.score(texts, cases(12))
    assert [[s.value for s in scores] for scores in a] == [[s.value for s in scores] for scores in b]
    assert [list(s.evidence) for s in a[2]] == [list(s.evidence) for s in b[2]]


def test_one_hanging_completion_costs_one_score() -> None:
    texts = [TEXT + (" hang" if i == 5 else "") for i in range(8)]
    with pool("spins_on_hang", workers=1, deadline=DEADLINE) as p:
        assert select([p._workers._spare], [], [], 60.0)[0]  # the time it takes to load is not the reward's
        scores = p.score(texts, cases(8))[0]
        counters = p.counters()
    assert [s.value for s in scores] == [1.0] * 5 + [None] + [1.0] * 2
    assert "deadline" in scores[5].error
    assert counters["rewards/spins_on_hang/timeouts"] == 1


@pytest.mark.parametrize(("name", "most"), [("sleeps", 2), ("dies", DEATHS)])
def test_a_reward_that_never_answers_costs_the_others_nothing_and_few_processes(name: str, most: int) -> None:
    started = []
    with pool(name, workers=1, deadline=DEADLINE) as p:
        replacement = p._workers._workers[0].replacement
        p._workers._workers[0].replacement = lambda: started.append(1) or replacement()
        failed, formats, values = p.score([TEXT] * 64, cases(64))
        counters = p.counters()
    assert all(s.value is None and s.error for s in failed)
    assert [s.value for s in formats] == [s.value for s in values] == [1.0] * 64
    assert 1 <= len(started) <= most  # then its deadline, of which each death takes a share, is used up
    assert counters[f"rewards/{name}/errors"] == 64


def test_no_worker_outlives_its_pool() -> None:
    p = pool("relative", workers=2)
    processes = [process for worker in p._workers._workers for process in worker.processes.values()]
    children = [process.child for process in (*processes, p._workers._spare)]
    p.close()
    assert all(child.poll() is not None for child in children)
    assert p.score([], []) == [[], [], []]


def test_lengths_must_match() -> None:
    with pytest.raises(ValueError, match="2 completions for 1 cases"):
        RewardPool([load_reward("format")]).score(["a", "b"], cases(1))


def test_a_worker_that_died_while_it_was_idle_is_replaced() -> None:
    with pool("relative", workers=1) as p:
        p.score([TEXT], cases(1))
        child = p._workers._workers[0].process.child
        child.kill()
        child.wait()
        assert [s.value for s in p.score([TEXT] * 4, cases(4))[0]] == [1.0] * 4


def test_a_spare_that_died_while_it_was_idle_is_replaced() -> None:
    with pool("relative", workers=1) as p:
        p.score([TEXT], cases(1))
        spare = p._workers._spare
        assert select([spare], [], [], 60.0)[0]  # it has loaded its rewards and says so
        for child in (spare.child, p._workers._workers[0].process.child):
            child.kill()
            child.wait()
        assert [s.value for s in p.score([TEXT] * 4, cases(4))[0]] == [1.0] * 4
