"""Findings in leads, read from text: the example of each entry of the vocabulary, and how sentences put them."""

import pytest

from ecg_r1.ecg.definitions import definitions
from ecg_r1.reading.findings.finding_claims import MOST
from ecg_r1.reading.findings.finding_words import GROUPS, NOTHING, vocabulary
from ecg_r1.reading.words.languages import sections
from ecg_r1.scoring.completion import Completion

SIGNS = {"claimed": "+", "denied": "-", "doubted": "?"}


def read(text: str) -> list[str]:
    """Each finding as "st_elevation+V2,V3"."""
    return [f"{c.what}{SIGNS.get(c.stance, '~')}{','.join(c.leads)}" for c in Completion.parse(text).findings]


def examples() -> list[str]:
    found = []
    for subjects in sections("signs"):
        for subject in subjects.values():
            entries = [*subject["called"], *(e for said in subject.get("said", {}).values() for e in said)]
            found += [entry["example"] for entry in entries]
    return found


def test_every_finding_that_is_read_is_measured() -> None:
    words = vocabulary()
    said = {said.finding.removeprefix("no ") for of in words.said for said in of.values()} - {NOTHING, ""}
    said |= {name for wave in words.subjects.values() for name in (wave.alone, wave.denied) if name}
    assert said <= {*definitions(), *GROUPS}
    assert {name for names in GROUPS.values() for name in names} <= set(definitions())


@pytest.mark.parametrize("example", examples())
def test_the_example_of_an_entry_is_read_as_it_says(example: str) -> None:
    text, _, expected = example.partition(" => ")
    assert read(text) == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # leads: lists, ranges, parts of the heart, exceptions
        ("ST elevation (2 mm) in leads V2, V3 and V4.", "st_elevation+V2,V3,V4"),
        ("ST elevation V1 to V3.", "st_elevation+V1,V2,V3"),
        ("ST elevation in V1-4 and in I.", "st_elevation+I,V1,V2,V3,V4"),
        ("T wave inversion in V5/6.", "t_inversion+V5,V6"),
        ("Anterolateral T wave inversions.", "t_inversion+V4,V5,V6"),
        ("Inferior and lateral leads show ST depression.", "st_depression+II,III,aVF,V5,V6"),
        ("ST depression in the inferior and lateral leads.", "st_depression+II,III,aVF,V5,V6"),
        ("ST segments are elevated in V1-V3 but not in V4.", "st_elevation+V1,V2,V3 st_elevation-V4"),
        ("Upright T waves in V1-V6 except V1.", "t_upright+V2,V3,V4,V5,V6 t_upright-V1"),
        ("Inferior infarction with Q waves.", "q_wave+"),
        ("ST elevation, I think.", "st_elevation+"),
        # where the leads stand
        ("In V1-V3 there is ST elevation and T wave inversion.", "st_elevation+V1,V2,V3 t_inversion+V1,V2,V3"),
        ("V2 and V3: ST elevation; V5: ST depression.", "st_elevation+V2,V3 st_depression+V5"),
        ("ST elevation and T wave inversion in V1-V3.", "st_elevation+V1,V2,V3 t_inversion+V1,V2,V3"),
        ("ST elevation in V1 with ST depression in II.", "st_elevation+V1 st_depression+II"),
        ("T waves in V2-V4 are tall.", "t_tall+V2,V3,V4"),
        ("T waves are inverted in V1-V3 and flat in V4.", "t_inversion+V1,V2,V3 t_flat+V4"),
        ("The QRS is broad, with a deep S in V1.", "qrs_broad+"),
        ("| ST | elevated in V2-V4 |\n| T | inverted in I |", "st_elevation+V2,V3,V4 t_inversion+I"),
        ("t neg in v1, avl periphere niederspannung", "t_inversion+aVL,V1 low_voltage_limb+"),
        ("II、III、aVF导联ST段抬高，V1-V3导联ST段压低", "st_elevation+II,III,aVF st_depression+V1,V2,V3"),
        # what it is said of
        (
            "No pathological Q waves, no delta wave, normal R progression.",
            "q_pathological- delta_wave- r_progression_poor-",
        ),
        ("No P waves, the rhythm is irregular.", "p_present- rhythm_irregular+"),
        ("A spike precedes each broad complex.", "pacing_spikes+ qrs_broad+"),
        ("ECG: sinus rhythm, QRS 92 ms, axis 40 degrees, normal ECG.", ""),
        ("Tall R waves in V5 and deep S waves in V2.", ""),
        ("Wide premature complexes.", ""),
        ("NSTEMI, non-ST-elevation MI.", ""),
        ("The patient's T-shirt.", ""),
        # denied, doubted, of something else
        (
            "No ST elevation, ST depression or T wave inversion in V1.",
            "st_elevation-V1 st_depression-V1 t_inversion-V1",
        ),
        ("No Q waves and the T waves are inverted in V4.", "q_pathological- t_inversion+V4"),
        ("There is neither ST elevation nor T inversion.", "st_elevation- t_inversion-"),
        ("T wave inversion no longer evident in V5.", "t_inversion-V5"),
        ("ST elevation in V1 is not seen.", "st_elevation-V1"),
        ("The T waves are not normal.", "t_changes+"),
        ("T waves are flat or inverted in V5.", "t_flat?V5 t_inversion?V5"),
        ("Possible ST elevation in V2.", "st_elevation?V2"),
        ("If there were ST elevation in V2, it would be an infarct.", "st_elevation~V2"),
        ("On the previous ECG there was ST elevation in V2.", "st_elevation~V2"),
        ("Is there ST elevation in V2?", "st_elevation~V2"),
        ("~~ST elevation in V2~~", "st_elevation~V2"),
        ("ST elevation in V2. That is wrong.", "st_elevation~V2"),
    ],
)
def test_a_sentence(text: str, expected: str) -> None:
    assert read(text) == expected.split()


def test_what_a_part_of_the_heart_may_mean() -> None:
    (claim,) = Completion.parse("ST elevation in the lateral leads.").findings
    assert (claim.leads, claim.further) == (("V5", "V6"), ("I", "aVL"))


def test_the_span_is_that_of_the_text() -> None:
    text = "Über allem: **ST elevation** in V2–V4!"
    (claim,) = Completion.parse(text).findings
    assert text[slice(*claim.span)] == "ST elevation** in V2–V4"


@pytest.mark.parametrize("unit", ["ST elevation ", "T waves in V1 ", "V1, ", "no ST elevation in V1, ", ",and ", "t "])
def test_reading_is_linear_in_the_text(unit: str) -> None:
    assert len(Completion.parse(unit * 8000).findings) <= MOST
