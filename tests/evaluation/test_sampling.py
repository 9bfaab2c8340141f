import numpy as np
import pytest

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.evaluation.metrics import judge
from ecg_r1.evaluation.sampling import diagnosis, groups_of, pass_at, quantity, sampled, verdict
from ecg_r1.scoring import Case

from .conftest import RIGHT, STOCK, answers, compared, says

NORMAL, AF = "normal ECG", "atrial fibrillation"


def groups(rows):
    """rows: example -> (diagnoses, measurements, texts)."""

    class Cases:
        def case(self, example_id):
            names, values, _ = rows[example_id]
            return Case(example_id, tuple(names), Measurements.from_json(values))

    return judge(answers({key: texts for key, (_, _, texts) in rows.items()}), Cases())


def pr(*values, names=NORMAL):
    return [says(f"PR interval {value} ms." if value else "", names) for value in values]


def test_pass_at_k_worked_by_hand():
    right = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=bool)
    assert pass_at(right, 1) == pytest.approx([1 / 4, 1 / 2, 0, 1])
    assert pass_at(right, 2) == pytest.approx([1 / 2, 5 / 6, 0, 1])  # 1 - C(3,2)/C(4,2), 1 - C(2,2)/C(4,2)
    assert pass_at(right, 4) == pytest.approx([1, 1, 0, 1])


def test_the_diagnosis_worked_by_hand():
    rows = groups(
        {
            "a": ([NORMAL], {}, [says("", NORMAL), says("", NORMAL), says("", AF)]),
            "b": ([AF], {}, [says("", NORMAL), says("", NORMAL), says("", AF)]),
            "c": ([], {}, [says("", NORMAL)] * 3),  # without a diagnosis: not asked
        }
    )
    found = diagnosis(groups_of(rows))
    assert found.right.tolist() == [[True, True, False], [False, False, True]]
    assert found.majority.tolist() == [True, False]
    assert found.chance.tolist() == [[True, True, False], [False, False, True]]  # each has the other's answers
    figures = sampled(rows, ["1", "2", "3"], 50, 0)["diagnosis"]
    assert figures["questions"] == 2
    assert (figures["acc_1"], figures["majority"], figures["mixed"]) == (0.5, 0.5, 1.0)
    assert figures["pass"] == pytest.approx({"1": 0.5, "2": (1 + 2 / 3) / 2, "3": 1.0})
    assert figures["headroom"]["difference"] == pytest.approx(0.5)


def test_a_quantity_worked_by_hand():
    rows = groups(
        {
            "a": ([NORMAL], {"pr_ms": 160.0}, pr(150, 175, 220)),  # within 20 ms: two of three; median 175: right
            "b": ([NORMAL], {"pr_ms": 200.0}, pr(150, 160, 210)),  # one; median 160: wrong
            "c": ([NORMAL], {"pr_ms": 140.0}, pr(None, None, 130)),  # one that is quoted, and its median is right
            "d": ([NORMAL], {"pr_ms": 140.0}, pr(None, None, None)),  # nobody quotes it: not asked
            "e": ([AF], {"pr_ms": None, "unmeasurable": {"pr_ms": "no P waves"}}, pr(160, 160, 160)),
        }
    )
    found = quantity(groups_of(rows), "pr_ms")
    assert found.right.sum(1).tolist() == [2, 1, 1]
    assert found.majority.tolist() == [True, False, True]
    assert found.rows.tolist() == [0, 1, 2]


def test_the_axis_is_a_circle():
    texts = [says(f"QRS axis {value} degrees.", NORMAL) for value in (175, -178, -179)]
    found = quantity(groups_of(groups({"a": ([NORMAL], {"axis_deg": 178.0}, texts)})), "axis_deg")
    assert found.right.all()
    assert found.majority.all()


def test_a_model_that_always_says_the_same_has_nothing_to_sharpen_and_one_that_wavers_has():
    stuck = {f"r{i}": ([NORMAL if i % 2 else AF], {}, [says("", NORMAL)] * 4) for i in range(60)}
    figures = sampled(groups(stuck), [str(i) for i in range(60)], 200, 0)["diagnosis"]
    assert verdict(figures) == "little to sharpen"
    assert figures["mixed"] == 0
    wavers = {key: (names, {}, [says("", NORMAL), says("", AF)] * 2) for key, (names, _, _) in stuck.items()}
    figures = sampled(groups(wavers), [str(i) for i in range(60)], 200, 0)["diagnosis"]
    assert verdict(figures) == "room to sharpen"
    assert figures["chance"] == 1.0  # it guesses: the answers to any other question do as well


def test_questions_of_one_patient_are_drawn_together():
    one = {f"r{i}": ([NORMAL], {}, [says("", NORMAL), says("", NORMAL if i % 2 else AF)]) for i in range(40)}
    rows = groups(one)
    alone, together = (
        sampled(rows, clusters, 400, 0)["diagnosis"]["headroom"]
        for clusters in ([str(i) for i in range(40)], [str(i % 2) for i in range(40)])
    )
    assert together["high"] - together["low"] > 1.5 * (alone["high"] - alone["low"])


def test_a_comparison_of_several_answers_reports_them(write_run, tmp_path):
    run = write_run("sft", {key: [RIGHT[key], STOCK[key]] for key in RIGHT}, temperature=1.0, n=2)
    result = compared([run], tmp_path / "out", resamples=20, decoding={"temperature": 1.0, "n": 2})
    figures = result["models"]["sft"]["sampled"]
    assert figures["k"] == 2
    assert figures["diagnosis"]["pass"]["2"] == 1.0
    assert figures["diagnosis"]["acc_1"] == pytest.approx(4 / 6)
    assert result["models"]["sft"]["diagnosis_ece"] is not None
