"""Is there a P wave? This comes before where it begins: neurokit2 finds one before every QRS, fibrillating or not."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from .beats import MS, MedianBeat

# A P wave resembles the median one by this at least (99 of 100 real records with P waves: 0.67); fibrillation, AV
# dissociation and noise do by less. Where the rhythm is as irregular as fibrillation, chance alone may bring more, so
# more is wanted.
COHERENCE, COHERENCE_IF_IRREGULAR = 0.58, 0.8
IRREGULAR = 0.1  # median change from one RR interval to the next, as a share of RR; 0.1 in 1 of 20 sinus rhythms
AMPLITUDE = 0.02  # mV peak to peak in the direction of the P wave; less cannot be told from the baseline
LONGEST_PR = int(340 / MS)


def p_window(beat: MedianBeat, onset: float, t_end: float | None) -> tuple[int, int]:
    """Where a P wave has its place, in samples of the beat: after the T wave of the beat before, until the QRS."""
    previous_t = (beat.r + 75 if t_end is None else t_end) - beat.rr
    start = int(max(0, previous_t + 16 / MS, onset - LONGEST_PR))
    stop = int(onset - 12 / MS)
    return (start, stop) if stop - start >= int(60 / MS) else (max(0, stop - int(120 / MS)), stop)


def p_wave_reason(signal: np.ndarray, beat: MedianBeat, window: tuple[int, int]) -> str | None:
    """Why there is no P wave to measure, or None where there is one.

    What lies before each QRS is compared with the median of all, over all leads at once. A wave that the atria repeat
    in step with the ventricles resembles it; fibrillation, flutter in another rhythm and dissociated P waves do not.

    Args:
        signal: (leads, T) mV, filtered; window: of the P wave, in samples of the beat.
    """
    start, stop = window
    every = np.sort(np.concatenate([beat.peaks, beat.ectopic]))
    inside = every[(every - beat.r + start >= 0) & (every - beat.r + stop <= signal.shape[1])]
    if stop - start < int(40 / MS) or len(inside) < 2:
        return "no room for P waves before the QRS"
    pieces = [_levelled(signal[:, p - beat.r + start : p - beat.r + stop]) for p in inside]
    shared = np.median(pieces, axis=0)
    direction = np.linalg.svd(shared, full_matrices=False)[0][:, 0]
    if np.ptp(direction @ shared) < AMPLITUDE:
        return "no P waves"
    likeness = [(piece * shared).sum() / np.sqrt((piece**2).sum() * (shared**2).sum() + 1e-12) for piece in pieces]
    wanted = COHERENCE_IF_IRREGULAR if _irregularity(every) > IRREGULAR else COHERENCE
    return "no P waves in step with the QRS" if np.median(likeness) < wanted else None


def _irregularity(peaks: np.ndarray) -> float:
    intervals = np.diff(peaks)
    return float(np.median(np.abs(np.diff(intervals))) / np.median(intervals)) if len(intervals) > 1 else 0.0


def _levelled(piece: np.ndarray) -> np.ndarray:
    """Smoothed, and turned so that both ends are at zero: what is left is a wave or nothing."""
    fall = np.linspace(0, 1, piece.shape[1])
    ends = piece[:, :3].mean(axis=1)[:, None] * (1 - fall) + piece[:, -3:].mean(axis=1)[:, None] * fall
    return gaussian_filter1d(piece - ends, 6 / MS, axis=1)
