"""Entities of reports: polarity, doubt, languages, an archive's conventions; and a corpus that is labelled by them."""

import pytest

from ecg_r1.corpus import jobs
from ecg_r1.datasets.card import find_card
from ecg_r1.datasets.entry import Entry
from ecg_r1.datasets.folder import Folder
from ecg_r1.errors import UserError
from ecg_r1.recipe import Source
from ecg_r1.scoring.entities import entities, report_labels

REPORTS = {
    "Sinus rhythm. Left bundle branch block. No evidence of acute MI.": {
        "sinus rhythm": "asserted", "left bundle branch block": "asserted", "acute myocardial infarction": "negated"},
    "Vorhofflimmern. Verdacht auf inferioren Infarkt. Kein Linksschenkelblock.": {
        "atrial fibrillation": "asserted", "inferior myocardial infarction": "uncertain",
        "left bundle branch block": "negated"},
    "sinusbradykardie sonst normales ekg": {"sinus bradycardia": "asserted", "normal ECG": "asserted"},
    "First-degree AV block, otherwise normal ECG.": {"first-degree AV block": "asserted"},
    "Sinus rhythm. Suggest repeat to exclude atrial flutter.": {"sinus rhythm": "asserted"},
    "Possible left ventricular hypertrophy. Definite left ventricular hypertrophy.": {
        "left ventricular hypertrophy": "asserted"},
    "": {},
}  # fmt: skip


@pytest.mark.parametrize("report", REPORTS)
def test_each_statement_has_one_certainty(report):
    assert dict(entities(report)) == REPORTS[report]


def test_an_archives_convention_holds_in_its_sentence_alone():
    report = "Voltages are high in chest leads suggesting LVH. Q waves in II, III, aVF. Non-specific T wave flattening."
    as_worded, followed = dict(entities(report)), dict(entities(report, "ptb-xl"))
    assert set(as_worded) == {"left ventricular hypertrophy", "low amplitude T-waves"}
    assert set(followed) == {
        "voltage criteria for left ventricular hypertrophy", "left ventricular hypertrophy", "pathological Q waves",
        "non-specific T-wave changes"}  # fmt: skip
    assert "pathological Q waves" not in dict(entities("No Q waves.", "ptb-xl"))
    apart = dict(entities("Low voltage. Left ventricular hypertrophy.", "ptb-xl"))
    assert "voltage criteria for left ventricular hypertrophy" not in apart


def test_an_unknown_archive_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="ptb-xl"):
        entities("normal ECG", "ptbxl")


def test_a_source_is_labelled_by_its_reports(monkeypatch):
    entry = Entry(jobs.Path("1"), diagnoses=("left bundle branch block",), report="Sinusrhythmus. AV-Block I möglich.")
    monkeypatch.setattr(jobs, "record_entries", lambda *_, **__: Folder(find_card("ptb-xl"), entries=[entry]))
    (read,) = jobs.entries_of(Source(records="somewhere", labels="report")).entries
    assert read.diagnoses == ("sinus rhythm", "possible first-degree AV block") == report_labels(entry.report)
    (kept,) = jobs.entries_of(Source(records="somewhere")).entries
    assert kept.diagnoses == ("left bundle branch block",)
