"""The table of quantities, and what becomes of values that no heart can have."""

import json
import logging
import math

import pytest

from ecg_r1.ecg import measurements
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measure import MEASURED_BY, measure
from ecg_r1.ecg.measurements import Measured, Measurements
from ecg_r1.ecg.quantities import EXPECTED, LEAD_QUANTITIES, QUANTITIES, TABLE, Quantity, unit_of
from ecg_r1.ecg.simulate import simulate
from ecg_r1.scoring.cases import read_samples

HALF_A_SQUARE = 0.05  # mV


def test_every_report_quotes_rate_pr_qrs_and_qt_in_this_order():
    assert EXPECTED == ("heart_rate_bpm", "pr_ms", "qrs_ms", "qt_ms")


def test_a_quantity_is_of_the_record_or_of_its_leads():
    assert list(TABLE) == [*QUANTITIES, *LEAD_QUANTITIES]
    assert list(LEAD_QUANTITIES) == ["q_mv", "r_mv", "s_mv", "st_mv", "t_mv"]
    assert {q.name for q in TABLE.values() if q.circular} == {"axis_deg"}
    assert all(quantity.name == name and quantity.unit == unit_of(name) for name, quantity in TABLE.items())


def test_values_are_written_in_the_unit_of_their_name():
    written = {"pr_ms": "164 ms", "heart_rate_bpm": "164 bpm", "axis_deg": "164°", "st_mv": "163.50 mV"}
    assert {name: TABLE[name].written(163.5) for name in written} == written
    assert unit_of("p_axis_deg") == "°"


@pytest.mark.parametrize(
    ("quoted", "measured", "difference"), [(175, -175, -10), (-175, 175, 10), (370, 10, 0), (30, 45, -15)]
)
def test_an_axis_goes_round(quoted, measured, difference):
    assert QUANTITIES["axis_deg"].difference(quoted, measured) == difference
    assert QUANTITIES["axis_deg"].distance(quoted, measured) == abs(difference)


def test_other_quantities_do_not_go_round():
    assert QUANTITIES["qt_ms"].difference(760, 400) == 360


# 90% quantile of the difference between the halves of a record, mV: `python benchmarks/measurement.py`
REPEATS = {"q_mv": 0.022, "r_mv": 0.057, "s_mv": 0.044, "st_mv": 0.028, "t_mv": 0.054}


@pytest.mark.parametrize("name", REPEATS)
def test_a_leads_tolerance_is_how_exactly_it_is_read_and_how_well_it_repeats(name):
    assert TABLE[name].tolerance == math.ceil(100 * math.hypot(HALF_A_SQUARE, REPEATS[name])) / 100


def test_a_quantity_without_a_function_is_named(monkeypatch):
    record = next(iter(simulate(1, seed=1))).record
    monkeypatch.setitem(QUANTITIES, "jt_ms", Quantity("jt_ms", "JT interval", "JT", 25.0, (50.0, 900.0)))
    with pytest.raises(NotImplementedError, match=r"jt_ms stands in ecg\.quantities, but MEASURED_BY"):
        measure(record)
    monkeypatch.setitem(MEASURED_BY, "jt_ms", lambda found: Measured(290.0))
    assert measure(record).value("jt_ms") == 290.0


# -- values that cannot be ---------------------------------------------------------------------------------------------


@pytest.fixture
def log(caplog, monkeypatch):
    monkeypatch.setattr(measurements, "_TOLD", set())
    caplog.set_level(logging.WARNING, logger=measurements.__name__)
    return caplog


@pytest.mark.parametrize("value", [29999, 0, -1, 0.16, math.nan, math.inf])
def test_a_given_value_that_cannot_be_counts_as_not_measured_and_is_said_once(value, log):
    for _ in range(3):
        m = Measurements.from_json({"heart_rate_bpm": 75, "pr_ms": value})
    assert m.value("heart_rate_bpm") == 75
    assert m.value("pr_ms") is None
    assert m["pr_ms"].unknown
    assert m.reason("pr_ms") == f"not measured: {value:g} ms was given, outside 40 to 800"
    (record,) = log.records
    assert record.getMessage().startswith(f"pr_ms: {value:g} ms was given, outside 40 to 800;")


@pytest.mark.parametrize(("value", "possible"), [(39.9, False), (40, True), (800, True), (800.1, False)])
def test_the_ends_of_the_range_are_possible(value, possible, log):
    assert (Measurements.from_json({"pr_ms": value}).value("pr_ms") is not None) == possible


def test_it_stays_unknown_when_it_is_written_and_read_again(log):
    m = Measurements.from_json(json.loads(json.dumps(Measurements.from_json({"qt_ms": 29999}).to_json())))
    assert m["qt_ms"].unknown
    assert not Measured(reason="no T wave found").unknown
    assert len(log.records) == 1


def test_the_sentinels_of_a_file_are_found(real_records, log):
    unknown = {
        sample.id: [name for name in QUANTITIES if "was given" in (sample.case.measurements.reason(name) or "")]
        for sample in read_samples(real_records.parent / "cases" / "text" / "sentinel.jsonl")
    }
    assert unknown == {"29999": ["pr_ms", "qt_ms"], "zero": ["pr_ms", "qt_ms"], "seconds": ["pr_ms", "qrs_ms", "qt_ms"]}
    assert len(log.records) == 3


def test_what_measure_gives_is_possible():
    for simulated in simulate(22, seed=8):
        m = measure(simulated.record)
        values = [(name, m.value(name)) for name in QUANTITIES]
        values += [(name, value) for name, row in m.by_lead.items() for value in row]
        assert all(value is None or TABLE[name].possible(value) for name, value in values)


# -- leads -------------------------------------------------------------------------------------------------------------


def test_leads_are_written_in_their_order_and_read_again():
    row = tuple(round(0.1 * i, 1) for i in range(12))
    m = Measurements.from_json({"by_lead": {"st_mv": row}})
    back = Measurements.from_json(json.loads(json.dumps(m.to_json())))
    assert back.by_lead == m.by_lead == {"st_mv": row}
    assert [back.in_lead("st_mv", lead).value for lead in LEADS] == list(row)
    assert back.in_lead("r_mv", "V2").unknown
    assert m.without(["pr_ms"], "no P waves", absent=True).by_lead == m.by_lead


def test_a_lead_without_the_wave_is_null(log):
    m = Measurements.from_json({"by_lead": {"t_mv": [None] * 11 + [0.2]}})
    assert m.in_lead("t_mv", "V5") == Measured(reason="not measurable")
    assert m.in_lead("t_mv", "V6").value == 0.2
    assert Measurements.from_json({"by_lead": {"t_mv": [29999] + [0.2] * 11}}).in_lead("t_mv", "I").value is None
    assert len(log.records) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pr_ms": [0.1] * 12}, "by_lead has 'pr_ms'; there are q_mv, r_mv"),
        ({"st_mv": [0.1] * 11}, "a list of twelve numbers or nulls"),
        ({"st_mv": 0.1}, "a list of twelve numbers or nulls"),
        ({"st_mv": ["0.1"] * 12}, "a number or null belongs here"),
    ],
)
def test_what_is_no_row_of_leads_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Measurements.from_json({"by_lead": given})


def test_measurements_of_earlier_versions_are_read():
    old = {"heart_rate_bpm": 90.0, "pr_ms": None, "unmeasurable": {"pr_ms": "no P waves (atrial fibrillation)"}}
    m = Measurements.from_json(old | {"spread": {}, "method": "consensus"})
    assert (m["pr_ms"].absent, m["p_ms"].absent, m.by_lead) == (True, False, {})
    assert not Measurements.from_json(old | {"absent": []})["pr_ms"].absent
