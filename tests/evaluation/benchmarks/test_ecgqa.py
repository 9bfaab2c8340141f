import json
from pathlib import Path

import pytest

from ecg_r1.evaluation.benchmarks.ecgqa import score
from ecg_r1.evaluation.benchmarks.items import BenchmarkError
from ecg_r1.scoring.answer_sets import is_right

SHARED = Path(__file__).parents[4] / "shared/lang/ecg-qa/ptbxl_paraphrased_test_ours.json"


@pytest.mark.parametrize(
    ("gold", "text", "right"),
    [
        (["yes"], "Yes.", True),
        (["no"], "not sure", False),
        (["no"], "no, yes", False),
        (["lead i", "lead ii"], "Lead II; Lead I", True),
        (["lead i", "lead ii"], "lead I and lead II", True),
        (["lead i"], "lead ii", False),
        (["lead i", "lead ii"], "lead ii", False),
        (["lead i"], "lead i, lead ii", False),
        (["none"], "<think>lead I is noisy?</think><answer>none</answer>", True),
        (["bigeminal pattern (unknown origin, supraventricular, or ventricular)"],
         "Bigeminal pattern (unknown origin, supraventricular, or ventricular)", True),
        (["left axis deviation"], "extreme left axis deviation", False),
        (["yes"], "", False),
    ],
)  # fmt: skip
def test_the_set_of_answers_is_exactly_right(gold, text, right):
    assert is_right(gold, text) is right


def test_figures_worked_by_hand():
    items = [
        {"sample_id": 1, "question_type": "single-verify", "answer": ["yes"]},
        {"sample_id": 2, "question_type": "single-verify", "answer": ["no"]},
        {"sample_id": 3, "question_type": "single-query", "answer": ["a", "b"]},
    ]
    answers = [{"id": 3, "response": "b, a"}, {"id": 1, "response": "yes"}, {"id": 2, "response": ""}]
    found = score(items, answers)
    assert (found["accuracy"], found["invalid"]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert found["by_type"]["single-verify"] == {"answers": 2, "accuracy": 0.5, "invalid": 0.5}
    with pytest.raises(BenchmarkError, match="item 2: its `answer` is no list"):
        score([{"sample_id": 2, "answer": "yes"}], [{"id": 2, "text": "yes"}])


@pytest.mark.skipif(not SHARED.is_file(), reason="../shared holds no ECG-QA")
def test_the_right_answers_of_the_real_file_are_all_right():
    items = json.loads(SHARED.read_text())
    right = [{"id": item["sample_id"], "text": "; ".join(reversed(item["answer"]))} for item in items]
    assert score(items, right)["accuracy"] == 1.0
    assert score(items, [row | {"text": "none"} for row in right])["accuracy"] < 0.5
