"""Brief target texts: which share of the quoted values is corrupted how, and that a record's text never changes."""

import re
from collections import Counter

import numpy as np
import pytest

from ecg_r1.corpus.text.prompts import write_question
from ecg_r1.corpus.text.report import without_findings, write_report
from ecg_r1.corpus.text.subject import Subject
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.recipe import Corruption, Reports
from ecg_r1.scoring import Completion

VALUES = {"heart_rate_bpm": 83.0, "pr_ms": 173.0, "qrs_ms": 97.0, "qt_ms": 377.0}
MEASURED = Measurements.from_json(VALUES)
NO_P = MEASURED.without(("p_ms", "pr_ms"), "no P waves")
BRIEF, CLEAN = Reports(style="brief"), Corruption()
QUOTE = re.compile(r"(Rate|PR interval|QRS duration|QT interval) (\d+|not measurable)")


def quoted(measurements: Measurements, shares: Corruption, seed: int = 0) -> dict[str, str]:
    text = write_report(Subject(measurements, ("normal ECG",)), BRIEF, shares, np.random.default_rng(seed))
    return dict(QUOTE.findall(text))


def test_a_clean_report_quotes_the_measurement():
    assert quoted(MEASURED, CLEAN) == {
        "Rate": "83",
        "PR interval": "173",
        "QRS duration": "97",
        "QT interval": "377",
    }


def test_what_cannot_be_measured_is_said_to_be_so():
    assert quoted(NO_P, CLEAN)["PR interval"] == "not measurable"


def test_boilerplate_ignores_the_signal_even_where_there_is_nothing_to_measure():
    assert quoted(NO_P, Corruption(boilerplate=1.0)) == {
        "Rate": "75",
        "PR interval": "160",
        "QRS duration": "90",
        "QT interval": "400",
    }


def test_rounding_is_that_of_a_clinician():
    assert quoted(MEASURED, Corruption(rounded=1.0)) == {
        "Rate": "85",
        "PR interval": "170",
        "QRS duration": "100",
        "QT interval": "380",
    }


def test_qt_counted_from_the_end_of_the_qrs_is_short_by_one_qrs():
    assert quoted(MEASURED, Corruption(qt_from_qrs_end=1.0))["QT interval"] == str(377 - 97)


def test_the_shares_are_those_asked_for():
    shares = Corruption(boilerplate=0.45, rounded=0.2, qt_from_qrs_end=0.3)
    n = 4000
    counts = Counter(tuple(quoted(MEASURED, shares, seed).items()) for seed in range(n))

    def share(name, value):
        return sum(count for quotes, count in counts.items() if (name, value) in quotes) / n

    assert share("PR interval", "160") == pytest.approx(0.45, abs=0.03)
    assert share("PR interval", "170") == pytest.approx(0.20, abs=0.03)
    assert share("PR interval", "173") == pytest.approx(0.35, abs=0.03)
    assert share("QT interval", "280") == pytest.approx(0.3 * (0.35 + 0.2), abs=0.03)  # 280 measured or rounded


def test_a_record_and_a_seed_give_one_text():
    shares = Corruption(boilerplate=0.3, rounded=0.3, qt_from_qrs_end=0.3)
    texts = [
        write_report(Subject(MEASURED, ("normal ECG",)), BRIEF, shares, np.random.default_rng([3, 5])) for _ in range(2)
    ]
    assert texts[0] == texts[1]
    assert write_question(np.random.default_rng(1)) == write_question(np.random.default_rng(1))


def test_the_parser_of_the_rewards_reads_what_is_written():
    diagnoses = ("left bundle branch block", "sinus tachycardia")
    completion = Completion.parse(write_report(Subject(NO_P, diagnoses), BRIEF, CLEAN, np.random.default_rng(0)))
    assert completion.answer == "left bundle branch block; sinus tachycardia"
    read = {q.name: q.value for q in completion.quantities if q.kind == "value"}
    assert read == {"heart_rate_bpm": 83.0, "qrs_ms": 97.0, "qt_ms": 377.0}
    assert [q.name for q in completion.quantities if q.kind == "absent"] == ["pr_ms"]
    asserted = {s.name for s in completion.statements if s.where == "answer" and s.polarity == "asserted"}
    assert asserted == set(diagnoses)


@pytest.mark.parametrize("shares", [{"boilerplate": 1.2}, {"rounded": -0.1}, {"boilerplate": 0.7, "rounded": 0.4}])
def test_invalid_shares_are_refused(shares):
    with pytest.raises(ValueError, match=r"boilerplate|rounded"):
        Corruption(**shares)


def test_a_finding_that_the_signal_contradicts_is_not_written():
    leads = {lead: [0.0, -0.1] for lead in ("II", "III", "aVF")}
    none = {"st_elevation": leads, "q_pathological": {lead: [0, -30] for lead in leads},
            "t_inversion": {lead: [0.3, -0.4] for lead in leads}}  # fmt: skip
    measured = Measurements.from_json({**VALUES, "findings": none})
    diagnoses = ("inferior myocardial infarction",)
    assert "aVF" not in write_report(Subject(measured, diagnoses), BRIEF, CLEAN, np.random.default_rng(0))
    assert without_findings(Subject(measured, diagnoses), BRIEF) == diagnoses
    old = none | {"q_pathological": {lead: [50, 20] for lead in leads}}  # worded by what is measured
    measured = Measurements.from_json({**VALUES, "findings": old})
    assert "Pathological Q waves in II, III and aVF." in write_report(
        Subject(measured, diagnoses), BRIEF, CLEAN, np.random.default_rng(0)
    )
    assert without_findings(Subject(measured, diagnoses), BRIEF) == ()
