"""What a finding is: its state by margin and band, the record's finding from its leads', and the JSON in between."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from ecg_r1.ecg.definitions import definitions
from ecg_r1.ecg.findings import NO_FINDINGS, Findings, State
from ecg_r1.ecg.heart import POPULATIONS
from ecg_r1.ecg.lead_findings import LEAD_FINDINGS
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.record_findings import RECORD_FINDINGS
from ecg_r1.ecg.simulate import simulate


def of(name: str, **values: float) -> Findings:
    """The findings of a record in which one finding has these values in these leads."""
    return Findings({(name, lead): (value, definitions()[name].margin(value, lead)) for lead, value in values.items()})


@pytest.mark.parametrize(
    ("value", "state"),
    [(0.30, State.PRESENT), (0.11, State.BORDERLINE), (0.08, State.BORDERLINE), (0.02, State.ABSENT)],
)
def test_the_state_follows_from_threshold_and_band(value, state):
    finding = of("st_elevation", II=value)["st_elevation", "II"]
    assert (finding.state, finding.value, finding.unit) == (state, value, "mV")
    assert finding.margin == pytest.approx(value - 0.1)


@pytest.mark.parametrize(
    ("lead", "sex", "age", "threshold"),
    [
        ("V2", "male", 60, 0.2),
        ("V2", "male", 30, 0.25),
        ("V3", "female", 30, 0.15),
        ("V3", None, None, 0.2),
        ("V4", "female", 30, 0.1),
    ],
)
def test_st_elevation_in_v2_and_v3_depends_on_sex_and_age(lead, sex, age, threshold):
    assert definitions()["st_elevation"].margin(threshold, lead, sex, age) == pytest.approx(0)


@pytest.mark.parametrize(
    ("axis", "quadrant"),
    [
        (60, "axis_normal"),
        (-60, "axis_left"),
        (120, "axis_right"),
        (-130, "axis_extreme"),
        (185, "axis_extreme"),
    ],
)
def test_each_axis_is_in_one_quadrant(axis, quadrant):
    quadrants = [name for name in definitions() if name.startswith("axis_")]
    assert [name for name in quadrants if definitions()[name].margin(axis) > 0] == [quadrant]


def test_an_axis_near_180_degrees_is_borderline_on_both_sides():
    for name in ("axis_right", "axis_extreme"):
        margin = definitions()[name].margin(177.0)
        assert abs(margin) == pytest.approx(3)


def test_the_record_has_what_two_neighbouring_leads_show():
    assert of("t_inversion", V4=-0.3, V5=-0.2)["t_inversion", None].state is State.PRESENT
    assert of("t_inversion", II=-0.3, V5=-0.3, aVF=0.3, V4=0.3)["t_inversion", None].state is State.ABSENT
    assert of("t_inversion", II=-0.3, V5=-0.3)["t_inversion", None].state is State.UNMEASURABLE


def test_leads_in_which_a_finding_is_normal_say_nothing_of_the_record():
    found = of("t_inversion", aVR=-0.4, V1=-0.3, V2=0.3, V3=0.4)
    assert found.leads("t_inversion") == ("aVR", "V1")
    assert found["t_inversion", None].state is State.ABSENT


def test_q_waves_are_said_of_leads_since_nearly_every_record_has_one_somewhere():
    found = of("q_wave", V5=0.2, V6=0.2)
    assert found["q_wave", "V6"].state is State.PRESENT
    assert found["q_wave", None].state is State.UNMEASURABLE
    assert found["q_wave", None].reason.startswith("a finding of single leads")


def test_what_nobody_measured_is_unmeasurable_and_a_wrong_name_is_an_error():
    assert NO_FINDINGS["st_elevation", "V2"].reason == "not measured"
    assert len(list(NO_FINDINGS)) == len(NO_FINDINGS)
    for key in (("st_elevatoin", None), ("qrs_broad", "V2"), ("st_elevation", "V7")):
        with pytest.raises(KeyError):
            NO_FINDINGS[key]


def test_findings_survive_the_measurements_json():
    found = of("st_elevation", V2=0.31234, V3=0.25)
    found = Findings({**found.measured, ("qrs_broad", None): "the QRS has no clear bounds"})
    read = Measurements.from_json(Measurements.from_json({"findings": found.to_json()}).to_json()).findings
    assert read["st_elevation", "V2"].value == pytest.approx(0.312)
    assert read.leads("st_elevation") == ("V2", "V3")
    assert read["qrs_broad", None].reason == "the QRS has no clear bounds"


@pytest.mark.parametrize(
    "given",
    [
        {"st_elevaton": {}},
        {"st_elevation": [1, 2]},
        {"st_elevation": {"V9": [1, 2]}},
        {"qrs_broad": [1]},
        {"qrs_broad": [float("nan"), 1]},
        {"qrs_broad": {"V1": [1, 2]}},
        ["qrs_broad"],
    ],
)
def test_damaged_findings_are_refused_by_name(given):
    with pytest.raises(ValueError, match="findings"):
        Measurements.from_json({"findings": given})


def test_every_definition_is_complete():
    for name, definition in definitions().items():
        assert all((definition.title, definition.value, definition.source)), name
        assert definition.band >= 0
        assert set(definition.normal_in) <= set(LEADS)


def test_every_entry_of_the_table_has_one_function():
    per_lead = {name for name, definition in definitions().items() if definition.per_lead}
    assert set(LEAD_FINDINGS) == per_lead
    assert set(RECORD_FINDINGS) == set(definitions()) - per_lead


@pytest.fixture(scope="module")
def record():
    return next(iter(simulate(1, seed=7, diagnoses=["normal ECG"]))).record


@pytest.mark.parametrize("name", [name for name, definition in definitions().items() if definition.needs])
def test_a_finding_whose_lead_was_not_recorded_has_a_reason(record, name):
    whole = measure(record).findings
    for lead in definitions()[name].needs:
        mask = np.array([each != lead for each in LEADS])
        found = measure(replace(record, lead_mask=mask)).findings
        assert found[name, None].state is State.UNMEASURABLE
        assert lead in found[name, None].reason
        assert found["qrs_narrow", None].state is whole["qrs_narrow", None].state is State.PRESENT


def test_p_waves_in_a_rhythm_of_their_own_are_present_and_dissociated():
    found = [measure(one.record) for one in simulate(20, seed=8, diagnoses=["third-degree AV block"])]
    assert sum(m.findings["p_dissociated", None].state is State.ABSENT for m in found) <= 1
    for m in found:
        if m.findings["p_dissociated", None].state is State.PRESENT:
            assert m.findings["p_present", None].state is State.PRESENT
            assert m.findings["p_in_step", None].state is State.ABSENT
            assert m["pr_ms"].absent


@pytest.mark.parametrize(
    "diagnosis", ["normal ECG", "sinus bradycardia", "atrial fibrillation", "sinus arrhythmia", "first-degree AV block"]
)
def test_p_waves_in_step_and_fibrillation_are_not_dissociated(diagnosis):
    for one in simulate(8, seed=9, diagnoses=[diagnosis]):
        assert measure(one.record).findings["p_dissociated", None].state is State.ABSENT


@pytest.fixture(scope="module")
def counted() -> dict[str, Counter]:
    """(true state, measured state) of each finding, over six records of each population."""
    counts: dict[str, Counter] = {name: Counter() for name in definitions()}
    for one in simulate(6 * len(POPULATIONS), seed=12, diagnoses=list(POPULATIONS)):
        found = measure(one.record).findings
        for name, lead in one.findings.measured:
            counts[name][one.findings[name, lead].state, found[name, lead].state] += 1
    return counts


@pytest.mark.parametrize("name", list(definitions()))
def test_findings_agree_with_simulated_truth(counted, name):
    count = counted[name]
    for true, wrong in ((State.PRESENT, State.ABSENT), (State.ABSENT, State.PRESENT)):
        right, missed = count[true, true], count[true, wrong]
        assert right + missed > 0, true
        assert right / (right + missed) >= 0.95 or missed <= 1, (true, count)
