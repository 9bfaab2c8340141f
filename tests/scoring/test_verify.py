"""Quotes against measurements, in numbers that can be checked by hand."""

import math

import pytest

from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import TABLE
from ecg_r1.scoring import Case, Completion, load_reward
from ecg_r1.scoring.verify import verify

MEASURED = {
    "heart_rate_bpm": 70, "rr_ms": 857, "p_ms": 100, "pr_ms": 160, "qrs_ms": 92, "qt_ms": 400, "qtc_ms": 432,
    "axis_deg": 40,
}  # fmt: skip
WRITTEN = {
    "heart_rate_bpm": "Rate {} bpm.", "rr_ms": "RR interval {} ms.", "p_ms": "P wave duration {} ms.",
    "pr_ms": "PR interval {} ms.", "qrs_ms": "QRS duration {} ms.", "qt_ms": "QT interval {} ms.",
    "qtc_ms": "QTc {} ms.", "axis_deg": "Axis {} degrees.",
}  # fmt: skip
TOLERANCES = {
    "heart_rate_bpm": 3, "rr_ms": 40, "p_ms": 25, "pr_ms": 20, "qrs_ms": 15, "qt_ms": 25, "qtc_ms": 30, "axis_deg": 15,
    "qt_lead_ms": 25, "q_mv": 0.06, "r_mv": 0.08, "s_mv": 0.07, "st_mv": 0.06, "t_mv": 0.08,
}  # fmt: skip


def case(measured=MEASURED, leads=LEADS) -> Case:
    return Case("r", (), Measurements.from_json(measured), leads=leads)


def judged(text: str, of: Case):
    return verify(Completion.parse(text), of)


def one(text: str, of: Case):
    (row,) = judged(text, of)
    return row


def test_every_quantity_is_tried_here():
    assert TOLERANCES.keys() == TABLE.keys()


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("side", [-1, 1])
def test_a_quote_is_supported_up_to_its_tolerance(name, side):
    for beyond, verdict in ((0, "supported"), (1, "contradicted")):
        row = one(WRITTEN[name].format(MEASURED[name] + side * (TOLERANCES[name] + beyond)), case())
        assert (row.quantity, row.verdict, row.measured) == (name, verdict, MEASURED[name])
        assert row.tolerance == TOLERANCES[name]
    assert row.score == pytest.approx(math.exp(-(TOLERANCES[name] + 1) / TOLERANCES[name]))


def test_the_range_of_the_beats_is_a_claim_of_its_own():
    of = case(MEASURED | {"heart_rate_bpm": 104, "range": {"heart_rate_bpm": [81.2, 131.5]}})
    right = one("Atrial fibrillation with a ventricular rate of 80 to 130 bpm.", of)
    assert (right.verdict, right.score, right.reason) == ("supported", 1.0, "the beats range from 81 to 132")
    for low, high in ((60, 170), (80, 200), (100, 130)):
        assert one(f"Ventricular rate {low} to {high} bpm.", of).score < 1.0


@pytest.mark.parametrize(("spread", "tolerance"), [(10, 25), (30, 30), (49, 49), (50, 50), (60, 50), (1000, 50)])
def test_where_leads_disagree_the_tolerance_is_wider_and_never_more_than_twice(spread, tolerance):
    of = case(MEASURED | {"spread": {"qt_ms": spread}})
    assert one(f"QT interval {400 + tolerance} ms.", of).verdict == "supported"
    assert one(f"QT interval {401 + tolerance} ms.", of).verdict == "contradicted"


@pytest.mark.parametrize(
    ("quoted", "verdict"), [("175", "supported"), ("-170", "supported"), ("169", "contradicted"), ("0", "contradicted")]
)
def test_an_axis_is_compared_the_shorter_way_round(quoted, verdict):
    assert one(f"Axis {quoted} degrees.", case({"axis_deg": -175})).verdict == verdict


@pytest.mark.parametrize(
    ("measured", "number", "silence"),
    [
        ({"unmeasurable": {"pr_ms": "no P waves"}, "absent": ["pr_ms"]}, ("contradicted", 0.0), ("supported", 1.0)),
        ({"unmeasurable": {"pr_ms": "too noisy"}, "absent": []}, ("unverifiable", None), ("supported", 1.0)),
        ({"unmeasurable": {"pr_ms": "a word on no P waves"}, "absent": []}, ("unverifiable", None), ("supported", 1.0)),
        ({"pr_ms": 29999}, ("unverifiable", None), ("unverifiable", None)),
        ({}, ("unverifiable", None), ("unverifiable", None)),
        ({"pr_ms": 160}, ("supported", 1.0), ("contradicted", 0.0)),
    ],
)
def test_what_is_absent_unmeasurable_and_unknown(measured, number, silence):
    quoted, denied = one("PR interval 160 ms.", case(measured)), one("PR interval not measurable.", case(measured))
    assert (quoted.verdict, quoted.score) == number
    assert (denied.verdict, denied.score) == silence


# -- leads -------------------------------------------------------------------------------------------------------------

# each lead its own value, 0.3 mV from the next
ST = {lead: round(-1.5 + 0.3 * i, 1) for i, lead in enumerate(LEADS)}
LOW_ST = dict.fromkeys(LEADS, 0.0) | {"V2": 0.21, "V3": 0.18, "II": -0.1, "III": -0.12, "aVF": -0.11}


def by_lead(name="st_mv", values=LOW_ST, leads=LEADS) -> Case:
    return case({"by_lead": {name: [values[lead] for lead in LEADS]}}, leads)


@pytest.mark.parametrize("lead", LEADS)
def test_a_lead_is_held_against_its_own_value(lead):
    of, value = by_lead(values=ST), ST[lead]
    way = "elevation" if value > 0 else "depression"
    row = one(f"ST {way} of {abs(value)} mV in lead {lead}.", of)
    assert (row.verdict, row.measured, row.lead) == ("supported", value, lead.lower())
    assert row.claim == f"st_mv {lead.lower()}"
    for other in set(LEADS) - {lead}:
        assert one(f"ST {way} of {abs(value)} mV in lead {other}.", of).verdict == "contradicted"


@pytest.mark.parametrize("name", ["q_mv", "r_mv", "s_mv", "st_mv", "t_mv"])
@pytest.mark.parametrize("side", [-1, 1])
def test_an_amplitude_is_supported_up_to_its_tolerance(name, side):
    wave = {"st_mv": "ST elevation of {:.3f} mV in V2."}.get(
        name, f"{name[0].upper()} wave amplitude {{:.3f}} mV in V2."
    )
    of = by_lead(name, dict.fromkeys(LEADS, 0.0) | {"V2": 0.5})
    for off, verdict in ((-0.001, "supported"), (0.001, "contradicted")):
        row = one(wave.format(0.5 + side * (TOLERANCES[name] + off)), of)
        assert (row.quantity, row.verdict, row.measured, row.unit) == (name, verdict, 0.5, "mV")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("2 mm of ST elevation in V2 and V3.", "supported"),
        ("2 mm of ST depression in V2 and V3.", "contradicted"),
        ("ST elevation of 0.2 mV in V2-V3.", "supported"),
        ("2 mm of ST elevation in V2-V4.", "contradicted"),  # V4 has none
        ("1 mm of ST depression in II, III and aVF.", "supported"),
        ("1 mm ST elevation in leads II, III and aVF.", "contradicted"),
        ("1-3 mm of ST elevation in V2 and V3.", "supported"),
        ("ST elevation of more than 1 mm in V2.", "supported"),
        ("ST elevation of more than 3 mm in V2.", "contradicted"),
        ("2 mm of ST elevation.", "unverifiable"),
        ("2 mm of ST elevation in all leads.", "contradicted"),
        ("2 mm of ST elevation in all leads except aVR.", "unverifiable"),
        ("2 mm of ST elevation in V2-V4 except V4.", "unverifiable"),
    ],
)
def test_st_levels_in_words(text, verdict):
    assert one(text, by_lead()).verdict == verdict


def test_each_number_goes_with_the_lead_beside_it():
    of = by_lead(values=LOW_ST | {"V3": 0.31})
    for text in ("ST elevation in V2 (2 mm) and V3 (3 mm).", "2 mm ST elevation in V2 and 3 mm in V3."):
        assert [(row.lead, row.verdict) for row in judged(text, of)] == [("v2", "supported"), ("v3", "supported")]


def test_of_several_leads_the_worst_is_told():
    row = one("2 mm of ST elevation in V2 and V3.", by_lead(values=LOW_ST | {"V3": 0.05}))
    assert (row.verdict, row.measured) == ("contradicted", 0.05)
    assert row.reason == "0.15 mV from the measured 0.05 in V3"
    assert row.score == pytest.approx(math.exp(-0.15 / 0.06))


def test_a_claim_about_all_leads_is_held_against_all():
    level = dict.fromkeys(LEADS, 0.2)
    assert one("2 mm of ST elevation in all leads.", by_lead(values=level)).verdict == "supported"
    assert one("2 mm of ST elevation in all leads.", by_lead(values=level | {"aVL": 0.0})).verdict == "contradicted"


def test_a_lead_that_is_not_shown_cannot_be_judged():
    row = one("2 mm of ST elevation in V2 and V3.", by_lead(leads=("I", "II", "V2")))
    assert (row.verdict, row.score, row.measured) == ("unverifiable", None, None)
    assert row.reason == "V3 not shown"
    assert one("2 mm of ST elevation in V2.", by_lead(leads=("I", "II", "V2"))).verdict == "supported"


def test_a_lead_that_could_not_be_measured_cannot_be_judged():
    row = one("2 mm of ST elevation in V2 and V3.", by_lead(values=LOW_ST | {"V3": None}))
    assert (row.verdict, row.reason) == ("unverifiable", "not measurable in V3")
    assert one("2 mm of ST elevation in V2.", case({"heart_rate_bpm": 75})).reason == "not measured in V2"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("S wave of 1.4 mV in V1.", "supported"),
        ("S wave of -1.4 mV in V1.", "supported"),
        ("SV1 14 mm.", "supported"),
        ("S wave in V1 is 12 mm.", "contradicted"),
        ("S wave of 1.2-1.5 mV in V1.", "supported"),
    ],
)
def test_an_s_wave_is_as_deep_as_it_is_quoted(text, verdict):
    assert one(text, by_lead("s_mv", dict.fromkeys(LEADS, 0.0) | {"V1": 1.38})).verdict == verdict


def test_t_waves_have_a_direction():
    of = by_lead("t_mv", dict.fromkeys(LEADS, 0.3) | {"V4": -0.3})
    assert one("T wave inversion of 3 mm in V4.", of).verdict == "supported"
    assert one("T wave of 3 mm in V4.", of).verdict == "contradicted"
    assert one("T wave of 3 mm in V5.", of).verdict == "supported"


# -- what they pay -----------------------------------------------------------------------------------------------------

READING = "<think>Rate 70 bpm. PR 160 ms. QRS 92 ms. QT 400 ms.{}</think><answer>x</answer>"


@pytest.mark.parametrize(
    ("said", "paid"),
    [
        ("", 1.0),
        (" 2 mm of ST elevation in V2 and V3.", 1.0),  # supported: pays nothing
        (" 2 mm of ST elevation.", 1.0),  # cannot be judged
        (" 5 mm of ST elevation in V2.", 0.8),  # contradicted: a 0 beside four values
        (" 5 mm of ST elevation in V2. 5 mm of ST elevation in V3.", 0.8),  # one quantity, one 0
        (" 5 mm of ST elevation in V2. R wave of 2 mV in V5.", 4 / 6),
        (" RR interval 600 ms.", 0.8),  # as any other value that nobody asked for
    ],
)
def test_amplitudes_pay_nothing_and_cost_where_they_are_wrong(said, paid):
    levels = [LOW_ST[lead] for lead in LEADS]
    of = case(MEASURED | {"by_lead": {"st_mv": levels, "r_mv": [0.5] * 12}})
    assert load_reward("intervals")(Completion.parse(READING.format(said)), of).value == pytest.approx(paid)
