"""The same rewards as TRL, verl, EasyR1 and ms-swift call them."""

import json

import pytest

from ecg_r1.scoring import RewardError
from ecg_r1.scoring.adapters import REWARD_TYPE, easyr1_score, swift_orm, trl_reward, verl_score

RIGHT = (
    "<think>Rate 75 bpm. PR interval 160 ms. QRS duration 92 ms. QT interval 400 ms.</think><answer>normal ECG</answer>"
)
WRONG = RIGHT.replace("160", "220")
MEASURED = {
    "heart_rate_bpm": 75,
    "pr_ms": 160,
    "qrs_ms": 92,
    "qt_ms": 400,
    "qtc_ms": None,
    "unmeasurable": {"qtc_ms": "no T", "p_ms": None},
}
TRUTH = {"diagnoses": ["normal ECG"], "measurements": MEASURED}


def test_trl() -> None:
    function = trl_reward("intervals", quantities=["pr_ms"])
    logged = {}
    values = function(
        prompts=["q", "q"], completions=[RIGHT, WRONG], completion_ids=[[1], [2]], trainer_state=None,
        diagnoses=[["normal ECG"]] * 2, measurements=[MEASURED] * 2, log_extra=lambda name, rows:
        logged.update({name: rows}), log_metric=lambda name, value: None,
    )  # fmt: skip
    assert function.__name__ == "intervals"
    assert values[0] == 1.0 > values[1]
    assert len(logged["intervals/explanation"]) == 2
    chat = [[{"role": "assistant", "content": text}] for text in (RIGHT, WRONG)]
    assert function(completions=chat, diagnoses=[["normal ECG"]] * 2, measurements=[MEASURED] * 2) == values


def test_trl_says_which_column_is_missing() -> None:
    with pytest.raises(RewardError, match='needs the column "measurements"'):
        trl_reward("intervals")(completions=[RIGHT], diagnoses=[["normal ECG"]])


def test_atrial_fibrillation_has_no_pr_whatever_was_measured() -> None:
    text = "<think>PR interval not measurable.</think><answer>AF</answer>"
    function = trl_reward("intervals", quantities=["pr_ms"])
    assert function(completions=[text], diagnoses=[["AF"]], measurements=[MEASURED]) == [1.0]


def test_verl() -> None:
    right = verl_score(data_source="ecg", solution_str=RIGHT, ground_truth=json.dumps(TRUTH), extra_info={"index": 0})
    wrong = verl_score("ecg", WRONG, TRUTH)
    assert right == {"score": pytest.approx(1.0), "format": 1.0, "diagnosis": 1.0, "intervals": 1.0}
    assert wrong["score"] < right["score"]


def test_easyr1() -> None:
    assert REWARD_TYPE == "batch"
    rows = [{"response": text, "response_length": 40, "ground_truth": json.dumps(TRUTH)} for text in (RIGHT, WRONG)]
    right, wrong = easyr1_score(rows)
    assert right["overall"] == pytest.approx(1.0)
    assert wrong["overall"] < 1.0
    assert {"overall", "format", "diagnosis", "intervals"} == set(right)


def test_ms_swift() -> None:
    orm = swift_orm("intervals", quantities=["pr_ms"])(args=None)
    assert orm([RIGHT, WRONG], diagnoses=[["normal ECG"]] * 2, measurements=[MEASURED] * 2)[0] == 1.0
    assert type(orm).__name__ == "intervals"
