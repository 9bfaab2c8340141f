"""Amplitudes by lead: of a record drawn by hand, of simulated and of real ones."""

from dataclasses import replace

import numpy as np
import pytest

from ecg_r1.ecg.delineate import delineate
from ecg_r1.ecg.findings import State
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measure import measure
from ecg_r1.ecg.morphology import lead_beats
from ecg_r1.ecg.quantities import LEAD_QUANTITIES, TABLE
from ecg_r1.ecg.record import ECGRecord, read_record
from ecg_r1.ecg.simulate import simulate

# q, r, s (mV, down is positive for q and s), ST level, T, all different from lead to lead
DRAWN = {
    lead: (0.10 + 0.01 * i, 0.60 + 0.08 * i, 0.20 + 0.06 * i, -0.20 + 0.04 * i, 0.30 + 0.05 * i)
    for i, lead in enumerate(LEADS)
}


def bump(at: float, width: float, time: np.ndarray) -> np.ndarray:
    """One half of a cosine's cycle, 0 to 1 to 0, about `at`; ms."""
    x = np.clip((time - at) / width, -1, 1)
    return (1 + np.cos(np.pi * x)) / 2


def beat(q: float, r: float, s: float, st: float, t: float) -> np.ndarray:
    """800 ms: P at 120, QRS from 250 to 340, ST reached 40 ms later, until T, whose top stands at 520 ms."""
    time = np.arange(0, 800, 2.0)
    level = st * np.clip((time - 340) / 40, 0, 1) * np.clip((640 - time) / 120, 0, 1)
    qrs = -q * bump(266, 14, time) + r * bump(292, 15, time) - s * bump(320, 15, time)
    at_top = st * np.clip((640 - 520) / 120, 0, 1)
    return 0.12 * bump(120, 50, time) + qrs + level + (t - at_top) * bump(520, 110, time)


def record(shapes_by_lead) -> ECGRecord:
    rows = [np.tile(beat(*shapes_by_lead[lead]), 13)[:5000] for lead in LEADS]
    return ECGRecord("drawn", np.array(rows, np.float32), np.ones(12, bool))


def test_each_leads_waves_are_measured_in_that_lead():
    found = measure(record(DRAWN))
    for lead, drawn in DRAWN.items():
        for name, value in zip(("q_mv", "r_mv", "s_mv", "st_mv", "t_mv"), drawn, strict=True):
            measured = found.in_lead(name, lead).value
            assert measured == pytest.approx(value, abs=0.025), (lead, name)


def test_a_qs_complex_is_q_and_s_at_once_and_has_no_r():
    found = measure(record(DRAWN | {"V1": (0.0, -0.9, 0.0, 0.1, 0.3)}))
    assert found.findings["qs_complex", "V1"].state is State.PRESENT
    assert {found.findings["qs_complex", lead].state for lead in ("II", "V5")} == {State.ABSENT}
    assert [found.in_lead(name, "V1").value for name in ("q_mv", "r_mv", "s_mv")] == pytest.approx(
        [0.9, 0, 0.9], abs=0.02
    )


def test_what_goes_down_between_two_r_waves_is_an_s_wave():
    time = np.arange(0, 800, 2.0)
    row = beat(0.0, 0.3, 0.0, 0.0, 0.3) - 0.6 * bump(312, 10, time) + 0.8 * bump(330, 8, time)
    drawn = record(DRAWN)
    signal = drawn.signal.copy()
    signal[LEADS.index("V1")] = np.tile(row, 13)[:5000]
    found = measure(replace(drawn, signal=signal))
    q, r, s = (found.in_lead(name, "V1").value for name in ("q_mv", "r_mv", "s_mv"))
    assert (q, r) == pytest.approx((0.0, 0.8), abs=0.05)
    assert s > 0.3


def test_a_lead_that_is_missing_or_flat_has_no_amplitude():
    drawn = record(DRAWN)
    signal = drawn.signal.copy()
    signal[LEADS.index("V3")] = 0.0
    found = measure(replace(drawn, signal=signal, lead_mask=np.array(LEADS) != "aVL"))
    for lead in ("V3", "aVL"):
        assert found.in_lead("r_mv", lead).reason == "not measurable"
    assert found.in_lead("r_mv", "V4").value == pytest.approx(DRAWN["V4"][1], abs=0.02)


def test_the_filter_that_finds_the_waves_does_not_lower_them():
    """A narrow R of 1 mV: 0.5 to 45 Hz takes more than 0.05 mV off it."""
    found = delineate(record(dict.fromkeys(LEADS, (0.0, 1.0, 0.0, 0.0, 0.3))).signal.astype(float), np.ones(12, bool))
    beneath = float(found.beat.signal.max())
    assert beneath < 0.95
    assert lead_beats(found)["II"].r_mv == pytest.approx(1.0, abs=0.01)


def test_noise_moves_no_amplitude_beyond_its_tolerance(monkeypatch):
    noisy = [s.record for s in simulate(22, seed=6)]
    monkeypatch.setattr("ecg_r1.ecg.simulate.electrode_noise", lambda samples, rate, rng: np.zeros((8, samples)))
    quiet = [s.record for s in simulate(22, seed=6)]
    for name in LEAD_QUANTITIES:
        pairs = [(measure(a).by_lead[name], measure(b).by_lead[name]) for a, b in zip(noisy, quiet, strict=True)]
        apart = [abs(x - y) for a, b in pairs for x, y in zip(a, b, strict=True) if x is not None and y is not None]
        assert len(apart) > 200
        assert np.mean(np.array(apart) <= TABLE[name].tolerance) >= 0.9, name


def test_the_halves_of_real_records_agree_within_the_tolerance(real_records):
    paths = sorted((real_records / "ptb-xl" / "records500").rglob("*.hea"))[::20]
    apart = {name: [] for name in LEAD_QUANTITIES}
    for path in paths:
        real = read_record(path.with_suffix(""))
        found = delineate(real.signal[:, : real.samples].astype(float), real.lead_mask)
        peaks = found.beat.peaks
        if len(peaks) < 6:
            continue
        halves = [lead_beats(found, part) for part in (peaks[: len(peaks) // 2], peaks[len(peaks) // 2 :])]
        for lead in halves[0]:
            for name, values in apart.items():
                one, other = (getattr(half[lead], name) for half in halves)
                values.append(abs(one - other))
    for name, values in apart.items():
        assert len(values) >= 200
        assert np.mean(np.array(values) <= TABLE[name].tolerance) >= 0.9, name


def test_st_elevation_stands_where_the_infarction_is():
    inferior, anterior = (
        measure(next(iter(simulate(1, seed=3, diagnoses=[f"{wall} myocardial infarction"]))).record)
        for wall in ("inferior", "anterior")
    )

    def st(found, lead):
        return found.in_lead("st_mv", lead).value

    assert min(st(inferior, lead) for lead in ("II", "III", "aVF")) > 0.1 > st(inferior, "V2")
    assert min(st(anterior, lead) for lead in ("V2", "V3")) > 0.1 > st(anterior, "III")
