"""Evidence as a type, and as JSON."""

import json
from dataclasses import FrozenInstanceError, replace
from fractions import Fraction

import pytest

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.evaluation.report.html import verdict_styles
from ecg_r1.scoring import Case, Judgement, Score, load_reward
from ecg_r1.scoring.calls import as_score
from ecg_r1.scoring.judgement import LOOKS, VERDICTS, claim_of, judgement_of, judgements
from ecg_r1.scoring.pool import RewardPool

PR = Judgement(
    "pr_ms", "contradicted", 0.04, (7, 25), "64 ms from the measured 224", "PR interval 160 ms", "pr_ms", "value",
    160.0, unit="ms", measured=224.0, tolerance=20.0,
)  # fmt: skip
PHRASE = Judgement("left axis deviation", "missing", step=3)
MEASURED = Measurements.from_json({"heart_rate_bpm": 75, "pr_ms": 160, "qrs_ms": 92, "qt_ms": 400})


def test_a_judgement_comes_back_from_json_as_it_was():
    for judgement in (PR, PHRASE, replace(PHRASE, extra={"of": "a user's reward"})):
        assert judgement_of(json.loads(json.dumps(judgement.to_json()))) == judgement


def test_rows_of_quantities_have_the_same_keys_and_others_only_what_they_hold():
    assert PHRASE.to_json() == {
        "claim": "left axis deviation",
        "verdict": "missing",
        "reason": "",
        "text": "",
        "step": 3,
    }
    assert PR.to_json()["span"] == [7, 25]
    assert PR.to_json()["low"] is None
    with pytest.raises(FrozenInstanceError):
        PR.verdict = "supported"


@pytest.mark.parametrize(
    "row",
    [
        {"verdict": "supported", "span": "7-25"},
        {"verdict": "supported", "span": [7]},
        {"verdict": "supported", "score": "high"},
        {"verdict": "supported", "reason": 3},
        {"verdict": "supported", "step": "no claim"},
        {"verdict": "true", "span": [7, 25]},
        {"span": [7, 25], "value": 1.0},
        {},
    ],
)
def test_what_is_no_judgement_stays_data(row):
    assert judgement_of(row) is row
    assert judgements([row, PR]) == [PR]


def test_a_mapping_of_a_users_reward_is_read():
    row = {"verdict": "supported", "span": (0, 4), "text": "V1-4", "mine": 1}
    assert judgement_of(row) == Judgement("V1-4", "supported", span=(0, 4), text="V1-4", extra={"mine": 1})


def test_what_judges_one_quoted_value_gets_its_own_credit():
    assert claim_of(PR) == PR
    assert claim_of(replace(PR, score=None)) is not None  # a quote that cannot be verified
    assert claim_of({"quantity": "pr_ms", "score": 0.5, "span": [0, 3]}).score == 0.5
    assert claim_of(replace(PR, kind=None, score=None)) is None  # a diagnosis held against a value
    for row in (PHRASE, {"quantity": "pr_ms", "score": 0.5}, {"quantity": "pr_ms", "score": "high", "span": [0, 3]}):
        assert claim_of(row) is None


def test_numbers_of_other_kinds_become_floats():
    (row,) = as_score(Score(1.0, evidence=(replace(PR, score=Fraction(1, 2), measured=float("nan")),))).evidence
    assert (row.score, row.measured) == (0.5, None)
    (same,) = as_score(Score(1.0, evidence=(PR,))).evidence
    assert same is PR


@pytest.mark.parametrize("name", ["intervals", "consistency", "arithmetic", "evidence", "steps", "localisation"])
def test_the_rewards_judge_alike_here_and_in_a_worker(name):
    text = (
        "<think>Step 1: PR interval 240 ms, QT interval 400 ms, RR 800 ms, QTc 447 ms.\nStep 2: narrow QRS.</think>"
        "<answer>first-degree AV block in V1</answer>"
    )
    expected = {"1": ["PR interval 240 ms"], "leads": ["V1", "V2"]}
    case = Case("r", ("first-degree AV block",), MEASURED, expected=expected)
    reward = load_reward(name)
    with RewardPool([reward]) as here, RewardPool([reward], workers=1) as there:
        (one,), (other,) = here.score([text], [case])[0], there.score([text], [case])[0]
    assert one == other
    assert one.evidence
    assert all(isinstance(row, Judgement) and row.claim and row.verdict in LOOKS for row in one.evidence)


def test_a_verdict_looks_the_same_everywhere():
    assert list(LOOKS) == [*VERDICTS, "missing"]
    assert len({look.mark for look in LOOKS.values()}) == 4
    css = verdict_styles()
    for verdict, look in LOOKS.items():
        assert f"mark.{verdict} {{ background: var(--{look.colour}-back); border-bottom-style: {look.border};" in css
