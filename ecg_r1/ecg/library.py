"""neurokit2 as it is commonly used, for comparison: its own delineation, unaided, with a P wave before every QRS."""

from __future__ import annotations

import warnings

import numpy as np

from ecg_r1.ecg.beats import LIBRARY_ERRORS, MS, RATE, Unmeasurable
from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.measurements import Measured
from ecg_r1.ecg.quantities import QUANTITIES

# method of `measure` -> neurokit2's delineation method, and the leads it is run on
METHODS = {
    "neurokit2": ("dwt", ("II",)),  # what `nk.ecg_process` does
    "neurokit2-prominence": ("prominence", LEADS),
}


def measure_by_library(signal: np.ndarray, mask: np.ndarray, method: str) -> dict[str, Measured]:
    """Measures with neurokit2's own clean, peaks and delineate in each lead; the median over beats, then over leads.

    Args:
        signal: (12, T) mV; mask: (12,) leads that are present; method: a key of `METHODS`.

    Raises:
        Unmeasurable: no lead could be delineated.
    """
    delineation, leads = METHODS[method]
    found = [measure_lead(signal[LEADS.index(lead)], delineation) for lead in leads if mask[LEADS.index(lead)]]
    rows = [row for row in found if row]
    if not rows:
        raise Unmeasurable("neurokit2 raised an error in every lead")
    values = {}
    for name in QUANTITIES:
        numbers = np.array([row[name] for row in rows if np.isfinite(row.get(name, np.nan))])
        if len(numbers):
            q1, q2, q3 = np.quantile(numbers, (0.25, 0.5, 0.75))
            values[name] = Measured(float(q2), float(q3 - q1), len(numbers), 0)
        else:
            values[name] = Measured(reason="neurokit2 finds none")
    return values


def measure_lead(row: np.ndarray, delineation: str) -> dict[str, float]:
    """What neurokit2 alone finds in one lead, NaN where it finds nothing; empty where it raises an error.

    Args:
        row: (samples,) in mV at 500 Hz.
        delineation: `method` of neurokit2's `ecg_delineate`.
    """
    try:
        peaks, waves = delineate_lead(row, delineation)
    except LIBRARY_ERRORS:
        return {}
    rr = float(np.median(np.diff(peaks))) * MS if len(peaks) > 1 else np.nan
    qt = _median_gap(waves, "ECG_R_Onsets", "ECG_T_Offsets")
    return {
        "rr_ms": rr,
        "heart_rate_bpm": 60000 / rr,
        "p_ms": _median_gap(waves, "ECG_P_Onsets", "ECG_P_Offsets"),
        "pr_ms": _median_gap(waves, "ECG_P_Onsets", "ECG_R_Onsets"),
        "qrs_ms": _median_gap(waves, "ECG_R_Onsets", "ECG_R_Offsets"),
        "qt_ms": qt,
        "qt_lead_ms": qt,
        "qtc_ms": qt / float(np.sqrt(rr / 1000)),
    }


def delineate_lead(row: np.ndarray, method: str) -> tuple[np.ndarray, dict[str, list[float]]]:
    """(R peaks, what `ecg_delineate` finds by this method) of one lead, in samples; as `nk.ecg_process` goes about it.

    Args:
        row: (samples,) in mV at 500 Hz.
        method: of neurokit2's `ecg_delineate`.

    Raises:
        LIBRARY_ERRORS: what neurokit2 raises of signals that it cannot read.
    """
    import neurokit2

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        cleaned = neurokit2.ecg_clean(row, sampling_rate=RATE)
        peaks = neurokit2.ecg_peaks(cleaned, sampling_rate=RATE)[1]["ECG_R_Peaks"]
        return peaks, neurokit2.ecg_delineate(cleaned, peaks, sampling_rate=RATE, method=method)[1]


def _median_gap(waves: dict[str, list[float]], start: str, end: str) -> float:
    """ms; NaN where neurokit2 found none, or other numbers of onsets than of offsets, which cannot be paired."""
    starts, ends = np.asarray(waves[start], float), np.asarray(waves[end], float)
    if len(starts) != len(ends) or not np.isfinite(ends - starts).any():
        return np.nan
    return float(np.nanmedian(ends - starts)) * MS
