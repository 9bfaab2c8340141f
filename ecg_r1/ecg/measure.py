"""measure(record) -> Measurements: intervals, rate, axis and amplitudes, each a number or the reason why not.

The QRS begins in the first lead and ends in the last, and QT ends with the T wave of the last lead, as ECG machines
count it; `qt_lead_ms` is the median over the leads, as experts who mark single leads count it. PR is from the P onset
to the QRS onset, the median over the leads. Leads are weighted by how quiet they are. Intervals are taken on the median
beat of the dominant rhythm, so that ectopic beats and noise have no part in them; the rate is the mean over all beats.
The amplitudes of each lead are those of `morphology`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ecg_r1.ecg.beats import MS, Unmeasurable
from ecg_r1.ecg.delineate import Delineation, delineate
from ecg_r1.ecg.library import METHODS, measure_by_library
from ecg_r1.ecg.measured_findings import measured_findings, none_measured
from ecg_r1.ecg.measurements import Measured, Measurements
from ecg_r1.ecg.morphology import amplitudes, lead_beats
from ecg_r1.ecg.qtc import qtc
from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.ecg.record import ECGRecord
from ecg_r1.ecg.record_findings import NO_BOUNDS, Heart
from ecg_r1.ecg.waves import global_t_end, qrs_widths, t_window, weighted_quantiles

STILL = 20 / MS  # samples after T that must be free of the next beat
ENDED = 0.2  # share of the height of T below which it is over
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
        found = delineate(signal, record.lead_mask, record.windows)
    except Unmeasurable as reason:
        nothing = dict.fromkeys(QUANTITIES, Measured(reason=str(reason)))
        return Measurements(nothing, method, findings=none_measured(str(reason)))
    bounded = (found.qrs_offset - found.qrs_onset) * MS <= WIDEST_QRS
    measured = {name: _function(name)(found) if bounded or name in OF_R_PEAKS else UNBOUNDED for name in QUANTITIES}
    beats = lead_beats(found) if bounded else {}
    findings = measured_findings(Heart(found, beats, measured), record.sex, record.age)
    by_lead = amplitudes(beats) if bounded else {}
    kinds = found.kinds
    return Measurements(measured, method, by_lead, tuple(kinds.notes()), findings, kinds.rhythm(), kinds.premature_at())


def _function(name: str) -> Callable[[Delineation], Measured]:
    if name not in MEASURED_BY:
        raise NotImplementedError(
            f"{name} stands in ecg.quantities, but MEASURED_BY of {__name__} has no function for it"
        )
    return MEASURED_BY[name]


def _rr(found: Delineation) -> Measured:
    intervals = np.diff(found.kinds.span()) * MS
    extremes = float(intervals.min()), float(intervals.max())
    # A page shows one lead or none as a whole, in which a T wave may pass for a beat: the median is robust against it.
    usual = np.mean(intervals) if found.there is None else np.median(intervals)
    return Measured(float(usual), _iqr(intervals), len(found.leads), len(intervals) + 1, range=extremes)


def _rate(found: Delineation) -> Measured:
    rr = _rr(found)
    assert rr.value is not None
    assert rr.spread is not None
    assert rr.range is not None
    fastest, slowest = rr.range
    extremes = 60000 / slowest, 60000 / fastest
    return replace(rr, value=60000 / rr.value, spread=rr.spread * 60000 / rr.value**2, range=extremes)


def _p(found: Delineation) -> Measured:
    if found.no_p:
        return found.no_p
    apart = (found.p.offsets - found.p.onsets) * MS
    return Measured((found.p.offset - found.p.onset) * MS, _iqr(apart), len(found.p), found.beat.beats)


def _pr(found: Delineation) -> Measured:
    if found.no_p:
        return found.no_p
    return _over_leads((found.qrs_onset - found.p.onsets) * MS, found.p.weights, found.beat.beats)


def _qrs(found: Delineation) -> Measured:
    apart = _iqr(qrs_widths(found.beat)) * MS
    return Measured((found.qrs_offset - found.qrs_onset) * MS, apart, len(found.leads), found.beat.beats)


def _qt(found: Delineation) -> Measured:
    in_leads = _qt_lead(found)
    if found.blocked_p is not None and len(found.t) and found.blocked_p < found.t.offset + STILL:
        return Measured(reason="a P wave that is not conducted lies on the T wave")
    if in_leads.value is None or found.there is not None:  # of a page, a lead shows too few beats to be the last
        return in_leads
    qrs = (found.qrs_onset, found.qrs_offset)
    end = global_t_end(found.beat, found.t, qrs)
    if found.beat.free is not None and not _t_has_ended(found, end):
        return Measured(reason="the next beat comes before the T wave ends")
    return replace(in_leads, value=(end - found.qrs_onset) * MS)


def _t_has_ended(found: Delineation, end: float) -> bool:
    """Whether T is over, and the signal back near its level before the QRS, before a premature beat may begin."""
    beat, (start, stop) = found.beat, t_window(found.beat, (found.qrs_onset, found.qrs_offset))
    onset = int(found.qrs_onset)
    rest = beat.signal[:, max(0, onset - 10) : max(1, onset - 2)].mean(axis=1, keepdims=True)
    away = np.linalg.norm(beat.weights[:, None] * (beat.signal[:, start:stop] - rest), axis=0)
    return end < stop - STILL and bool(away[-5:].mean() < ENDED * away.max())


def _qt_lead(found: Delineation) -> Measured:
    if not len(found.t):
        return Measured(reason="no T wave found")
    return _over_leads((found.t.offsets - found.qrs_onset) * MS, found.t.weights, found.beat.beats)


def _qtc(found: Delineation) -> Measured:
    qt, rr = _qt(found), _rr(found).value
    if qt.value is None:
        return qt
    return replace(qt, value=qtc(qt.value, rr), spread=qtc(qt.spread, rr))  # type: ignore[arg-type]


def _over_leads(values: np.ndarray, weights: np.ndarray, beats: int) -> Measured:
    q1, median, q3 = weighted_quantiles(values, weights, (0.25, 0.5, 0.75))
    return Measured(float(median), float(q3 - q1), len(values), beats)


def _iqr(values: np.ndarray) -> float:
    """That of `np.quantile`, which takes four times as long for so few values."""
    ordered = np.sort(values)
    first, third = np.interp(np.array((0.25, 0.75)) * (len(ordered) - 1), np.arange(len(ordered)), ordered)
    return float(third - first)


def _axis(found: Delineation) -> Measured:
    """Direction of the QRS area in the frontal plane, from I and aVF; 2/sqrt(3) makes the unipolar aVF commensurate."""
    rows = [np.flatnonzero(found.leads == lead) for lead in (0, 5)]
    if not all(len(row) for row in rows):
        return Measured(reason="needs leads I and aVF")
    qrs = slice(int(found.qrs_onset), int(found.qrs_offset) + 1)
    frontal, beat = [row[0] for row in rows], found.beat
    axis = _direction(beat.signal[frontal, qrs])
    whole = [p for p in beat.peaks if found.recorded(frontal, p - beat.r + qrs.start, p - beat.r + qrs.stop)]
    of_beats = [_direction(found.signal[frontal, p - beat.r + qrs.start : p - beat.r + qrs.stop]) for p in whole]
    turned = np.array([QUANTITIES["axis_deg"].difference(of_beat, axis) for of_beat in of_beats])
    return Measured(axis, _iqr(turned) if len(turned) else 0.0, 2, beat.beats)


def _direction(qrs: np.ndarray) -> float:
    """Degrees; qrs: (2, samples) of I and aVF, above a straight line through its ends."""
    area_i, area_avf = (qrs - (qrs[:, :1] + qrs[:, -1:]) / 2).sum(axis=1)
    return float(np.rad2deg(np.arctan2(2 / np.sqrt(3) * area_avf, area_i)))


# Each of `QUANTITIES` on a delineated record. Without clear bounds of the QRS, only what rests on the R peaks is there.
MEASURED_BY: dict[str, Callable[[Delineation], Measured]] = {
    "heart_rate_bpm": _rate,
    "rr_ms": _rr,
    "p_ms": _p,
    "pr_ms": _pr,
    "qrs_ms": _qrs,
    "qt_ms": _qt,
    "qt_lead_ms": _qt_lead,
    "qtc_ms": _qtc,
    "axis_deg": _axis,
}
OF_R_PEAKS = ("heart_rate_bpm", "rr_ms")
UNBOUNDED = Measured(reason=NO_BOUNDS)
