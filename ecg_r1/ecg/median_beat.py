"""The median beat: one clean beat for the dominant kind of beats of a record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecg_r1.ecg.beats import MS, Unmeasurable
from ecg_r1.ecg.populations import Populations, known_median
from ecg_r1.ecg.windows import median_of

BEFORE_R = {"P": 220 / MS, "QRS": 140 / MS}  # samples from the begin of a premature beat to its R peak
FEWEST = 3  # dominant beats with enough time after them, for which the others are left out


@dataclass(frozen=True)
class MedianBeat:
    """The beat that a record repeats.

    signal: (leads, T) mV.
    r: its R peak's sample.
    before, after: median RR interval before and after the beats, in samples.
    free: samples after the R peak until the next beat may begin, where all next beats are premature; None elsewhere.
    weights: (leads,) how far each lead is trusted, 1 for the quietest: the inverse of how its beats differ, as changes
    over 8 ms; the leads' usual noise is added, so that no lead decides alone.
    peaks: R peaks of the record that it stands for; p_peaks: those that it stands for before the R peak, which are
    others where premature beats come before some.
    intervals: RR intervals between beats of the dominant kind, in samples; fibrillation makes them irregular.
    """

    signal: np.ndarray
    r: int
    before: float
    after: float
    free: float | None
    weights: np.ndarray
    peaks: np.ndarray
    p_peaks: np.ndarray
    intervals: np.ndarray

    @property
    def beats(self) -> int:
        """The number of beats that this beat is the median of."""
        return len(self.peaks)


def median_beat(signal: np.ndarray, kinds: Populations, there: np.ndarray | None = None) -> MedianBeat:
    """The median, lead by lead, of the dominant beats.

    After the R peak those before a premature beat are left out, whose T wave is cut short, and before it those after an
    ectopic beat, whose T wave hides P; but not where there are no others.

    Args:
        signal: (leads, T) mV, filtered.
        there: bool (leads, T), where each lead was recorded; None: everywhere. A lead without a whole beat is NaN.

    Raises:
        Unmeasurable: fewer than two whole beats of the dominant kind.
    """
    hurried = kinds.undisturbed.sum() < FEWEST and kinds.undisturbed.sum() != kinds.dominant.sum()
    chosen = kinds.dominant if hurried else kinds.undisturbed
    rr = float(np.median(np.diff(kinds.peaks)))
    rested = kinds.rested if kinds.rested.sum() >= FEWEST else chosen
    before, after = known_median(kinds.before[rested], rr), known_median(kinds.after[chosen], rr)
    free = after - _beginning(kinds) if hurried else None
    # Room for a long PR before a fast beat, and for a long QT after it.
    room = 0.72 * after if free is None else max(free, 60 / MS)
    left, right = int(min(0.6 * before, 460 / MS)), int(min(room, 720 / MS))
    whole = np.flatnonzero(chosen & (kinds.peaks >= left) & (kinds.peaks + right <= signal.shape[1]))
    pieces = [slice(peak - left, peak + right) for peak in kinds.peaks[whole]]
    stack = np.array([signal[:, piece] for piece in pieces])
    if there is not None and len(pieces):
        stack[~np.stack([there[:, piece].all(axis=1) for piece in pieces])] = np.nan
        seen = np.isfinite(stack).any(axis=(1, 2))
        stack, whole = stack[seen], whole[seen]
    if len(whole) < 2:
        raise Unmeasurable("fewer than two whole beats of one kind" if kinds.notes() else "fewer than two whole beats")
    beat, p_peaks = median_of(stack), kinds.peaks[whole]
    differing = (stack - beat)[:, :, ::4]  # a quarter of the samples tells the noise as well
    first = kinds.peaks[rested & (kinds.peaks >= left) & (kinds.peaks + right <= signal.shape[1])]
    if there is None and len(first) >= FEWEST and not np.array_equal(first, p_peaks):
        p_peaks = first
        beat[:, :left] = np.median([signal[:, peak - left : peak] for peak in first], axis=0)
    noise = _noise(np.abs(np.diff(differing, axis=2)))
    middle = np.median(noise) + 1e-9
    weights = (noise.min() + middle) / (noise + middle)
    return MedianBeat(beat, left, before, after, free, weights, kinds.peaks[whole], p_peaks, kinds.in_a_row())


def _noise(changes: np.ndarray) -> np.ndarray:
    """(leads,) the usual change; of a lead that too few beats show to tell, that of the middle lead.

    Args:
        changes: (beats, leads, T), NaN where a beat was not recorded.
    """
    if np.isfinite(changes).all():
        return np.median(changes, axis=(0, 2))
    noise = median_of(np.moveaxis(changes, 1, 2).reshape(-1, changes.shape[1]))
    told = np.isfinite(changes).any(axis=2).sum(axis=0) > 1  # one beat is its own median
    return np.where(told, noise, np.median(noise[told]) if told.any() else 0.0)


def _beginning(kinds: Populations) -> float:
    """Samples before its R peak at which a premature beat may begin: with its P wave, or with another, broad QRS."""
    from_atria = (kinds.premature & ~kinds.reshaped).sum() > (kinds.premature & kinds.reshaped).sum()
    return BEFORE_R["P" if from_atria else "QRS"]
