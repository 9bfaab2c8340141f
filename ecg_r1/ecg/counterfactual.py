"""One simulated heart with one thing moved: PR, QRS, QT, rate, axis, ST in V1 to V4, or atrial fibrillation.

Everything else stays: the other waves, their beats' times, the electrodes and the same noise. Each part of a heart is
drawn from a generator of its own, so that moving one thing draws no other thing anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from ecg_r1.ecg.criteria import criteria
from ecg_r1.ecg.findings import State
from ecg_r1.ecg.heart import DOWER, Population, Rhythm, narrow, p_wave
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.lobes import Beat, Segment, Wave
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.noise import electrode_noise, fibrillation
from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.ecg.record import SAMPLES, SAMPLING_RATE, ECGRecord
from ecg_r1.ecg.simulate import BEFORE, MS, draw_beat, place, true_quantities, twelve, vary
from ecg_r1.ecg.truth import TrueHeart, true_findings

ANTERIOR = ("V1", "V2", "V3", "V4")
_CHESTS = slice(2, 6)  # their rows in DOWER
# Narrow ranges, so that any one thing finds room to move while the others stay; ms, beats a minute.
_RHYTHM = Rhythm(rate=(62, 70), pr=(132, 150), qrs=(80, 96), p=(78, 92), irregularity=(0.005, 0.012))
_QT = (342.0, 360.0)
_NAMED = (
    "sinus bradycardia", "sinus tachycardia", "first-degree AV block", "long QT interval", "short QT interval",
    "non-specific intraventricular conduction disturbance", "left axis deviation", "right axis deviation",
)  # fmt: skip
_BEAT, _WAVES, _GAINS, _ONSETS, _NOISE, _ATRIA = range(6)  # generators of a heart


@dataclass(frozen=True)
class Moved:
    """What is drawn otherwise; None: as the heart was drawn. ST is what is added in V1 to V4, the mean, in mV."""

    pr_ms: float | None = None
    qrs_ms: float | None = None
    qt_ms: float | None = None
    heart_rate_bpm: float | None = None
    axis_deg: float | None = None
    st_mv: float = 0.0
    fibrillation: bool = False


# What is moved -> its six values; fibrillation is there or not.
STEPS: Mapping[str, tuple[Moved, ...]] = {
    "pr_ms": tuple(Moved(pr_ms=value) for value in np.linspace(120, 280, 6)),
    "qrs_ms": tuple(Moved(qrs_ms=value) for value in np.linspace(80, 160, 6)),
    "qt_ms": tuple(Moved(qt_ms=value) for value in np.linspace(330, 510, 6)),
    "heart_rate_bpm": tuple(Moved(heart_rate_bpm=value) for value in np.linspace(50, 110, 6)),
    "axis_deg": tuple(Moved(axis_deg=value) for value in np.linspace(-60, 120, 6)),
    "st_mv": tuple(Moved(st_mv=value) for value in np.linspace(0, 0.4, 6)),
    "fibrillation": (Moved(), Moved(fibrillation=True)),
}


def counterfactual(seed: int, heart: int, moved: Moved, record_id: str) -> tuple[ECGRecord, Measurements]:
    """Heart number `heart` of a seed with something moved.

    Returns:
        The record, its diagnoses those whose criteria its true values meet; and these true values in the place of
        measurements, with the true ST level of each lead, 60 ms after the J point.
    """
    draws = [np.random.default_rng([seed, heart, part]) for part in range(6)]
    beat, rr = _beat(moved, draws[_BEAT])
    waves = vary(p_wave(beat) + narrow(beat), draws[_WAVES])
    if moved.axis_deg is not None:
        waves = _turned(waves, moved.axis_deg)
    if moved.st_mv:
        st = Segment("ST", 0.55 * beat.qrs, beat.qrs, beat.qt - 20, (0.0, 0.0, -1.0))
        waves.append((st, _anterior(st, moved.st_mv)))
    view = draws[_GAINS].uniform(0.75, 1.25) * draws[_GAINS].uniform(0.92, 1.08, 8)[:, None] * DOWER
    onsets = _onsets(beat, rr, moved.fibrillation, draws[_ONSETS])
    if moved.fibrillation:
        beat, waves = replace(beat, pr=None, p=None), [(wave, dipole) for wave, dipole in waves if wave.wave != "P"]
    template, qrs_area = draw_beat(waves, view)
    leads = np.zeros((8, SAMPLES), np.float32)
    for onset, size in zip(onsets, draws[_GAINS].normal(1, 0.02, 200), strict=False):
        place(template * np.float32(size), onset, leads)
    if moved.fibrillation:
        leads += (view @ fibrillation(SAMPLES, SAMPLING_RATE, draws[_ATRIA])).astype(np.float32)
    leads += electrode_noise(SAMPLES, SAMPLING_RATE, draws[_NOISE])
    truth = true_quantities(beat, onsets, qrs_area)
    population = Population(replace(_RHYTHM, atrial="fibrillation" if moved.fibrillation else "sinus"))
    heard = TrueHeart(beat, [(wave, view @ dipole) for wave, dipole in waves], population, onsets, set(), truth)
    findings = true_findings(heard, None, None)
    elevated = any(findings["st_elevation", lead].state is State.PRESENT for lead in ANTERIOR)
    record = ECGRecord(
        record_id,
        twelve(leads),
        np.ones(len(LEADS), bool),
        diagnoses=_diagnoses(truth, elevated, moved.fibrillation),
        source="simulated",
    )
    later = heard.seen(beat.qrs + 60, beat.qrs + 60)
    values = {name: value for name, value in truth.items() if value is not None}
    true = {
        **values,
        "absent": ["pr_ms", "p_ms"] if moved.fibrillation else [],
        "unmeasurable": dict.fromkeys(("pr_ms", "p_ms"), "no P waves") if moved.fibrillation else {},
        "by_lead": {"st_mv": [float(later[lead][0]) for lead in LEADS]},
        "findings": findings.to_json(),
        "method": "simulated",
    }
    return record, Measurements.from_json(true)


def _beat(moved: Moved, rng: np.random.Generator) -> tuple[Beat, float]:
    """The beat and its RR interval in ms."""
    rr = 60000 / rng.uniform(*_RHYTHM.rate)
    pr, p, qrs, qt = (rng.uniform(*limits) for limits in (_RHYTHM.pr, _RHYTHM.p, _RHYTHM.qrs, _QT))
    if moved.heart_rate_bpm is not None:
        rr = 60000 / moved.heart_rate_bpm
    given = (moved.pr_ms, moved.qrs_ms, moved.qt_ms)
    pr, qrs, qt = (own if value is None else value for own, value in zip((pr, qrs, qt), given, strict=True))
    return Beat(pr=pr, p=p, qrs=qrs, qt=qt), rr


def _onsets(beat: Beat, rr: float, fibrillating: bool, rng: np.random.Generator) -> np.ndarray:
    """QRS onsets in samples, from before the record to after it; in fibrillation at the same mean rate."""
    count = int(np.ceil(1.6 * SAMPLES * MS / rr)) + 4
    share, first = rng.uniform(*_RHYTHM.irregularity), rng.uniform()
    phase, pace = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.35)
    spread = rng.normal(0, 0.006, 200)[:count]
    intervals = rr * (1 + share * np.sin(phase + 2 * np.pi * pace * np.arange(count)) + spread)
    if fibrillating:
        intervals = np.maximum(rr * rng.gamma(1 / 0.2**2, 0.2**2, count), beat.qt + 40)
        inside = int(SAMPLES * MS / rr)
        intervals *= rr / intervals[:inside].mean()
    onsets = np.rint((np.cumsum(intervals) - intervals[0] - first * rr) / MS).astype(int)
    return onsets[onsets < SAMPLES + BEFORE / MS]


Drawn = list[tuple[Wave, np.ndarray]]


def _turned(waves: Drawn, axis: float) -> Drawn:
    """The waves with their QRS turned in the frontal plane, until its axis in the leads is this many degrees."""

    def turned(by: float) -> Drawn:
        turn = np.array([[np.cos(by), -np.sin(by), 0], [np.sin(by), np.cos(by), 0], [0, 0, 1]])
        return [(wave, turn @ dipole if wave.wave == "QRS" else dipole) for wave, dipole in waves]

    def off(by: float) -> float:
        beat = Beat(pr=None, p=None, qrs=0.0, qt=0.0)
        found = true_quantities(beat, np.array([0, 500]), draw_beat(turned(by), DOWER)[1])["axis_deg"]
        assert found is not None
        return QUANTITIES["axis_deg"].difference(found, axis)

    grid = np.linspace(-np.pi, np.pi, 73)
    values = [off(by) for by in grid]
    crossing = next(i for i in range(72) if values[i] <= 0 < values[i + 1] and values[i + 1] - values[i] < 90)
    return turned(brentq(off, grid[crossing], grid[crossing + 1], xtol=1e-4))


def _anterior(segment: Segment, level: float) -> np.ndarray:
    """The dipole that raises the mean of V1 to V4 by so many mV, 60 ms after the J point."""
    forward = np.array([0.0, 0.0, -1.0])
    seen = float(segment.at(np.array([segment.j_point + 60.0]))[0] * (DOWER[_CHESTS] @ forward).mean())
    return forward * level / seen


def _diagnoses(truth: Mapping[str, float | None], elevated: bool, fibrillating: bool) -> tuple[str, ...]:
    """What a reader would say: what the true values meet the criteria of."""
    known = criteria()
    names = ["atrial fibrillation"] if fibrillating else []
    for name in _NAMED:
        value = truth[known[name].quantity]
        if value is not None and known[name].holds(value) and not (fibrillating and name.startswith("sinus")):
            names.append(name)
    names += ["non-specific ST elevation"] if elevated else []
    return tuple(names) or ("normal ECG",)
