"""Where the waves of a beat begin and end.

P waves are neurokit2's (prominence method, lead by lead). The bounds of the QRS are where the heart's vector starts and
stops moving, and the end of T is where the T wave that all leads share has come to rest: neurokit2 bounds each lead's
R and T at the neighbouring minima, or at a fixed distance, which is neither the cardiologists' definition nor close to it.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.ndimage import gaussian_filter1d

from .beats import MS, RATE, MedianBeat, spatial_velocity

QRS_LEVEL = 0.05  # share of the greatest spatial velocity below which the heart's vector stands still
HOLD = int(16 / MS)  # samples it must stand still for
T_SLOPE = 0.25  # share of T's steepest descent below which it has ended


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


def t_end(beat: MedianBeat, offset: float) -> float | None:
    """End of the T wave in samples of the beat; None where what follows the QRS has no wave.

    The leads' first principal component after the QRS is the T wave they share, with the noise of none of them. It ends
    where its slope has fallen to `T_SLOPE` of the steepest.
    """
    first = int(offset) + int(30 / MS)
    last = min(int(beat.r + 0.70 * beat.rr), beat.signal.shape[1])
    if last - first < int(120 / MS):
        return None
    window = beat.signal[:, first:last]
    weights = np.linalg.svd(window - np.median(window, axis=1, keepdims=True), full_matrices=False)[0][:, 0]
    wave = gaussian_filter1d(weights @ window, 10 / MS)
    wave -= np.median(wave[-15:])
    peak = int(np.argmax(np.abs(wave[: int(0.9 * len(wave))])))
    slope = np.gradient(wave if wave[peak] > 0 else -wave)
    steepest = peak + int(np.argmin(slope[peak : peak + int(220 / MS)]))
    if slope[steepest] >= 0:
        return None
    after = np.flatnonzero(slope[steepest:] > T_SLOPE * slope[steepest])
    return float(first + steepest + after[0]) if len(after) else None


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
