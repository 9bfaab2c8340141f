"""How far a quote may lie from the measurement, and how wide a spread may be stated beside it."""

from __future__ import annotations

# How far a quote may lie from the measurement and still be supported by it, in the quantity's own unit, where the leads
# agree. None is tighter than what the measurement can tell apart: on at least 9 of 10 of LUDB's 100 even records
# `ecg_r1.ecg.measure` lies within it of the cardiologists' marks (median of 12 leads). Beside each that share, and the
# 90 % quantile of the error. A value quoted with a wider spread than this ("164 ± 100 ms") is a range.
TOLERANCES: dict[str, float] = {
    "heart_rate_bpm": 3.0,  # 100 %, 0.2 bpm; rates are quoted to the nearest 5 or from the squares of the paper
    "rr_ms": 40.0,  # 100 %, 2 ms; 3 bpm at 66 bpm, so that rate and RR agree on what is right
    "p_ms": 25.0,  # 93 %, 19 ms
    "pr_ms": 20.0,  # 95 %, 14 ms; half a small square of the ECG paper
    "qrs_ms": 15.0,  # 90 %, 15 ms
    "qt_ms": 25.0,  # 96 %, 16 ms; the end of T is read by eye to within 20-30 ms
    "qtc_ms": 30.0,  # 97 %, 18 ms
    "axis_deg": 15.0,  # no marks to measure it on; readings of one ECG by two readers differ by about as much
}
