"""Where the waves of a beat begin and end: P and T by neurokit2's prominence method, the QRS by the spatial velocity."""

from __future__ import annotations

import warnings

import numpy as np

from .beats import MS, RATE, MedianBeat, spatial_velocity

QRS_LEVEL = 0.05  # share of the greatest spatial velocity below which the heart's vector stands still
HOLD = int(16 / MS)  # samples it must stand still for


def qrs_bounds(beat: MedianBeat) -> tuple[float, float]:
    """QRS onset and offset in samples of the beat: where its spatial velocity sinks into the level around it."""
    velocity = spatial_velocity(beat.signal)
    lo, hi = max(beat.r - 75, 0), min(beat.r + 75, len(velocity))
    top = lo + int(np.argmax(velocity[lo:hi]))
    level = QRS_LEVEL * velocity[top] + np.percentile(velocity, 10)
    quiet = velocity < level
    onset = _last_run(quiet[: top + 1], max(top - 110, 0))
    offset = len(quiet) - 1 - _last_run(quiet[top:][::-1], max(len(quiet) - top - 130, 0))
    return float(onset), float(offset)


def _last_run(quiet: np.ndarray, limit: int) -> int:
    """Last sample of the last run of `HOLD` quiet samples, or `limit`."""
    run = np.convolve(quiet, np.ones(HOLD, int), "full")[: len(quiet)] == HOLD
    ends = np.flatnonzero(run)
    ends = ends[ends >= limit]
    return int(ends[-1]) if len(ends) else limit


def p_and_t(beat: MedianBeat) -> dict[str, np.ndarray]:
    """neurokit2's P and T onsets and offsets of every lead, in samples of the beat; NaN where it finds none.

    The leads are laid end to end as if they were beats of one signal, with ramps between them: the prominence method
    cuts each beat at half the RR interval and would lose a T wave that ends later.
    """
    import neurokit2

    leads, length = beat.signal.shape
    half = max(beat.r, length - beat.r) + int(120 / MS)
    laid = np.stack([_ramped(row, half - beat.r, half - (length - beat.r)) for row in beat.signal])
    peaks = np.arange(leads) * 2 * half + half
    pace = np.sqrt(beat.rr * MS / 800)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a lead without an R wave; its R is not asked for
        waves = neurokit2.ecg_delineate(
            laid.ravel(),
            peaks,
            sampling_rate=RATE,
            method="prominence",
            typical_st_segment=float(np.clip(150 * pace, 110, 210)),
            max_t_basepoint_interval=float(np.clip(160 * pace, 112, 200)),
        )[1]
    start = peaks - beat.r
    return {name: np.asarray(waves[name], dtype=float) - start for name in _NEEDED}


_NEEDED = ("ECG_P_Onsets", "ECG_P_Peaks", "ECG_P_Offsets", "ECG_T_Onsets", "ECG_T_Peaks", "ECG_T_Offsets")


def _ramped(row: np.ndarray, before: int, after: int) -> np.ndarray:
    """A row that starts and ends at zero, by straight ramps."""
    return np.concatenate([np.linspace(0, row[0], before), row, np.linspace(row[-1], 0, after)])
