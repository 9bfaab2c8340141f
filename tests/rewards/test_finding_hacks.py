"""No strategy that shows no more knowledge of the findings is paid more than an honest completion."""

import pytest
from finding_hacks import CASE, GUESS, HACKS, HONEST, OTHERS, PARTLY, SHORT, say

from ecg_r1.scoring import Case, Completion, load_reward

REWARD = load_reward("findings")


def paid(text: str, case: Case = CASE) -> float:
    score = REWARD(Completion.parse(text), case)
    return 0.0 if score is None or score.value is None else score.value


def test_honesty_pays_by_what_it_knows() -> None:
    assert paid(HONEST) == 1.0
    assert paid(GUESS) <= paid(SHORT) < paid(PARTLY) < paid(HONEST)


def test_there_are_at_least_30_strategies() -> None:
    assert len(HACKS) >= 30


@pytest.mark.parametrize("strategy", HACKS)
def test_cheating_pays_no_more(strategy: str) -> None:
    text, honest = HACKS[strategy]
    assert paid(text) <= paid(honest) + 1e-9


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("strategy", HACKS)
def test_cheating_pays_no_more_on_other_cases(strategy: str, name: str) -> None:
    case, honest = OTHERS[name]
    assert paid(say(honest), case) == 1.0
    assert paid(HACKS[strategy][0], case) <= paid(say(honest), case)
