"""The rubric of 0 to 5 points, worked by hand in English and Chinese, and its questions as a split."""

import pytest

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.evaluation.benchmarks.items import BenchmarkError
from ecg_r1.evaluation.benchmarks.rubric import figures, points
from ecg_r1.evaluation.benchmarks.rubric_set import CATEGORIES, LANGUAGES, write_set
from ecg_r1.evaluation.metrics import judge
from ecg_r1.scoring.contract import Case

from ..conftest import TRUTHS, answers, write_split

MEASURED = {"heart_rate_bpm": 75.0, "rr_ms": 800.0, "pr_ms": 160.0, "qrs_ms": 92.0, "qt_ms": 400.0, "qtc_ms": 447.0}
NO_P = {"heart_rate_bpm": 90.0, "pr_ms": None, "absent": ["pr_ms"], "unmeasurable": {"pr_ms": "no P waves"}}


def judged(text, category, language="en", measured=MEASURED, labels=("normal ECG", "sinus rhythm"), **extra):
    class Cases:
        def case(self, example_id):
            facts = {"category": category, "language": language, **extra}
            return Case(example_id, tuple(labels), Measurements.from_json(measured), extra=facts)

    (row,) = judge(answers({"a": text}), Cases(), "free")
    return row


@pytest.mark.parametrize(
    ("language", "asserted", "said", "worth"),
    [
        ("en", True, "Yes, it does.", 5),
        ("en", True, "No.", 0),
        ("en", False, "No, there is sinus rhythm.", 5),
        ("en", False, "Nothing speaks for it.", 0),  # "Nothing" is not "no"
        ("en", True, "Possibly.", 0),
        ("zh", True, "是，显示心房颤动。", 5),
        ("zh", False, "不是。", 5),
        ("zh", False, "没有。", 5),
        ("zh", True, "没有。", 0),
    ],
)
def test_a_yes_or_no(language, asserted, said, worth):
    assert points(judged(said, "objective", language, asserted=asserted)) == worth


@pytest.mark.parametrize(
    ("language", "said", "worth"),
    [
        ("en", "The PR interval is 170 ms.", 5),  # the tolerance of PR is 20 ms
        ("en", "The PR interval is 190 ms.", 0),
        ("en", "165", 5),
        ("en", "165 milliseconds", 5),
        ("en", "QRS duration 92 ms.", 0),
        ("zh", "PR间期为170 ms。", 5),
        ("zh", "PR间期为220 ms。", 0),
    ],
)
def test_a_value_counts_within_its_tolerance(language, said, worth):
    assert points(judged(said, "objective", language, quantity="pr_ms")) == worth


@pytest.mark.parametrize(
    ("language", "said", "worth"),
    [
        # 400 / sqrt(0.8) = 400 / 0.8944 = 447.2
        ("en", "RR = 0.8 s, sqrt(0.8) = 0.894, QTc = 400 / 0.894 = 447 ms", 5),
        ("en", "QTc = 447 ms", 2),
        ("en", "RR = 0.8 s, sqrt(0.8) = 0.894, QTc = 400 / 0.894 = 460 ms", 3),
        ("en", "QTc = 400 / 0.8 = 500 ms", 2),  # QT and RR, without the root
        ("zh", "RR为0.8秒，平方根为0.894，QTc = 400 / 0.894 = 447 ms。", 5),
        ("zh", "无法计算。", 0),
    ],
)
def test_a_calculation_is_two_points_for_the_result_and_three_for_the_way(language, said, worth):
    assert points(judged(said, "calculation", language, given=[400, 800])) == worth


@pytest.mark.parametrize(
    ("language", "said", "worth"),
    [
        ("en", "QT interval 400 ms, heart rate 75 bpm, QTc 447 ms.", 5),
        ("en", "QTc 480 ms.", 2),  # 7% above
        ("en", "QTc 520 ms.", 1),  # 16% above
        ("en", "QTc 600 ms.", 0),
        ("en", "QT interval 400 ms, heart rate 75 bpm, QTc 500 ms.", 3),  # 12% above, and it does not follow
        ("zh", "QT间期 400 ms，心率75次/分，QTc 447 ms。", 5),
    ],
)
def test_an_estimate_has_bands_of_10_and_20_percent(language, said, worth):
    assert points(judged(said, "estimate", language)) == worth


@pytest.mark.parametrize(
    ("said", "worth"),
    [
        ("<think>Rate 75 bpm. PR interval 160 ms.</think><answer>normal ECG; sinus rhythm</answer>", 5),
        ("<think>Rate 75 bpm. PR interval 240 ms.</think><answer>normal ECG</answer>", 2),  # half, half; contradicts
        ("<think>Rate 120 bpm.</think><answer>atrial fibrillation</answer>", 1),  # nothing contradicts itself
        ("", 0),
    ],
)
def test_a_reading_has_keywords_meaning_and_consistency(said, worth):
    assert points(judged(said, "subjective")) == worth


@pytest.mark.parametrize(
    ("language", "said", "extra", "worth"),
    [
        ("en", "The ejection fraction cannot be determined from an ECG.", {"units": "%"}, 5),
        ("en", "The ejection fraction is about 55%.", {"units": "%"}, 0),
        ("en", "It cannot be measured exactly, about 55 %.", {"units": "%"}, 0),
        ("en", "A good question.", {"units": "%"}, 0),
        ("zh", "无法从心电图判断射血分数。", {"units": "%"}, 5),
        ("zh", "射血分数约为55%。", {"units": "%"}, 0),
        ("en", "PR interval not measurable: no P waves.", {"quantity": "pr_ms"}, 5),
        ("en", "PR interval 160 ms.", {"quantity": "pr_ms"}, 0),
        ("zh", "PR间期无法测量。", {"quantity": "pr_ms"}, 5),
    ],
)
def test_what_cannot_be_told_is_to_be_refused_without_a_value(language, said, extra, worth):
    assert points(judged(said, "unanswerable", language, measured=NO_P, **extra)) == worth


def test_another_question_is_named():
    with pytest.raises(BenchmarkError, match=r"'a': no question of the rubric.*rubric-set"):
        points(judged("Yes.", "colour"))


def test_means_by_category_and_language_leave_out_what_was_not_judged():
    rows = [judged("", category, language) for category in CATEGORIES for language in LANGUAGES]
    found = figures(rows, [5, 1, None, 3, 2, 2, 0, 0, 4, None], [str(i // 2) for i in range(10)])
    assert found["all"] == found["all"] | {"answers": 10, "unjudged": 2, "points": 17 / 8}
    assert found["categories"]["objective"]["points"] == 3
    assert found["categories"]["calculation"] == found["categories"]["calculation"] | {"points": 3, "unjudged": 1}
    assert found["languages"]["zh"]["points"] == 6 / 4
    assert found["all"]["low"] <= 17 / 8 <= found["all"]["high"]


def test_the_questions_about_a_split_are_a_split_that_can_be_asked(tmp_path):
    rows = [
        row | {"measurements": row["measurements"] | {"rr_ms": 800.0, "qt_ms": 400.0, "qtc_ms": 447.0}}
        for row in TRUTHS
    ]
    rows[2]["measurements"]["absent"] = ["pr_ms"]
    source = write_split(tmp_path / "corpus" / "held-out", rows)
    store = RecordStore(write_set(source, tmp_path / "rubric"))
    assert len(store) == 3
    assert len(store.examples) == 3 * len(CATEGORIES) * len(LANGUAGES)
    asked = {example.id: example for example in store.examples}
    assert asked["r2#unanswerable-en"].question == "What is the PR interval of this ECG?"
    assert "{" not in "".join(example.question for example in store.examples)
    assert store.case("r1#subjective-zh").measurements["heart_rate_bpm"].value == 48.0
    again = RecordStore(write_set(source, tmp_path / "again", ["zh"], records=2, seed=1))
    assert (len(again), len(again.examples)) == (2, 10)
    assert (store.signal("r0") == RecordStore(source).signal("r0")).all()
    with pytest.raises(BenchmarkError, match="no questions in 'fr'"):
        write_set(source, tmp_path / "french", ["fr"])
