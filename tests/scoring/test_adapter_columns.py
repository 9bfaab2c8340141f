"""Every column that another framework hands over reaches the reward that asks for it, and the sum is the recipes'."""

import math
from pathlib import Path

import pytest

from ecg_r1.recipe import read_recipe
from ecg_r1.scoring.adapters import WEIGHTS, easyr1_score, swift_orm, trl_reward, verl_score

TEXT = (
    "<think>Rate 75 bpm. PR interval 220 ms. QRS duration 92 ms. QT interval 400 ms.</think>"
    "<answer>normal ECG; left bundle branch block</answer>"
)
MEASURED = {"heart_rate_bpm": 75, "pr_ms": 160, "qrs_ms": 92, "qt_ms": 400}
TRUTH = {"diagnoses": ["normal ECG"], "measurements": MEASURED}
COLUMNS = {"diagnoses": [["normal ECG"]], "measurements": [MEASURED]}


def test_the_sum_has_the_weights_of_the_shipped_recipe() -> None:
    # format is right, one of two diagnoses is needless, and three of four values are exact with one 60 ms away
    intervals = (3 + math.exp(-60 / 20)) / 4
    total = 0.1 * 1 + 0.45 * 0.5 + 0.45 * intervals
    assert verl_score("ecg", TEXT, TRUTH)["score"] == pytest.approx(total)
    assert easyr1_score([{"response": TEXT, "ground_truth": TRUTH}])[0]["overall"] == pytest.approx(total)
    recipe = read_recipe(Path(__file__).parents[2] / "recipes" / "tiny" / "grpo.yaml")
    assert {reward.name: reward.weight for reward in recipe.rewards} == WEIGHTS


def test_what_is_expected_and_other_columns_reach_the_rewards_that_ask_for_them() -> None:
    expected = {"1": ["PR interval 220 ms"], "leads": None}  # as datasets fills up what a row lacks
    said = "<think>Step 1: PR interval 220 ms.</think><answer>B</answer>"
    assert trl_reward("evidence")(completions=[said], expected=[expected], **COLUMNS) == [1.0]
    assert trl_reward("evidence")(completions=[said], **COLUMNS) == [None]
    for answer, value in (("B", 1.0), ("C", 0.0)):
        assert trl_reward("choice")(completions=[said], answer=[answer], **COLUMNS) == [value]
        assert swift_orm("choice")()([said], answer=[answer], **COLUMNS) == [value]


@pytest.mark.parametrize("column", ["completion_ids", "response_token_ids"])  # TRL's name, and that of ms-swift
def test_token_ids_reach_the_reward_that_counts_them(column: str) -> None:
    length = trl_reward("length", unit="tokens", limit=20, cache=10)
    assert length(
        completions=[TEXT] * 2, **{column: [[7] * 8, [7] * 15]}, **{k: v * 2 for k, v in COLUMNS.items()}
    ) == [
        0.0,
        -0.5,
    ]


@pytest.mark.parametrize(("name", "said"), [("pr_ms", "PR interval 160 ms"), ("p_ms", "P wave duration 100 ms")])
def test_without_p_waves_neither_their_interval_nor_their_duration_is_there(name: str, said: str) -> None:
    function = trl_reward("intervals", quantities=[name])
    columns = {"diagnoses": [["atrial fibrillation"]], "measurements": [{"pr_ms": 160, "p_ms": 100}]}
    assert function(completions=[f"<think>{said}.</think>"], **columns) == [0.0]
    columns["diagnoses"] = [["sinus rhythm"]]
    assert function(completions=[f"<think>{said}.</think>"], **columns) == [1.0]
