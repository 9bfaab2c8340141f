"""A reward may do to its process what it likes: other rewards' scores stand, and nothing of it is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import psutil
import pytest

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.recipe import Reward
from ecg_r1.scoring import Case, RewardPool, load_reward
from ecg_r1.scoring.contract import LARGEST_SCORE
from ecg_r1.scoring.frames import LARGEST, ForeignBytes, Frames, sealed

FILE = Path(__file__).parents[1] / "scoring" / "misbehaving.py"
MEASURED = Measurements.from_json({"heart_rate_bpm": 75, "pr_ms": 160, "qrs_ms": 92, "qt_ms": 400})
TEXTS = [
    f"<think>Rate 75 bpm. PR interval {pr} ms. QRS 92 ms. QT interval 400 ms.</think><answer>normal ECG</answer>"
    for pr in (160, 170, 180, 190)
]


def cases(**extra: object) -> list[Case]:
    return [
        Case("r", ("normal ECG",), MEASURED, question="q", extra=dict(extra), expected={"leads": ["II"]}) for _ in TEXTS
    ]


def loaded(*names: str) -> list:
    return [
        load_reward(name if name.islower() and name in ("intervals", "format") else f"{FILE}:{name}") for name in names
    ]


@pytest.fixture(scope="module")
def expected() -> list[float]:
    with RewardPool(loaded("intervals")) as pool:
        return [score.value for score in pool.score(TEXTS, cases())[0]]


ANSWERS = {
    "forks_and_returns_twice": 0.25, "forks_without_hooks": 0.25, "forks_and_raises": 0.25,
    "deadlocks_after_a_fork": 0.25, "writes_everywhere": None, "writes_one_byte": None, "writes_at_length": None,
    "forks_and_writes": None, "closes_all": None, "recurses": None, "crashes": None, "kills_its_parent": None,
    "kills_its_group": None, "raises_base": None, "interrupts": None, "never_ends": None, "slow_value": None,
    "hostile_evidence": None, "allocates_without_end": None,
}  # fmt: skip


QUICK = ("forks_and_returns_twice", "forks_without_hooks", "forks_and_raises", "writes_everywhere", "interrupts")


@pytest.mark.parametrize("names", [QUICK, pytest.param(tuple(ANSWERS), marks=pytest.mark.slow)])
def test_no_misbehaviour_moves_the_score_of_another_reward(names: tuple[str, ...], expected: list[float]) -> None:
    """All of them stand in one batch, twice, around two rewards whose scores are known."""
    rewards = loaded("intervals", *names, "relative", "hostile_value")
    with RewardPool(rewards, workers=1, deadline=6.0, error_limit=1.0, memory=0.5) as pool:
        for _ in range(2):
            intervals, *others, relative, hostile = pool.score(TEXTS, cases())
            assert [score.value for score in intervals] == expected
            assert [score.value for score in relative] == [1.0] * 4
            for name, scores in zip(names, others, strict=True):
                value = ANSWERS[name]
                assert [score.value for score in scores] == [value] * 4, name
                assert all((score.error is None) == (value is not None) for score in scores), name
            assert [score.value for score in hostile] == [None, 0.5, 0.5, 0.5]


def test_the_reason_says_what_the_reward_did() -> None:
    reasons = {"writes_one_byte": "wrote on its worker's connection", "kills_its_group": "(signal 9)",
               "dies": "(exit status 3)", "raises_base": "Base: no Exception", "interrupts": "KeyboardInterrupt",
               "allocates_without_end": "MemoryError"}  # fmt: skip
    with RewardPool(loaded(*reasons), workers=1, deadline=30.0, error_limit=1.0, memory=0.5) as pool:
        results = pool.score(TEXTS[:1], cases()[:1])
    for (name, reason), (score,) in zip(reasons.items(), results, strict=True):
        assert reason in score.error, (name, score.error)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_reward_sees_nothing_of_what_another_changed(workers: int, expected: list[float]) -> None:
    rewards = [
        r for r in loaded("changes_everything", "sees", "intervals") if workers or r.name != "changes_everything"
    ]
    mine = cases(answer="B")
    with RewardPool(rewards, workers=workers) as pool:
        for _ in range(2):
            *_, sees, intervals = pool.score(TEXTS, mine)
            assert [score.value for score in sees] == [1.0] * 4, sees[0].extracted
            assert [score.value for score in intervals] == expected
    assert all(case == given for case, given in zip(mine, cases(answer="B"), strict=True))


def test_in_this_process_a_reward_changes_neither_cases_nor_process(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import os, random\nimport numpy as np\nfrom ecg_r1.scoring import reward\n\n\n@reward\n"
        "def mine(completion, case):\n    os.chdir('/'); os.environ['HOME'] = '/nowhere'; random.seed(1)\n"
        "    np.random.seed(1); np.seterr(all='raise')\n"
        "    case.extra['answer'] = 'changed'; case.expected['leads'].append('V9')\n    return 1.0\n"
    )
    mine, before = cases(answer="B"), (os.getcwd(), os.environ["HOME"])
    with RewardPool([load_reward(f"{tmp_path}/mine.py:mine"), *loaded("sees")]) as pool:
        first, sees = pool.score(TEXTS, mine)
    assert [score.value for score in first] == [score.value for score in sees] == [1.0] * 4, sees
    assert (os.getcwd(), os.environ["HOME"]) == before
    assert mine == cases(answer="B")


def test_a_thread_that_is_left_behind_costs_its_own_reward_alone(expected: list[float]) -> None:
    with RewardPool(
        loaded("leaves_threads", "intervals", "relative"), workers=1, deadline=6.0, error_limit=1.0
    ) as pool:
        for _ in range(3):
            left, intervals, relative = pool.score(TEXTS, cases())
            assert [score.value for score in intervals] == expected
            assert [score.value for score in relative] == [1.0] * 4
            assert all(score.value in (1.0, None) for score in left)


def test_a_reward_may_use_processes_of_its_own() -> None:
    with RewardPool(loaded("uses_pools"), workers=1, deadline=100.0) as pool:
        assert [(score.value, score.error) for score in pool.score(TEXTS, cases())[0]] == [(1.0, None)] * 4


def gone(pids: Iterable[int], within: float = 20.0) -> bool:
    until = time.monotonic() + within
    while time.monotonic() < until:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
            return True
        time.sleep(0.05)
    return False


def pids_of(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()]


def test_the_children_of_a_reward_end_with_its_process(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    with RewardPool(loaded("starts_children"), workers=1, deadline=60.0) as pool:
        pool.score(TEXTS[:1], cases(file=str(file))[:1])
        pids = pids_of(file)
        assert len(pids) == 5
        assert all(psutil.pid_exists(pid) for pid in pids)
    assert gone(pids, within=5.0)


def test_a_call_past_its_deadline_ends_with_its_children(tmp_path: Path) -> None:
    file = tmp_path / "pids"
    with RewardPool(loaded("starts_children"), workers=1, deadline=8.0, error_limit=1.0) as pool:
        (scores,) = pool.score([TEXTS[0] + " hang"], cases(file=str(file))[:1])
        assert "deadline" in scores[0].error
        assert gone(pids_of(file), within=5.0)


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from test_reward_workers import RewardPool, TEXTS, cases, loaded

if __name__ == "__main__":
    pool = RewardPool(loaded("starts_children"), workers=1, deadline=1000.0)
    processes = [pool._workers._spare, *pool._workers._workers[0].processes.values()]
    print([process.child.pid for process in processes], flush=True)
    pool.score([TEXTS[0] + {ending!r}], cases(file={file!r})[:1])
    print("scored", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("ending", [" hang", ""])
def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "pids"
    code = KILLED.format(folder=str(Path(__file__).parent), ending=ending, file=str(file))
    run = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    keepers = [int(word) for word in run.stdout.readline().strip("[]\n").split(",")]
    if not ending:
        assert run.stdout.readline() == "scored\n"
    until = time.monotonic() + 120
    while not (file.exists() and len(pids_of(file)) == 5):
        assert time.monotonic() < until
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert gone([*keepers, *pids_of(file)])
    run.stdin.close()
    run.stdout.close()


def test_what_a_reward_prints_is_bounded_and_shown_safely(capfd: pytest.CaptureFixture) -> None:
    with RewardPool(loaded("prints_without_end"), workers=1, deadline=200.0) as pool:
        for _ in range(2):
            assert [score.value for score in pool.score(TEXTS, cases())[0]] == [1.0] * 4
    said = capfd.readouterr()
    assert said.out == ""
    assert len(said.err) < 20_000
    assert said.err.startswith('reward "prints_without_end": \\x1b]0;title\\x07xxx')
    assert said.err.count("the rest is dropped") == 1
    assert "\x1b" not in said.err


def test_what_a_reward_file_prints_when_it_is_imported_does_not_reach_stdout(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    (tmp_path / "loud.py").write_text(
        "from ecg_r1.scoring import reward\nprint('hello')\n\n\n@reward\ndef loud(completion, case):\n    return 1.0\n"
    )
    with RewardPool([load_reward(f"{tmp_path}/loud.py:loud")], workers=1) as pool:
        pool.score(TEXTS, cases())
    said = capfd.readouterr()
    assert said.out == ""
    assert 'reward "loud": hello' in said.err


LEGAL = (LARGEST_SCORE, -LARGEST_SCORE, True, 0, np.float32(0.5))
ILLEGAL = (1.000001e6, -1e308, float("nan"), float("inf"), np.float32("inf"), 10**7, 10**400, 1j, "1", b"1", [1.0])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_score_past_its_range_is_an_error(tmp_path: Path, workers: int) -> None:
    (tmp_path / "mine.py").write_text(
        "from ecg_r1.scoring import reward\n\n\n@reward\ndef mine(completion, case):\n    return case.extra['value']\n"
    )
    given = [cases(value=value)[0] for value in (*LEGAL, *ILLEGAL)]
    with RewardPool([load_reward(f"{tmp_path}/mine.py:mine")], workers=workers, error_limit=1.0) as pool:
        (scores,) = pool.score(TEXTS[:1] * len(given), given)
    assert [score.value for score in scores] == [*map(float, LEGAL), *[None] * len(ILLEGAL)]
    assert all(score.error for score in scores[len(LEGAL) :])
    assert "returned -1e+308, not a finite number between -1,000,000 and 1,000,000" in scores[len(LEGAL) + 1].error


@pytest.mark.parametrize("weight", [1e308, -1e7, float("inf"), float("nan")])
def test_a_weight_that_could_overflow_the_sum_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        Reward.model_validate({"name": "format", "weight": weight})


def test_a_frame_answers_its_own_call_alone() -> None:
    frame = sealed(b"secret", 3, 1, b"answer")
    frames = Frames(b"secret")
    for byte in frame:
        assert frames.take(3, 1) is None
        frames.feed(bytes([byte]))
    assert frames.take(3, 1) == b"answer"
    too_long = sealed(b"secret", 3, 1, b"")[:12] + (LARGEST + 1).to_bytes(4, "big") + b"\0" * 32
    elsewhere = [sealed(b"other", 3, 1, b"x"), sealed(b"secret", 3, 0, b"x"), sealed(b"secret", 2, 1, b"x")]
    for wrong in (*elsewhere, frame[:-1] + b"!", b"\0" * 60, too_long):
        frames = Frames(b"secret")
        frames.feed(wrong)
        with pytest.raises(ForeignBytes):
            frames.take(3, 1)
