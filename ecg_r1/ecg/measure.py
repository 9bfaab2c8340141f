"""measure(record) -> Measurements: intervals, rate and axis, each a number or the reason why not."""

from __future__ import annotations

import numpy as np

from .atria import p_wave_reason, p_window
from .beats import MS, MedianBeat, Unmeasurable, clean, median_beat, r_peaks
from .delineate import p_and_t, qrs_bounds, t_end
from .measurements import QUANTITIES, Measured, Measurements
from .record import ECGRecord

__all__ = ["QUANTITIES", "Measured", "Measurements", "measure"]

FLAT = 0.03  # mV peak to peak: no beat is seen in such a lead


def measure(record: ECGRecord, *, method: str = "consensus") -> Measurements:
    """Measures one record.

    Never raises for what the signal looks like: what cannot be measured says why.
    """
    if method != "consensus":
        raise ValueError(f"unknown method {method!r}; there are: consensus")
    try:
        return Measurements(_consensus(record), method)
    except Unmeasurable as reason:
        return Measurements({name: Measured(reason=str(reason)) for name in QUANTITIES}, method)


def _consensus(record: ECGRecord) -> dict[str, Measured]:
    signal = record.signal[:, : record.samples].astype(float)
    seen = record.lead_mask & (np.ptp(signal, axis=1) > FLAT)
    if not seen.any():
        raise Unmeasurable("no signal")
    signal = clean(signal[seen])
    peaks = r_peaks(signal)
    intervals = np.diff(peaks) * MS
    beat = median_beat(signal, peaks)
    rr, beats, leads = float(np.median(intervals)), beat.beats, int(seen.sum())
    spread = float(np.subtract(*np.percentile(intervals, (75, 25))))
    onset, offset = qrs_bounds(beat)
    values = {
        "rr_ms": Measured(rr, spread, leads, len(peaks)),
        "heart_rate_bpm": Measured(60000 / rr, spread * 60000 / rr**2, leads, len(peaks)),
        "qrs_ms": Measured((offset - onset) * MS, None, leads, beats),
    }
    end = t_end(beat, offset)
    if end is None:
        values |= {name: Measured(reason="no T wave found") for name in ("qt_ms", "qtc_ms")}
    else:
        qt, bazett = (end - onset) * MS, float(np.sqrt(rr / 1000))
        values["qt_ms"] = Measured(qt, None, leads, beats)
        values["qtc_ms"] = Measured(qt / bazett, None, leads, beats)
    absent = p_wave_reason(signal, peaks, beat, p_window(beat, onset, end))
    waves = {} if absent else p_and_t(beat)
    p_start = None if absent else _consensus_of(waves["ECG_P_Onsets"], 0.3, 0, onset)
    p_end = None if absent else _consensus_of(waves["ECG_P_Offsets"], 0.7, 0, onset)
    if p_start is None or p_end is None:
        values |= {name: Measured(reason=absent or "no P waves") for name in ("pr_ms", "p_ms")}
    else:
        values["pr_ms"] = Measured((onset - p_start[0]) * MS, p_start[1] * MS, p_start[2], beats)
        values["p_ms"] = Measured((p_end[0] - p_start[0]) * MS, None, p_start[2], beats)
    values["axis_deg"] = _axis(beat, np.flatnonzero(seen), onset, offset)
    return values


def _consensus_of(found: np.ndarray, quantile: float, after: float, before: float) -> tuple[float, float, int] | None:
    """Quantile over the leads, interquartile range and number of leads; None where fewer than a third agree on one."""
    inside = found[(found > after) & (found < before)]
    if len(inside) < max(1, len(found) / 3):
        return None
    q1, q, q3 = np.quantile(inside, (0.25, quantile, 0.75))
    return float(q), float(q3 - q1), len(inside)


def _axis(beat: MedianBeat, rows: np.ndarray, onset: float, offset: float) -> Measured:
    """Direction of the QRS area in the frontal plane, from I and aVF; 2/sqrt(3) makes the unipolar aVF commensurate."""
    where = {int(row): k for k, row in enumerate(rows)}
    if 0 not in where or 5 not in where:
        return Measured(reason="needs leads I and aVF")
    qrs = beat.signal[:, int(onset) : int(offset) + 1]
    level = (qrs[:, :1] + qrs[:, -1:]) / 2
    areas = (qrs - level).sum(axis=1)
    return Measured(float(np.rad2deg(np.arctan2(2 / np.sqrt(3) * areas[where[5]], areas[where[0]]))), None, 2, beat.beats)
