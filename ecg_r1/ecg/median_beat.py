"""The median beat: one clean beat for the dominant kind of beats of a record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecg_r1.ecg.beats import MS, Unmeasurable
from ecg_r1.ecg.populations import Populations

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
    peaks: R peaks of the record that it stands for.
    intervals: RR interval before each of them, in samples.
    """

    signal: np.ndarray
    r: int
    before: float
    after: float
    free: float | None
    weights: np.ndarray
    peaks: np.ndarray
    intervals: np.ndarray

    @property
    def beats(self) -> int:
        """The number of beats that this beat is the median of."""
        return len(self.peaks)


def median_beat(signal: np.ndarray, kinds: Populations) -> MedianBeat:
    """The median, lead by lead, of the dominant beats; of those before a premature beat only where there are no others.

    Args:
        signal: (leads, T) mV, filtered.

    Raises:
        Unmeasurable: fewer than two whole beats of the dominant kind.
    """
    hurried = kinds.undisturbed.sum() < FEWEST and kinds.undisturbed.sum() != kinds.dominant.sum()
    chosen = kinds.dominant if hurried else kinds.undisturbed
    rr = float(np.median(np.diff(kinds.peaks)))
    before, after = _usual(kinds.before[chosen], rr), _usual(kinds.after[chosen], rr)
    free = after - _beginning(kinds) if hurried else None
    # Room for a long PR before a fast beat, and for a long QT after it.
    room = 0.72 * after if free is None else max(free, 60 / MS)
    left, right = int(min(0.6 * before, 460 / MS)), int(min(room, 720 / MS))
    whole = chosen & (kinds.peaks >= left) & (kinds.peaks + right <= signal.shape[1])
    if whole.sum() < 2:
        raise Unmeasurable("fewer than two whole beats of one kind" if kinds.notes() else "fewer than two whole beats")
    stack = np.stack([signal[:, peak - left : peak + right] for peak in kinds.peaks[whole]])
    beat = np.median(stack, axis=0)
    differing = (stack - beat)[:, :, ::4]  # a quarter of the samples tells the noise as well
    noise = np.median(np.abs(np.diff(differing, axis=2)), axis=(0, 2))
    usual = np.median(noise) + 1e-9
    weights = (noise.min() + usual) / (noise + usual)
    intervals = kinds.before[whole]
    return MedianBeat(beat, left, before, after, free, weights, kinds.peaks[whole], intervals[np.isfinite(intervals)])


def _beginning(kinds: Populations) -> float:
    """Samples before its R peak at which a premature beat may begin: with its P wave, or with another, broad QRS."""
    from_atria = (kinds.premature & ~kinds.reshaped).sum() > (kinds.premature & kinds.reshaped).sum()
    return BEFORE_R["P" if from_atria else "QRS"]


def _usual(intervals: np.ndarray, otherwise: float) -> float:
    known = intervals[np.isfinite(intervals)]
    return float(np.median(known)) if len(known) else otherwise
