"""What a cardiology reader objected to in grounded texts, one test for each kind."""

import re

import numpy as np
import pytest

from ecg_r1.corpus.text.beats import ectopics, speaking_for
from ecg_r1.corpus.text.check import check
from ecg_r1.corpus.text.conflicts import conflicts
from ecg_r1.corpus.text.knowledge import LANGUAGES
from ecg_r1.corpus.text.report import write_report
from ecg_r1.corpus.text.subject import Subject
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.recipe import Corruption, Reports
from ecg_r1.scoring import Completion
from ecg_r1.scoring.cases import case_from

VALUES = {
    "heart_rate_bpm": 72.0, "rr_ms": 833.0, "p_ms": 104.0, "pr_ms": 164.0, "qrs_ms": 92.0, "qt_ms": 388.0,
    "qtc_ms": 425.0, "axis_deg": 34.0,
}  # fmt: skip
SEEDS = range(12)


def subject(*diagnoses: str, findings=None, by_lead=None, rhythm=None, likelihoods=None, **values) -> Subject:
    data = VALUES | values | {"findings": findings or {}, "by_lead": by_lead or {}, "rhythm": rhythm or {}}
    return Subject(case_from("r", diagnoses, Measurements.from_json(data)).measurements, diagnoses, likelihoods or {})


def texts(one: Subject, code: str = "en") -> list[str]:
    """The reasoning of a record, drawn several times; none may be at fault."""
    made = [write_report(one, Reports(language=code), Corruption(), np.random.default_rng(seed)) for seed in SEEDS]
    for text in made:
        assert not check(text, one, code).faults, (text, check(text, one, code).faults)
    return [Completion.parse(text).think for text in made]


def in_leads(value: float, margin: float, *leads: str, other: tuple[float, float] = (0.0, -0.1)) -> dict:
    return {lead: [value, margin] if lead in leads else list(other) for lead in LEADS}


@pytest.mark.parametrize(("code", "word"), [("en", "prolonged"), ("de", "verlängert"), ("zh", "延长")])
def test_a_long_qtc_is_flagged_and_concluded(code, word):
    one = subject("normal ECG", qtc_ms=485.0, findings={"qt_prolonged": [485.0, 35.0]})
    for text in texts(one, code):
        described, _, concluded = text.partition("\n")
        assert word in described.lower()
        assert word in concluded.lower()


@pytest.mark.parametrize("code", LANGUAGES)
def test_bazett_is_not_quoted_at_a_fast_rate(code):
    one = subject(
        "long QT interval", heart_rate_bpm=134.0, rr_ms=448.0, qtc_ms=485.0, findings={"qt_prolonged": [485.0, 35.0]}
    )
    assert not any("485" in text for text in texts(one, code))


def test_a_long_qtc_is_the_evidence_of_a_drug_effect():
    findings = {"qt_prolonged": [476.0, 26.0], "st_depression": in_leads(0.08, 0.03, "V5", "V6")}
    one = subject("electrolytic disturbance or drug effect", qtc_ms=476.0, findings=findings)
    assert all("476 ms" in text.partition("\n")[2] for text in texts(one))


def test_a_normal_slope_is_no_evidence():
    findings = {
        "st_depression": in_leads(0.06, 0.01, other=(0.06, 0.01)),
        "st_upsloping": in_leads(0.1, 0.05, "V2", "V3"),
        "st_elevation": in_leads(0.0, -0.1),
    }
    one = subject("non-specific ST depression", findings=findings)
    assert not any("upsloping" in text or "horizontal" in text for text in texts(one))


def test_a_borderline_main_sign_comes_before_a_weak_one():
    findings = {
        "st_depression": in_leads(0.05, 0.0, "I", "aVL"),
        "t_flat": in_leads(0.02, 0.08, "V6"),
        "t_inversion": in_leads(0.2, -0.3),
    }
    one = subject("non-specific ST-T abnormality", findings=findings, by_lead={"st_mv": [-0.05] * 12})
    for text in texts(one):
        assert re.search(r"slight ST depression in I and aVL.*flat T", text.partition("\n")[2])


@pytest.mark.parametrize(
    ("code", "words"),
    [("en", "ST depression|of the ST segment"), ("de", "ST-Senkung|ST-Streckensenkung"), ("zh", "ST段压低")],
)
def test_a_depth_has_no_sign(code, words):
    findings = {"st_depression": in_leads(0.14, 0.09, "V5", "V6"), "st_elevation": in_leads(0.0, -0.1)}
    level = [-0.14 if lead in ("V5", "V6") else 0.0 for lead in LEADS]
    said = texts(subject("non-specific ST depression", findings=findings, by_lead={"st_mv": level}), code)
    assert all(re.search(words, text) for text in said)
    assert any("14 mV" in text for text in said)
    assert not any(re.search(r"-0[.,]14", text) for text in said)


@pytest.mark.parametrize(("code", "words"), [("en", "QS complexes"), ("de", "QS-Komplexe"), ("zh", "QS波")])
def test_a_qrs_without_r_is_a_qs_complex(code, words):
    leads = ("V1", "V2", "V3")
    findings = {
        "q_pathological": in_leads(60.0, 40.0, *leads, other=(0.0, -30.0)),
        "qs_complex": in_leads(0.0, 0.05, *leads, other=(1.0, -0.95)),
    }
    by_lead = {
        name: [value if lead in leads else other for lead in LEADS]
        for name, value, other in (("r_mv", 0.0, 1.0), ("q_mv", 1.2, 0.0), ("s_mv", 1.2, 0.3))
    }
    for text in texts(subject("anteroseptal myocardial infarction", findings=findings, by_lead=by_lead), code):
        assert words in text
        assert "0.00 mV" not in text


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_disagreement_says_what_was_measured_and_not_what_was_reported(code):
    one = subject("left atrial enlargement", p_ms=95.0, findings={"p_mitrale": [95.0, -25.0]})
    number = {"en": "95 ms", "de": "95 ms", "zh": "95 ms"}[code]
    leaks = "as given|as reported|clinical grounds|wie angegeben|klinischer Angabe|bleibt als Diagnose|临床诊断"
    for text in texts(one, code):
        assert number in text.partition("\n")[2]
        assert not re.search(leaks, text)


def test_left_bundle_branch_block_with_a_right_pattern_is_a_disagreement():
    findings = {"qrs_broad": [146.0, 26.0], "rbbb_morphology": [0.4, 0.4], "lbbb_morphology": [-1.0, -1.0]}
    one = subject("left bundle branch block", qrs_ms=146.0, findings=findings)
    assert [found.kind for found in conflicts(one)] == ["what must be absent is there"]
    assert all(re.search(r"Possible .*(although|but).*r[sS][rR]'", text) for text in texts(one))


def test_a_complete_block_that_is_too_narrow_is_called_so():
    one = subject("right bundle branch block", qrs_ms=116.0, findings={"rbbb_morphology": [0.4, 0.4]})
    assert all("just under 120 ms" in text for text in texts(one))


def test_premature_beats_have_an_origin():
    counts = {"premature_beats": 1, "premature_reshaped_beats": 2}
    findings = {"ectopic_beats": [3.0, 2.0], "rhythm_irregular": [0.4, 0.2], "rhythm_regular": [0.05, 0.15]}
    one = subject("sinus rhythm", "ventricular premature complex", findings=findings, rhythm=counts)
    assert ectopics(one.measurements) == {"usual": 1, "other": 2}
    for text in texts(one):
        assert "2 premature beats with a QRS of their own (ventricular)" in text
        assert "irregular" not in text


@pytest.mark.parametrize(("rate", "name"), [(48.0, "bradycardia"), (72.0, "rhythm"), (112.0, "tachycardia")])
def test_a_sinus_rhythm_is_named_where_the_label_names_none(rate, name):
    findings = {
        "p_present": [0.1, 0.06], "p_in_step": [1.5, 0.5], "bradycardia": [rate, 60 - rate],
        "tachycardia": [rate, rate - 100],
    }  # fmt: skip
    one = subject("left axis deviation", heart_rate_bpm=rate, rr_ms=round(60000 / rate), findings=findings)
    assert all(f"sinus {name}" in text.lower() for text in texts(one))


def test_low_voltage_is_not_called_normal():
    findings = {"low_voltage_limb": [0.4, 0.1], "lvh_sokolow_lyon": [1.25, -2.25], "lvh_cornell": [0.5, -2.3]}
    for text in texts(subject("normal ECG", findings=findings)):
        assert re.search("[Ll]ow voltage|voltages are low", text)
        assert "Sokolow" not in text


def test_a_q_wave_of_a_vertical_axis_is_normal():
    findings = {"q_pathological": in_leads(40.0, 10.0, "aVL", other=(0.0, -30.0))}
    for text in texts(subject("normal ECG", axis_deg=76.0, findings=findings)):
        assert "vertical" in text
        assert not re.search("[Pp]athological Q|[Ss]ignificant Q", text)


def test_nothing_is_read_off_flutter_waves():
    findings = {
        "st_depression": in_leads(0.1, 0.05, "V4", "V5"), "rhythm_regular": [0.05, 0.15], "tachycardia": [150.0, 50.0],
        "rhythm_irregular": [0.05, -0.15], "qrs_narrow": [92.0, 28.0], "p_absent": [0.0, 0.04],
    }  # fmt: skip
    one = subject("atrial flutter", heart_rate_bpm=150.0, rr_ms=400.0, findings=findings)
    for text in texts(one):
        assert "every second flutter wave" in text
        assert "ST depression" not in text
        assert "QTc" not in text


def test_diagnoses_that_rest_on_the_same_signs_share_a_sentence():
    one = subject(
        "first-degree AV block", "prolonged PR interval", pr_ms=230.0, findings={"pr_prolonged": [230.0, 30.0]}
    )
    for text in texts(one):
        assert text.partition("\n")[2].count("230 ms") == 1


def test_a_likely_normal_ecg_is_worded_without_a_doubt():
    one = subject("normal ECG", likelihoods={"normal ECG": 80.0})
    assert not any(re.search("robably|ikely", text) for text in texts(one))


# What a second reading objected to.

BESIDE_NORMAL = {
    "prolonged PR": ({"pr_prolonged": [230.0, 30.0]}, {"pr_ms": 230.0}),
    "left": ({"axis_left": [-52.0, 22.0]}, {"axis_deg": -52.0}),
    "low voltage": ({"low_voltage_limb": [0.4, 0.1]}, {}),
    "R-wave progression": ({"r_progression_poor": [0.1, 0.2]}, {}),
    "broad QRS": ({"qrs_broad": [136.0, 16.0]}, {"qrs_ms": 136.0}),
}


@pytest.mark.parametrize("found", BESIDE_NORMAL)
def test_a_normal_ecg_is_otherwise_normal_where_something_is_not(found):
    findings, values = BESIDE_NORMAL[found]
    words = set(found.lower().split())
    for text in texts(subject("normal ECG", findings=findings, **values)):
        concluded = text.partition("\n")[2].lower()
        assert words & set(re.findall(r"[\w-]+", concluded)), concluded
        assert re.search("otherwise|apart from|the rest", concluded), concluded


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_is_abnormal_and_not_in_the_label_is_written_in_each_language(code):
    findings, values = {}, {}
    for more, others in BESIDE_NORMAL.values():
        findings, values = findings | more, values | others
    assert all(text.count("\n") == 1 for text in texts(subject("normal ECG", findings=findings, **values), code))


def test_no_elevation_is_denied_that_a_diagnosis_rests_on():
    findings = {
        "st_depression": in_leads(0.1, 0.05, "I", "aVL"),
        "st_elevation": {lead: [0.08, -0.02] if lead == "V1" else [0.0, -0.1] for lead in LEADS},
    }
    for text in texts(subject("anteroseptal myocardial infarction", findings=findings)):
        assert not re.search("(?i)no ST elevation|elevation is absent", text), text


def test_a_wave_is_not_low_and_inverted_in_one_lead():
    findings = {
        "t_flat": {lead: [0.08, -0.02] if lead in ("I", "V6") else [0.3, -0.2] for lead in LEADS},
        "t_inversion": {lead: [-0.05, -0.03] if lead == "V6" else [0.3, -0.4] for lead in LEADS},
    }
    for text in texts(subject("non-specific T-wave changes", findings=findings)):
        assert not re.search(r"[Ll]ow T waves? in [^.;]*V6", text), text


def test_beats_speak_for_the_diagnosis_of_their_origin():
    one = subject(
        "atrial premature complex", "ventricular premature complex", findings={"ectopic_beats": [3.0, 2.0]},
        rhythm={"premature_beats": 1, "premature_reshaped_beats": 2},
    )  # fmt: skip
    for text in texts(one):
        for sentence in text.partition("\n")[2].split(". "):
            if re.search("[Vv]entricular premature|[Pp]remature ventricular|ventricular extrasystole", sentence):
                assert "another QRS" in sentence, sentence


def test_a_left_bundle_branch_block_explains_q_waves_st_and_t():
    high, low = ("V1", "V2", "V3"), ("I", "aVL", "V6")
    findings = {
        "qrs_broad": [150.0, 30.0], "lbbb_morphology": [1.0, 0.5],
        "q_pathological": in_leads(45.0, 15.0, *high, other=(0.0, -30.0)),
        "st_elevation": in_leads(0.4, 0.2, *high), "st_depression": in_leads(0.2, 0.15, *low),
    }  # fmt: skip
    waves = {
        "r_mv": [0.0 if lead in high else 1.0 for lead in LEADS],
        "s_mv": [2.0 if lead in high else 0.1 for lead in LEADS],
    }
    block = subject("left bundle branch block", qrs_ms=150.0, findings=findings, by_lead=waves)
    for text in texts(block):
        assert not re.search("[Pp]athological Q|[Ss]ignificant Q", text), text
        assert re.search("away from the QRS|secondary|opposite to the QRS", text), text
    against = waves | {"r_mv": [1.0] * 12, "s_mv": [0.1] * 12}  # ST goes up where the QRS does
    block = subject("left bundle branch block", qrs_ms=150.0, findings=findings, by_lead=against)
    assert not any("secondary" in text for text in texts(block))


def test_a_high_voltage_may_explain_st_and_t():
    findings = {"st_depression": in_leads(0.1, 0.05, "V5", "V6"), "lvh_sokolow_lyon": [4.4, 0.9]}
    ischemia = "ischemic ST-T changes in lateral leads"
    assert all("QRS voltage" in text.partition("\n")[2] for text in texts(subject(ischemia, findings=findings)))
    findings["lvh_sokolow_lyon"] = [2.0, -1.5]
    assert not any("QRS voltage" in text.partition("\n")[2] for text in texts(subject(ischemia, findings=findings)))


@pytest.mark.parametrize(("rate", "word"), [(128.0, "rapid"), (42.0, "slow")])
def test_the_ventricular_response_of_fibrillation_is_said(rate, word):
    findings = {
        "tachycardia": [rate, rate - 100.0], "p_absent": [0.0, 0.04], "rhythm_irregular": [0.2, 0.1],
        "rhythm_regular": [0.2, -0.1],
    }  # fmt: skip
    one = subject("atrial fibrillation", heart_rate_bpm=rate, rr_ms=60000 / rate, findings=findings)
    assert all(word in text for text in texts(one))


def test_a_value_is_not_just_under_what_it_is_written_as():
    one = subject("non-specific intraventricular conduction disturbance", qrs_ms=109.7)
    assert not any("just under 110" in text for text in texts(one))


# What a third reading objected to.


@pytest.mark.parametrize("code", LANGUAGES)
def test_elevation_in_avr_is_said_and_never_denied(code):
    findings = {
        "st_elevation": in_leads(0.2, 0.1, "aVR"),
        "st_depression": in_leads(0.15, 0.1, "I", "II", "V4", "V5", "V6"),
    }
    for text in texts(subject("subendocardial injury in lateral leads", findings=findings), code):
        first, denied = {
            "en": ("levation of the ST segment in aVR|ST elevation in aVR", "(?i)no ST elevation|elevation is absent"),
            "de": ("ST-Hebung(en)? (von .*)?in aVR", "(?i)keine ST-Hebung"),
            "zh": ("aVR导联ST段抬高|aVR", "(无|未见)ST段抬高"),
        }[code]
        assert re.search(first, text), text
        assert not re.search(denied, text), text


@pytest.mark.parametrize("diagnosis", ["paroxysmal ventricular tachycardia", "ventricular premature complex"])
def test_a_supraventricular_beat_is_no_evidence_of_a_ventricular_rhythm(diagnosis):
    findings = {"ectopic_beats": [2.0, 1.0], "tachycardia": [165.0, 65.0], "qrs_broad": [136.0, 16.0]}
    one = subject(diagnosis, findings=findings, rhythm={"premature_beats": 2}, heart_rate_bpm=165.0, qrs_ms=136.0)
    for text in texts(one):
        assert "supraventricular" not in text.partition("\n")[2], text


def test_a_blocked_premature_beat_is_one_from_above():
    assert speaking_for("blocked atrial premature complex") == speaking_for("atrial premature complex")
    assert speaking_for("left ventricular hypertrophy") == speaking_for("atrial fibrillation") == ()


def test_ventricular_tachycardia_with_p_waves_before_each_qrs_is_a_disagreement():
    found = {"p_in_step": [1.0, 0.5], "tachycardia": [165.0, 65.0], "qrs_broad": [136.0, 16.0]}
    one = subject("ventricular tachycardia", findings=found, heart_rate_bpm=165.0, qrs_ms=136.0)
    assert [conflict.kind for conflict in conflicts(one)] == ["what must be absent is there"]
    assert all(re.search("(?i)possibl[ey] ventricular tachycardia|perhaps", text) for text in texts(one))


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ({"q_pathological": in_leads(45.0, 15.0, "III", "aVF", other=(0.0, -30.0))}, "Q waves in III and aVF"),
        ({"lvh_sokolow_lyon": [3.9, 0.4]}, "Sokolow-Lyon"),
        ({"st_depression": in_leads(0.15, 0.1, "V4", "V5")}, "ST|V4 and V5"),
        ({"t_inversion": in_leads(-0.3, 0.2, "V4", "V5", other=(0.3, -0.4))}, "V4 and V5"),
        ({"r_progression_poor": [0.1, 0.2]}, "R-wave progression"),
        ({"low_voltage_limb": [0.4, 0.1]}, "voltage|amplitude"),
    ],
    ids=str,
)
@pytest.mark.parametrize("label", ["normal ECG", "sinus rhythm"])
def test_what_is_abnormal_is_concluded(label, findings, words):
    for text in texts(subject(label, findings=findings)):
        concluded = text.partition("\n")[2]
        assert re.search(words, concluded), text
        assert label != "normal ECG" or re.search("(?i)otherwise|apart from|the rest", concluded), text


def test_what_the_label_explains_is_not_concluded_again():
    findings = {
        "st_depression": in_leads(0.15, 0.1, "V4", "V5"),
        "t_inversion": in_leads(-0.3, 0.2, "V4", "V5", other=(0.3, -0.4)),
    }
    for name in ("left bundle branch block", "ischemic ST-T changes in lateral leads", "digitalis effect"):
        for text in texts(subject(name, findings=findings)):
            concluded = text.partition("\n")[2]
            assert not re.search(r"(Finding:|I note) (an? )?(inverted T|T-wave inv|ST dep|dep)", concluded), text


def test_an_inverted_t_wave_in_iii_is_named_beside_its_neighbours():
    t = {lead: [0.3, -0.4] for lead in LEADS} | {"III": [-0.18, 0.08], "aVF": [-0.08, -0.02], "II": [-0.07, -0.03]}
    beside = texts(subject("inverted T-waves", findings={"t_inversion": t}))
    assert all(re.search("III", text) for text in beside)
    alone = texts(subject("normal ECG", findings={"t_inversion": t | {"aVF": [0.2, -0.3], "II": [0.3, -0.4]}}))
    assert not any(re.search("III", text) for text in alone)


def test_a_biphasic_t_wave_is_not_called_upright():
    findings = {
        "t_biphasic": in_leads(0.1, 0.05, "II", "aVF", other=(0.0, -0.05)),
        "t_upright": in_leads(0.3, 0.2, *LEADS),
    }
    for text in texts(subject("sinus rhythm", findings=findings)):
        upright = re.search(r"(T waves? .*upright|T upright|[Uu]pright T waves?) in ([^.]*)\.", text)
        assert upright, text
        assert not re.search(r"\b(II|aVF)\b", upright[2]), text


def test_a_q_and_a_t_wave_of_iii_alone_are_no_certain_infarction():
    findings = {
        "q_pathological": in_leads(45.0, 15.0, "III", other=(0.0, -30.0)),
        "t_inversion": in_leads(-0.1, 0.02, "III", other=(0.3, -0.4)),
        "st_elevation": in_leads(0.0, -0.1),
    }
    for text in texts(subject("inferior myocardial infarction", findings=findings)):
        assert re.search("(?i)possibl|perhaps", text.partition("\n")[2]), text


def test_reciprocal_depression_is_no_evidence_without_elevation():
    findings = {
        "q_pathological": in_leads(45.0, 15.0, "III", "aVF", other=(0.0, -30.0)),
        "st_depression": in_leads(0.1, 0.05, "I", "aVL"),
        "st_elevation": in_leads(0.0, -0.1),
    }
    for text in texts(subject("inferior myocardial infarction", findings=findings)):
        sentence = next(part for part in text.partition("\n")[2].split(". ") if "nfer" in part)
        assert "depression" not in sentence, text
