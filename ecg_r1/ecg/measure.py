"""measure(record) -> Measurements: intervals, rate and axis, each a number or the reason why not.

PR is from the P onset to the QRS onset, QT from the QRS onset to the T end, QTc Bazett's; the rate is that of the median
RR interval. Intervals are taken on the median beat, so that ectopic beats and noise have no part in them.
"""

from __future__ import annotations

import numpy as np

from .atria import p_wave_reason, p_window
from .beats import MS, MedianBeat, Unmeasurable, clean, median_beat, normal_intervals, r_peaks
from .delineate import P, T, bound, peaks, qrs_bounds, t_window
from .library import METHODS, measure_by_library
from .measurements import QUANTITIES, Measured, Measurements
from .pacing import spikes, without
from .record import ECGRecord

__all__ = ["QUANTITIES", "Measured", "Measurements", "measure"]

FLAT = 0.03  # mV peak to peak: no beat is seen in such a lead


def measure(record: ECGRecord, *, method: str = "consensus") -> Measurements:
    """Measures one record.

    Args:
        method: `consensus` is ours; `neurokit2` (its default: dwt on lead II) and `neurokit2-prominence` (the median over
            the leads) are the plain library, so that anyone can see the difference.

    Never raises for what the signal looks like: what cannot be measured says why.
    """
    if method != "consensus" and method not in METHODS:
        raise ValueError(f"unknown method {method!r}; there are: consensus, {', '.join(METHODS)}")
    signal = record.signal[:, : record.samples].astype(float)
    try:
        if method in METHODS:
            return Measurements(measure_by_library(signal, record.lead_mask, method), method)
        return Measurements(_consensus(signal, record.lead_mask), method)
    except Unmeasurable as reason:
        return Measurements({name: Measured(reason=str(reason)) for name in QUANTITIES}, method)


def _consensus(signal: np.ndarray, mask: np.ndarray) -> dict[str, Measured]:
    seen = mask & (np.ptp(signal, axis=1) > FLAT)
    if not seen.any():
        raise Unmeasurable("no signal")
    raw, signal = signal[seen], clean(signal[seen])
    beats = r_peaks(signal)
    paced = spikes(raw, signal, beats)
    if len(paced):
        signal = clean(without(raw, paced))
    beat = median_beat(signal, beats)
    onset, offset = qrs_bounds(beat)
    found = peaks(beat)
    values = _rate(normal_intervals(beats, beat.ectopic), int(seen.sum()))
    values["qrs_ms"] = Measured((offset - onset) * MS, None, int(seen.sum()), beat.beats)
    t_ends = bound(beat, T, found["T"], t_window(beat, offset)).offsets
    if len(t_ends):
        values["qt_ms"] = _between(onset, t_ends, beat, 0.5)
        bazett = 1 / np.sqrt(values["rr_ms"].value / 1000)
        values["qtc_ms"] = _scaled(values["qt_ms"], bazett)
    else:
        values |= {name: Measured(reason="no T wave found") for name in ("qt_ms", "qtc_ms")}
    window = p_window(beat, onset, float(np.median(t_ends)) if len(t_ends) else None)
    absent = "paced ventricles" if len(paced) else p_wave_reason(signal, beat, window)
    p = bound(beat, P, found["P"], window)
    if absent or not len(p.onsets):
        values |= {name: Measured(reason=absent or "no P waves") for name in ("pr_ms", "p_ms")}
    else:
        values["pr_ms"] = _between(onset, p.onsets, beat, 0.5)
        values["p_ms"] = Measured(float(np.median(p.offsets) - np.median(p.onsets)) * MS, None, len(p.onsets), beat.beats)
    values["axis_deg"] = _axis(beat, np.flatnonzero(seen), onset, offset)
    return values


def _rate(intervals: np.ndarray, leads: int) -> dict[str, Measured]:
    rr = float(np.median(intervals))
    spread = float(np.subtract(*np.percentile(intervals, (75, 25))))
    return {
        "rr_ms": Measured(rr, spread, leads, len(intervals) + 1),
        "heart_rate_bpm": Measured(60000 / rr, spread * 60000 / rr**2, leads, len(intervals) + 1),
    }


def _between(onset: float, bounds: np.ndarray, beat: MedianBeat, quantile: float) -> Measured:
    """Time between the QRS onset and a bound that the leads see differently."""
    q1, q, q3 = np.quantile(bounds, (0.25, quantile, 0.75))
    return Measured(float(abs(q - onset)) * MS, float(q3 - q1) * MS, len(bounds), beat.beats)


def _scaled(measured: Measured, factor: float) -> Measured:
    value, spread = measured.value, measured.spread
    return Measured(float(value * factor), float(spread * factor), measured.leads, measured.beats)


def _axis(beat: MedianBeat, rows: np.ndarray, onset: float, offset: float) -> Measured:
    """Direction of the QRS area in the frontal plane, from I and aVF; 2/sqrt(3) makes the unipolar aVF commensurate."""
    where = {int(row): k for k, row in enumerate(rows)}
    if 0 not in where or 5 not in where:
        return Measured(reason="needs leads I and aVF")
    qrs = beat.signal[:, int(onset) : int(offset) + 1]
    level = (qrs[:, :1] + qrs[:, -1:]) / 2
    areas = (qrs - level).sum(axis=1)
    return Measured(float(np.rad2deg(np.arctan2(2 / np.sqrt(3) * areas[where[5]], areas[where[0]]))), None, 2, beat.beats)
