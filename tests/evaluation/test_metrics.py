import subprocess
import sys

import pytest

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import EXPECTED
from ecg_r1.evaluation.metrics import chance_accuracy, judge, per_diagnosis, tallies
from ecg_r1.scoring import Case

from .conftest import RIGHT, STOCK, TRUTHS, answers, says


class Known:
    """The cases of TRUTHS, or of others given."""

    def __init__(self, truths=TRUTHS):
        self.rows = {row["record"]: row for row in truths}

    def case(self, example_id):
        row = self.rows[example_id]
        return Case(example_id, tuple(row["diagnoses"]), Measurements.from_json(row["measurements"]))


def values(predictions, cases=None):
    return {name: tally.value() for name, tally in tallies(judge(answers(predictions), cases or Known())).items()}


def test_all_right_is_all_ones_and_a_true_absence_counts_as_supported():
    found = values(RIGHT)
    assert (found["format"], found["diagnosis_accuracy"], found["diagnosis_macro_f1"]) == (1, 1, 1)
    assert (found["supported"], found["contradicted"], found["quoted_per_answer"]) == (1, 0, 3)
    assert found["pr_ms.mae"] == pytest.approx((4 + 0) / 2)
    assert found["pr_ms.bias"] == pytest.approx((-4 + 0) / 2)
    assert found["pr_ms.quoted"] == 1  # of the two records that have a PR interval


def test_stock_values_ignore_the_signal_and_are_found_out():
    found = values(STOCK)
    # supported: rate of r0, PR of r0 and r1; contradicted: two rates, PR of r2 (no P waves), three QRS durations
    assert found["supported"] == pytest.approx(3 / 9)
    assert found["contradicted"] == pytest.approx(6 / 9)
    assert found["heart_rate_bpm.within"] == pytest.approx(1 / 3)
    assert found["heart_rate_bpm.mae"] == pytest.approx((0 + 27 + 15) / 3)
    assert found["diagnosis_accuracy"] == pytest.approx(1 / 3)


def test_supported_is_a_ratio_of_sums_so_that_a_short_completion_weighs_less():
    found = values({"r0": says("PR interval 300 ms.", "normal ECG"), "r1": RIGHT["r1"]})
    assert found["supported"] == pytest.approx(3 / 4)


def test_leaving_a_value_out_raises_what_is_supported_and_not_the_intervals_that_are_right():
    whole = values({"r0": says("PR interval 164 ms. QRS duration 300 ms.", "normal ECG")})
    safe = values({"r0": says("PR interval 164 ms.", "normal ECG")})
    more = values({"r0": says("PR interval 164 ms. Axis 300 degrees.", "normal ECG")})
    assert (whole["supported"], safe["supported"]) == (0.5, 1)
    assert whole["intervals_right"] == safe["intervals_right"] == more["intervals_right"]
    measurable = sum(Known().case("r0").measurements.value(name) is not None for name in EXPECTED)
    assert safe["intervals_right"] == pytest.approx(1 / measurable)


def test_silence_is_undefined_rather_than_right():
    found = values({"r0": says("A pleasant tracing.", "normal ECG")})
    assert found["quoted_per_answer"] == found["intervals_right"] == 0
    assert found["supported"] != found["supported"]
    assert found["pr_ms.quoted"] == 0


def test_a_quantity_that_is_quoted_twice_counts_once_with_its_mean():
    found = values({"r0": says("PR interval 164 ms. PR interval 264 ms.", "normal ECG")})
    assert found["pr_ms.mae"] == pytest.approx(50)
    assert found["pr_ms.within"] == pytest.approx(0.5)


def test_errors_of_the_axis_go_round_the_circle():
    cases = Known([{"record": "a", "diagnoses": ["normal ECG"], "measurements": {"axis_deg": -175.0}}])
    assert values({"a": says("The axis is 175 degrees.", "normal ECG")}, cases)["axis_deg.mae"] == pytest.approx(10)


@pytest.mark.parametrize(
    "text",
    [
        "<answer>normal ECG</answer>",
        "<answer>normal ECG</answer><think>Rate 75 bpm.</think>",
        "<think></think><answer>normal ECG</answer>",
        "<think>x</think><answer> </answer>",
        "Hello <think>x</think><answer>normal ECG</answer>",
        "<think>x</think><answer>normal ECG</answer><answer>normal ECG</answer>",
        "<think>x</think><answer>normal ECG",
        "",
    ],
)
def test_malformed(text):
    assert values({"r0": text})["format"] == 0


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("normal ECG", True),
        ("normal ECG; sinus bradycardia", False),
        ("no normal ECG", False),
        ("normal ECG; moonstruck heart", False),
        ("sinus bradycardia", False),
    ],
)
def test_a_diagnosis_is_right_when_it_is_all_of_the_truth_and_nothing_else(answer, right):
    assert values({"r0": says("x", answer)})["diagnosis_accuracy"] == right


def test_several_answers_to_one_example_each_count():
    found = values({"r0": [RIGHT["r0"], says("Rate 99 bpm.", "sinus bradycardia")]})
    assert (found["diagnosis_accuracy"], found["quoted_per_answer"]) == (0.5, 2)
    assert found["supported"] == pytest.approx(3 / 4)


def test_answers_that_were_cut_off_are_counted():
    table = tallies(judge(answers(RIGHT, cut=["r1"]), Known()))
    assert table["cut"].value() == pytest.approx(1 / 3)


def test_a_diagnosis_that_is_only_thought_of_is_not_answered():
    assert values({"r0": says("Is it a normal ECG?", "sinus bradycardia")})["diagnosis_accuracy"] == 0


def test_a_diagnosis_that_the_vocabulary_does_not_name_is_right_as_it_is_written():
    cases = Known([TRUTHS[0] | {"diagnoses": ["Moonstruck Heart"]}])
    assert values({"r0": says("x", "Moonstruck Heart")}, cases)["diagnosis_accuracy"] == 1
    assert values({"r0": says("x", "Sunstruck Heart")}, cases)["diagnosis_accuracy"] == 0


def test_a_case_without_a_diagnosis_counts_neither_for_nor_against():
    cases = Known([TRUTHS[0], TRUTHS[1], TRUTHS[2] | {"diagnoses": []}])
    one_of_two = {"r0": says("x", "normal ECG"), "r1": says("x", "normal ECG")}
    for third in ("", "normal ECG"):
        found = values(one_of_two | {"r2": says("x", third)}, cases)
        assert found["diagnosis_accuracy"] == 0.5


def test_chance_is_what_the_same_answers_dealt_at_random_would_score():
    assert chance_accuracy(judge(answers(RIGHT), Known())) == pytest.approx(1 / 3)
    assert chance_accuracy(judge(answers(STOCK), Known())) == pytest.approx(1 / 3)


def test_per_diagnosis():
    table = per_diagnosis(judge(answers(STOCK), Known()))
    assert table["normal ECG"] == {
        "answers": 1,
        "precision": pytest.approx(1 / 3),
        "recall": 1,
        "f1": pytest.approx(0.5),
        "supported": pytest.approx(2 / 3),
    }
    assert table["atrial fibrillation"]["precision"] is None
    assert table["atrial fibrillation"]["supported"] == 0


def test_no_metric_moves_with_the_weights_of_a_reward(monkeypatch):
    said = {"r0": says("x", "possible normal ECG"), "r1": says("x", "sinus bradycardia; possible LBBB"), "r2": ""}
    before = values(said)
    for weight in ("DOUBTED", "MORE_OR_LESS_SPECIFIC", "SAME_SUPERCLASS"):
        monkeypatch.setattr(f"ecg_r1.rewards.diagnosis.{weight}", 1.0)
    assert values(said) == pytest.approx(before, nan_ok=True)
    assert before["diagnosis_accuracy"] == pytest.approx(1 / 3)  # a doubted diagnosis is not asserted


def test_metrics_know_no_reward():
    code = "import sys, ecg_r1.evaluation.metrics; print([m for m in sys.modules if m.startswith('ecg_r1.rewards')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_findings_are_judged_beside_the_values():
    leads = {"II": [0.2, 0.1], "III": [0.3, 0.2], "aVF": [0.2, 0.1], "V6": [0.0, -0.1]}
    measured = {
        "heart_rate_bpm": 75,
        "findings": {"st_elevation": leads, "qrs_broad": [92, -28], "qrs_narrow": [92, 28]},
    }
    cases = Known([{"record": "r", "diagnoses": ["normal ECG"], "measurements": measured}])
    found = values(
        {"r": says("ST elevation in II, III and V6. The QRS is broad. T waves are flat.", "normal ECG")}, cases
    )
    names = ("supported", "contradicted", "unverifiable", "per_answer", "lead_precision", "lead_recall")
    assert [found[f"findings.{name}"] for name in names] == pytest.approx([1 / 3, 1 / 3, 1 / 3, 3, 2 / 3, 2 / 3])
    assert found["quoted_per_answer"] == 0


def test_an_answer_without_a_readable_diagnosis_is_invalid():
    texts = {
        "r0": ["<answer>normal ECG</answer>", "<answer>a fine one; no atrial fibrillation</answer>", ""],
        "r1": ["<answer>possible sinus bradycardia</answer>", "<answer>Rate 48 bpm</answer>", "<answer>AF</answer>"],
    }
    rows = judge(answers(texts), Known())
    assert [row.readable for row in rows] == [True, False, False, True, False, True]
    assert tallies(rows)["invalid"].value() == 0.5
