"""A claimed finding is held against what was measured in each lead: verdict, number, margin, precision and recall."""

from dataclasses import replace

import pytest

from ecg_r1.ecg.definitions import definitions
from ecg_r1.ecg.findings import Findings
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.reading.findings.finding_words import GROUPS
from ecg_r1.scoring import Case, Completion, load_reward
from ecg_r1.scoring.expected_findings import _table, expected_findings
from ecg_r1.scoring.judgement import claim_of
from ecg_r1.scoring.verify_findings import hold, lead_counts, shown_findings, verify_findings

ST = {"II": (0.22, 0.12), "III": (0.30, 0.20), "aVF": (0.26, 0.16), "V1": (0.11, 0.01), "V6": (0.02, -0.08)}
CELLS = {
    "st_elevation": {lead: ST.get(lead, (0.0, -0.1)) for lead in LEADS} | {"aVR": (-0.1, -0.2)},
    "st_depression": dict.fromkeys(LEADS, (0.0, -0.05)),
    "t_inversion": dict.fromkeys(LEADS, (0.3, -0.4)) | {"aVR": (-0.3, 0.2), "V1": (-0.2, 0.1)},
    "q_pathological": dict.fromkeys(LEADS, "no QRS in this lead"),
    "qrs_broad": (92.0, -28.0),
    "qrs_narrow": (92.0, 28.0),
    "p_present": (0.1, 0.06),
    "p_absent": (0.1, -0.06),
    "p_in_step": (0.9, 0.32),
    "lvh_cornell": (1.2, -1.6),
    "rhythm_regular": (0.18, 0.02),
    "rhythm_irregular": (0.18, -0.02),
}
CASE = Case("r", ("inferior myocardial infarction",), Measurements.from_json({"heart_rate_bpm": 70, "findings": CELLS}))


def verdicts(text: str, case: Case = CASE) -> list[str]:
    return [row.verdict for row in verify_findings(Completion.parse(text), case)]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("ST elevation in II, III and aVF.", "supported"),
        ("Inferior ST elevation.", "supported"),
        ("ST elevation in II, III and V6.", "supported"),  # two of three
        ("ST elevation in II and V6.", "contradicted"),
        ("ST elevation in V3-V6.", "contradicted"),
        ("ST elevation in all leads.", "contradicted"),
        ("ST elevation.", "supported"),
        ("ST elevation in V1.", "unverifiable"),  # borderline
        ("No ST elevation in V1.", "unverifiable"),
        ("No ST elevation in V4-V6.", "supported"),
        ("No ST elevation in V6 and III.", "contradicted"),
        ("No ST elevation.", "contradicted"),
        ("No T wave inversion.", "supported"),  # in aVR and V1 it is normal
        ("No T wave inversion in any lead.", "supported"),
        ("T wave inversion in aVR.", "supported"),
        ("No ST-T changes in V5.", "supported"),
        ("No ST-T changes.", "contradicted"),
        ("Q waves in III are pathological.", "unverifiable"),
        ("The QRS is narrow.", "supported"),
        ("No broad QRS.", "supported"),
        ("The QRS is broad.", "contradicted"),
        ("P waves precede each QRS.", "supported"),
        ("P waves are absent.", "contradicted"),
        ("The rhythm is irregular.", "unverifiable"),
        ("Cornell voltage 1.3 mV.", "supported"),
        ("Cornell voltage 4 mV in every lead.", "contradicted"),
        ("Cornell criteria are not met.", "supported"),
        ("ST-Hebung in II, III und aVF.", "supported"),
        ("V1-V4导联ST段压低", "contradicted"),
    ],
)
def test_the_verdict_of_a_finding(text: str, verdict: str) -> None:
    assert verdicts(text) == [verdict]


@pytest.mark.parametrize(
    "text",
    [
        "Possible ST elevation in II.",
        "Is there ST elevation in II?",
        "On the previous ECG there was ST elevation in V4.",
        "If there were ST elevation in V4, it would be an infarct.",
        "~~ST elevation in V4~~",
        "ST-elevation MI.",
    ],
)
def test_what_is_no_claim_is_not_judged(text: str) -> None:
    assert verdicts(text) == []


def test_a_lead_that_is_not_shown_is_unverifiable() -> None:
    hidden = replace(CASE, leads=tuple(lead for lead in LEADS if lead not in ("aVF", "V1", "V2", "V3")))
    assert verdicts("ST elevation in II, III and aVF.", hidden) == ["unverifiable"]
    assert verdicts("ST elevation in V4, V5, V6 and aVF.", hidden) == ["contradicted"]  # the others contradict it
    (row,) = verify_findings(Completion.parse("ST elevation in aVF."), hidden)
    assert (row.verdict, row.score, row.reason) == ("unverifiable", None, "aVF not shown")


def test_a_finding_of_the_record_needs_the_leads_that_show_it() -> None:
    hidden = replace(CASE, leads=tuple(lead for lead in LEADS if lead != "V3"))
    (row,) = verify_findings(Completion.parse("Cornell voltage 1.3 mV."), hidden)
    assert (row.verdict, row.score, row.reason) == ("unverifiable", None, "needs lead V3, not shown")
    (row,) = verify_findings(Completion.parse("Cornell criteria are not met."), hidden)
    assert (row.verdict, row.reason) == ("unverifiable", "needs lead V3, not shown")
    assert verdicts("The QRS is narrow.", hidden) == ["supported"]  # any lead shows it
    assert verdicts("The QRS is narrow.", replace(CASE, leads=("II",))) == ["supported"]


@pytest.mark.parametrize("name", [name for name, definition in definitions().items() if definition.needs])
def test_without_one_of_its_leads_a_finding_of_the_record_cannot_be_told(name: str) -> None:
    measured = Findings({(name, None): (1.0, 1.0)})
    for lead in definitions()[name].needs:
        shown = replace(CASE, leads=tuple(each for each in LEADS if each != lead))
        shown = replace(shown, measurements=replace(CASE.measurements, findings=measured))
        assert shown_findings(shown)[name, None].reason == f"needs lead {lead}, not shown"


def test_the_evidence_has_the_number_the_margin_and_the_leads() -> None:
    text = "There is ST elevation in II, III and V6."
    (row,) = verify_findings(Completion.parse(text), CASE)
    assert text[slice(*row.span)] == "ST elevation in II, III and V6"
    assert (row.claim, row.lead, row.measured, row.unit) == ("st_elevation", "II, III, V6", 0.02, "mV")
    assert "measured 0.02 mV in V6, 0.08 mV short of the threshold" in row.reason
    assert "2 of 3 leads" in row.reason
    assert claim_of(row) is row  # its tokens get their own advantage


def test_precision_and_recall_over_leads() -> None:
    def worth(text: str) -> float:
        (row,) = verify_findings(Completion.parse(text), CASE)
        return row.score

    assert worth("ST elevation in II, III and aVF.") == 1.0
    assert worth("ST elevation in III.") == pytest.approx(0.5)  # one of three, without a wrong one
    assert worth("ST elevation in II, III, aVF and V6.") < 1.0
    assert worth("ST elevation.") == 0.5  # says less
    held = hold(Completion.parse("ST elevation in II, III and V6."), CASE)
    assert list(lead_counts(held, shown_findings(CASE))) == [(2, 3, 3)]


@pytest.mark.parametrize("lead", ["V5", "V6"])
def test_a_false_claim_is_worth_less_the_further_the_number_is_away(lead: str) -> None:
    worth = []
    for margin in (-0.04, -0.06, -0.09, -0.2):
        cells = CELLS | {"st_elevation": CELLS["st_elevation"] | {lead: (0.1 + margin, margin)}}
        case = replace(CASE, measurements=replace(CASE.measurements, findings=Findings.from_json(cells)))
        (row,) = verify_findings(Completion.parse(f"ST elevation in {lead}."), case)
        worth.append(row.score)
    assert worth == sorted(worth, reverse=True)


def test_expected_are_the_findings_of_the_label_that_the_signal_shows() -> None:
    assert expected_findings(CASE) == ("st_elevation",)
    assert expected_findings(replace(CASE, diagnoses=("normal ECG",))) == ("p_in_step", "qrs_broad")
    assert expected_findings(replace(CASE, diagnoses=("anterior myocardial infarction",))) == ()


def test_every_expected_finding_is_of_the_tables() -> None:
    for label, entries in _table().items():
        assert vocabulary().get(label).name == label
        for entry in entries:
            assert entry.finding in definitions() or entry.finding in GROUPS
            assert set(entry.leads) <= set(LEADS)


def test_silence_is_not_truth() -> None:
    reward = load_reward("findings")

    def paid(text: str) -> float:
        return reward(Completion.parse(text), CASE).value

    assert paid("") == 0.0
    assert paid("The QRS is narrow.") == 0.0
    assert paid("ST elevation in II, III and aVF.") == 1.0
    assert paid("ST elevation in II, III and aVF. The QRS is broad.") < 1.0
    assert paid("ST elevation in II, III and aVF. ST elevation in V1.") == 1.0  # borderline neither pays nor costs


def test_a_finding_that_a_label_names_is_open_where_the_signal_contradicts_it() -> None:
    labelled = replace(CASE, diagnoses=("inverted T-waves",))
    (row,) = verify_findings(Completion.parse("T wave inversion in V5."), labelled)
    assert (row.verdict, row.score) == ("unverifiable", None)
    assert "a label says so" in row.reason
    assert verdicts("T wave inversion in V5.") == ["contradicted"]
