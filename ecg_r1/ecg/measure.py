"""measure(record) -> Measurements: intervals, rate and axis, each a number or the reason why not.

PR is from the P onset to the QRS onset, QT from the QRS onset to the T end, each the median of what the leads show,
weighted by how quiet they are; the QRS begins in the first lead and ends in the last; the rate is that of the median RR
interval. Intervals are taken on the median beat, so that ectopic beats and noise have no part in them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ecg_r1.ecg.beats import MS, Unmeasurable, rr_intervals
from ecg_r1.ecg.delineate import Delineation, delineate
from ecg_r1.ecg.library import METHODS, measure_by_library
from ecg_r1.ecg.measurements import Measured, Measurements
from ecg_r1.ecg.qtc import qtc
from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.ecg.record import ECGRecord
from ecg_r1.ecg.waves import qrs_bounds, weighted_quantiles

WIDEST_QRS = 300.0  # ms; what lasts longer is noise


def measure(record: ECGRecord, *, method: str = "consensus") -> Measurements:
    """Measures one record.

    Args:
        method: `consensus` is ours; `neurokit2` (its default: dwt on lead II) and `neurokit2-prominence` (the median
            over the leads) are the plain library, so that anyone can see the difference.

    Never raises for what the signal looks like: what cannot be measured says why.
    """
    if method != "consensus" and method not in METHODS:
        raise ValueError(f"unknown method {method!r}; there are: consensus, {', '.join(METHODS)}")
    signal = record.signal[:, : record.samples].astype(float)
    try:
        if method in METHODS:
            return Measurements(measure_by_library(signal, record.lead_mask, method), method)
        return Measurements(_consensus(delineate(signal, record.lead_mask)), method)
    except Unmeasurable as reason:
        return Measurements({name: Measured(reason=str(reason)) for name in QUANTITIES}, method)


def _consensus(found: Delineation) -> dict[str, Measured]:
    intervals = rr_intervals(found.r_peaks)
    leads, beats, onset = len(found.leads), found.beat.beats, found.qrs_onset
    rr = float(np.median(intervals))
    spread = _iqr(intervals)
    values = {
        "rr_ms": Measured(rr, spread, leads, len(intervals) + 1),
        "heart_rate_bpm": Measured(60000 / rr, spread * 60000 / rr**2, leads, len(intervals) + 1),
    }
    qrs = (found.qrs_offset - onset) * MS
    if qrs > WIDEST_QRS:
        lost = Measured(reason="the QRS has no clear bounds")
        return dict.fromkeys(QUANTITIES, lost) | values
    alone = (replace(found.beat, signal=row[None], weights=np.ones(1)) for row in found.beat.signal)
    apart = np.array([end - start for start, end in map(qrs_bounds, alone)]) * MS
    values |= {"qrs_ms": Measured(qrs, _iqr(apart), leads, beats), "axis_deg": _axis(found)}
    if len(found.t):
        qt = values["qt_ms"] = _over_leads((found.t.offsets - onset) * MS, found.t.weights, beats)
        values["qtc_ms"] = Measured(qtc(qt.value, rr), qtc(qt.spread, rr), qt.leads, beats)  # type: ignore[arg-type]
    else:
        values |= {name: Measured(reason="no T wave found") for name in ("qt_ms", "qtc_ms")}
    if found.p_reason:
        values |= {name: Measured(reason=found.p_reason) for name in ("pr_ms", "p_ms")}
    else:
        values["pr_ms"] = _over_leads((onset - found.p.onsets) * MS, found.p.weights, beats)
        apart = (found.p.offsets - found.p.onsets) * MS
        values["p_ms"] = Measured((found.p.offset - found.p.onset) * MS, _iqr(apart), len(found.p), beats)
    return values


def _over_leads(values: np.ndarray, weights: np.ndarray, beats: int) -> Measured:
    q1, median, q3 = weighted_quantiles(values, weights, (0.25, 0.5, 0.75))
    return Measured(float(median), float(q3 - q1), len(values), beats)


def _iqr(values: np.ndarray) -> float:
    return float(np.subtract(*np.quantile(values, (0.75, 0.25))))


def _axis(found: Delineation) -> Measured:
    """Direction of the QRS area in the frontal plane, from I and aVF; 2/sqrt(3) makes the unipolar aVF commensurate."""
    rows = [np.flatnonzero(found.leads == lead) for lead in (0, 5)]
    if not all(len(row) for row in rows):
        return Measured(reason="needs leads I and aVF")
    qrs = slice(int(found.qrs_onset), int(found.qrs_offset) + 1)
    frontal, beat = [row[0] for row in rows], found.beat
    axis = _direction(beat.signal[frontal, qrs])
    of_beats = [_direction(found.signal[frontal, p - beat.r + qrs.start : p - beat.r + qrs.stop]) for p in beat.peaks]
    turned = (np.array(of_beats) - axis + 180) % 360 - 180
    return Measured(axis, _iqr(turned), 2, beat.beats)


def _direction(qrs: np.ndarray) -> float:
    """Degrees; qrs: (2, samples) of I and aVF, above a straight line through its ends."""
    area_i, area_avf = (qrs - (qrs[:, :1] + qrs[:, -1:]) / 2).sum(axis=1)
    return float(np.rad2deg(np.arctan2(2 / np.sqrt(3) * area_avf, area_i)))
