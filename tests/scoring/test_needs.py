"""Which cases a reward says that it applies to, and a corpus that has none of them."""

from itertools import product
from pathlib import Path

import pytest

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.scoring import Case, Completion, RewardError, load_reward, reward
from ecg_r1.scoring.needs import require_fed, unfed
from ecg_r1.scoring.registry import library

MEASURED = Measurements.from_json({"heart_rate_bpm": 75, "pr_ms": 160})
WITH_FINDINGS = Measurements.from_json({"heart_rate_bpm": 75, "pr_ms": 160, "findings": {"p_in_step": [0.9, 0.3]}})
EXPECTED = (
    {},
    {"3": ["PR interval 160 ms"]},
    {"leads": ["II"]},
    {"windows": [[1.0, 1.2]]},
    {"verdict": "normal"},
    {"answers": ["normal ecg"]},
)
CASES = [
    Case("r", diagnoses, measured, expected=expected, extra=extra)
    for diagnoses, measured, expected, extra in product(
        ((), ("normal ECG",)), (MEASURED, WITH_FINDINGS), EXPECTED, ({}, {"answer": "B"}, {"letter": "C"})
    )
]
TEXT = "<think>Step 3: PR interval 160 ms in lead II from 1.0 to 1.2 s.</think><answer>normal ECG; B</answer>"


def names(rewards: list) -> list[str]:
    return [reward.name for reward in rewards]


@pytest.mark.parametrize("name", library())
def test_a_reward_returns_none_exactly_where_it_says_that_it_does_not_apply(name: str) -> None:
    loaded = load_reward(name)
    scored = [loaded(Completion.parse(TEXT), case) is not None for case in CASES]
    if loaded.applies is not None:
        assert [loaded.applies(case) for case in CASES] == scored
        assert loaded.needs
        assert 0 < sum(scored) < len(CASES)
    else:
        assert len(set(scored)) == 1  # what a case has to have beside measurements is declared


def test_what_a_corpus_cannot_feed_is_refused_with_what_is_missing(split: Path) -> None:
    store = RecordStore(split)  # reports of simulated records: phrases by step, no letter, no place
    cases = [store.case(example.id) for example in store.examples]
    rewards = [load_reward(name) for name in library()]
    assert names(unfed(rewards, cases)) == ["answers", "choice", "localisation"]
    with pytest.raises(RewardError) as caught:
        require_fed([load_reward("format"), load_reward("choice")], cases)
    assert str(caught.value) == (
        'reward "choice" applies to no example of the corpus; it needs the right letter, in the example\'s extra '
        "fields under the name that the option `field` gives"
    )
    require_fed([load_reward("format"), load_reward("diagnosis")], cases)


def test_one_case_is_enough_and_options_count() -> None:
    letter = [case for case in CASES if "letter" in case.extra]
    assert names(unfed([load_reward("choice")], letter)) == ["choice"]
    assert unfed([load_reward("choice", {"field": "letter"})], iter([CASES[0], letter[0]])) == []


def test_no_more_cases_are_read_than_are_needed() -> None:
    def cases():
        yield from CASES
        raise AssertionError("read on")

    assert unfed([load_reward("evidence"), load_reward("format")], cases()) == []
    assert unfed([load_reward("format")], cases()) == []


MINE = """
from ecg_r1.scoring import reward

def has_grade(case, *, scale):
    return case.extra["grade"] <= scale

@reward(scope="group", applies=has_grade)
def graded(completions, case, *, scale: int = 5, other: str = "x"):
    return [case.extra["grade"] / scale] * len(completions)
"""


def test_a_users_reward_declares_it_too(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    graded = load_reward(f"{tmp_path}/mine.py:graded", {"scale": 3})
    case = [Case("r", (), MEASURED, extra={"grade": grade}) for grade in (4, 3)]
    assert names(unfed([graded], case[:1])) == ["graded"]
    assert unfed([graded], case) == []
    with pytest.raises(RewardError, match=r'mine\.py:graded" applies to no example of the corpus$'):
        require_fed([graded], case[:1])
    with pytest.raises(RewardError, match=r"its `applies` fails on example e7: KeyError: 'grade'"):
        unfed([graded], [Case("r", (), MEASURED, example_id="e7")])


@pytest.mark.parametrize(
    "applies", [lambda: True, lambda *, case: True, lambda case, other: True, lambda case, *, width: True]
)
def test_applies_of_another_shape_is_refused_where_it_is_written(applies) -> None:
    with pytest.raises(RewardError, match=r"reward mine: applies\(.*is not applies\(case, \*, options of the reward\)"):

        @reward(applies=applies)
        def mine(completion, case, *, length: int = 3):
            return 1.0
