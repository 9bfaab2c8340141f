import pytest

from ecg_r1.ecg.measurements import Measurements
from ecg_r1.evaluation.benchmarks.grounded import CRITERIA, aggregate, agreement, read_judgement, rule_judge
from ecg_r1.evaluation.benchmarks.items import BenchmarkError
from ecg_r1.evaluation.metrics import judge
from ecg_r1.scoring import Case

from ..conftest import answers, says

V = [None] * 12
MEASURED = {
    "heart_rate_bpm": 75.0, "pr_ms": 240.0, "qrs_ms": 92.0, "qt_ms": 400.0, "axis_deg": 40.0,
    "by_lead": {"st_mv": [0.0] * 6 + [0.3, 0.2, 0.0, 0.0, 0.0, 0.0]},
}  # fmt: skip
LABELS = ("first-degree AV block", "sinus rhythm")


def judged(text, labels=LABELS):
    class Cases:
        def case(self, example_id):
            return Case(example_id, tuple(labels), Measurements.from_json(MEASURED))

    (row,) = judge(answers({"a": text}), Cases())
    return row


WHOLE = says(
    "Sinus rhythm, rate 75 bpm. PR interval 240 ms. QRS duration 92 ms. QT interval 400 ms. Axis 40 degrees. "
    "ST elevation of 0.30 mV in V1.",
    "first-degree AV block; sinus rhythm",
)


def test_a_whole_reading_worked_by_hand():
    scores = rule_judge(judged(WHOLE))
    assert scores["DiagnosisAccuracy"] == [2.0, 2.0]
    assert sum(scores["AnalysisCompleteness"]) == 7  # rate, rhythm, PR, QRS, QT, axis, ST; no P, no T
    assert sorted(scores["AnalysisRelevance"]) == [1, 1, 1, 1, 1, 2]  # PR is what the block is defined by
    assert scores["LeadAssessmentCoverage"] == [1.0]
    assert scores["LeadAssessmentAccuracy"] == [2.0]
    assert scores["ECGFeatureGrounding"] == [100.0]
    assert scores["EvidenceBasedReasoning"] == [100.0]
    assert scores["ClinicalDiagnosticFidelity"] == [100.0]


def test_invented_numbers_are_not_grounded():
    scores = rule_judge(judged(says("Rate 110 bpm. PR interval 150 ms. QRS duration 92 ms.", "first-degree AV block")))
    assert scores["DiagnosisAccuracy"] == [2.0, 0.0]
    assert sum(scores["AnalysisCompleteness"]) == 1
    assert scores["AnalysisRelevance"] == [0.0, 0.0, 1.0]
    assert scores["ECGFeatureGrounding"] == [0.0]  # 1 of 3
    assert scores["EvidenceBasedReasoning"] == [0.0]  # the block rests on a PR that the signal contradicts
    assert scores["ClinicalDiagnosticFidelity"] == [0.0]  # rate and conduction of five stages


def test_a_diagnosis_of_the_right_superclass_is_worth_half():
    scores = rule_judge(judged(says("", "left bundle branch block"), labels=["right bundle branch block"]))
    assert scores["DiagnosisAccuracy"] == [1.0]
    assert rule_judge(judged(says("", "sinus tachycardia")))["DiagnosisAccuracy"] == [0.0, 0.0]


def test_silence_scores_nothing_and_is_not_judged_where_nothing_applies():
    scores = rule_judge(judged(says("", "sinus rhythm")))
    assert scores["ECGFeatureGrounding"] == [0.0]
    assert scores["EvidenceBasedReasoning"] is None
    assert scores["LeadAssessmentAccuracy"] == []


def test_a_mirrored_reading_with_all_numbers_after_the_conclusion_follows_no_process():
    text = (
        "<answer>first-degree AV block</answer> Rate 75 bpm. PR interval 240 ms. Axis 40 degrees. QT interval 400 ms."
    )
    assert rule_judge(judged(text))["ClinicalDiagnosticFidelity"] == [0.0]


def test_the_aggregation_is_gems():
    empty = {name: [0.0] for name in CRITERIA}
    three = [empty | {"DiagnosisAccuracy": [2.0, 1.0]}, empty | {"DiagnosisAccuracy": [0.0]}]
    assert aggregate(three)["DiagnosisAccuracy"] == pytest.approx(66.67, abs=0.01)
    fifteen = [empty | {"LeadAssessmentCoverage": [1.0] * 15, "LeadAssessmentAccuracy": [2.0] * 13}]
    assert aggregate(fifteen)["LeadAssessmentCoverage"] == 100
    assert aggregate(fifteen)["LeadAssessmentAccuracy"] == pytest.approx(108.33, abs=0.01)
    assert aggregate([empty | {"EvidenceBasedReasoning": None}])["EvidenceBasedReasoning"] is None
    assert aggregate([empty | {"ECGFeatureGrounding": [80.0]}, empty])["ECGFeatureGrounding"] == 40


def test_a_language_models_judgement_is_read_by_new_and_old_names():
    row = {"Score": 2, "Explanation": "x"}
    old = {"GroundedECGUnderstanding": row, "Evidence-BasedReasoning": [row], "RealisticDiagnosticProcess": [row]}
    given = {name: [row, row] for name in list(CRITERIA)[:5]} | old
    assert read_judgement(given)["ECGFeatureGrounding"] == [2.0]
    assert read_judgement(given)["DiagnosisAccuracy"] == [2.0, 2.0]
    with pytest.raises(BenchmarkError, match="without 'DiagnosisAccuracy'"):
        read_judgement({})
    with pytest.raises(BenchmarkError, match="AnalysisRelevance: each score"):
        read_judgement(given | {"AnalysisRelevance": [{"Score": "high"}]})


def test_agreement_is_spearmans():
    some = [{name: [float(i)] for name in CRITERIA} for i in range(5)]
    turned = [{name: [10.0 - i] for name in CRITERIA} for i in range(5)]
    assert agreement(some, some)["DiagnosisAccuracy"] == pytest.approx(1)
    assert agreement(some, turned)["DiagnosisAccuracy"] == pytest.approx(-1)
    assert agreement(some, [some[0]] * 5)["DiagnosisAccuracy"] is None
