"""The beats of a record by kind: those of its dominant rhythm, and those that come early or have another QRS.

In bigeminy half of the beats are ectopic. A median over all of them describes no beat at all: its PR can reach back to
the T wave of the beat before, and its rate depends on where the record starts. So beats are told apart by the shape of
their QRS and by how early they come, and intervals are measured on the dominant kind alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from ecg_r1.ecg.beats import MS, Unmeasurable

ALIKE = 0.9  # correlation of a QRS with the median one of its kind, over all leads; an ectopic beat's is lower
RELATED = 0.9  # the same of two single beats, as a share of what the most similar beats of the record have
REPEATED = 0.6  # median correlation below which there is no beat, only noise; 0.97 in 99 of 100 real records
AROUND = int(120 / MS)  # samples to either side of the R peak that are compared
EARLY = 0.85  # an RR interval this much shorter than the mean of its two neighbours ends in a premature beat
REGULAR = 0.08  # median deviation of the other RR intervals from their median, as a share of it; fibrillation has more


@dataclass(frozen=True)
class Populations:
    """Which beats are of the dominant kind, and which are not.

    peaks: every R peak, in samples of the record.
    dominant: bool (beats,), those of the dominant kind.
    premature: bool (beats,), those that come early, whatever their shape; none where the rhythm itself is irregular.
    reshaped: bool (beats,), those with another QRS than the dominant kind.
    """

    peaks: np.ndarray
    dominant: np.ndarray
    premature: np.ndarray
    reshaped: np.ndarray

    @property
    def before(self) -> np.ndarray:
        """RR interval before each beat, in samples; NaN before the first."""
        return np.concatenate([[np.nan], np.diff(self.peaks)])

    @property
    def after(self) -> np.ndarray:
        """RR interval after each beat, in samples; NaN after the last."""
        return np.concatenate([np.diff(self.peaks), [np.nan]])

    @property
    def undisturbed(self) -> np.ndarray:
        """bool (beats,): dominant beats whose next beat is of the dominant kind too, so that it leaves T its time."""
        return self.dominant & np.append(self.dominant[1:], True)

    def span(self) -> np.ndarray:
        """R peaks from the first to the last dominant beat: the whole number of cycles over which a rate is counted."""
        first, last = np.flatnonzero(self.dominant)[[0, -1]]
        if last - first < len(self.peaks) / 2:
            return self.peaks
        return self.peaks[first : last + 1]

    def notes(self) -> list[str]:
        """A remark with the number of beats of each kind; empty where all are of one kind."""
        if self.dominant.all():
            return []
        kinds = {
            "premature": self.premature & ~self.reshaped,
            "premature with another QRS": self.premature & self.reshaped,
            "with another QRS": self.reshaped & ~self.premature,
            "not told apart": ~(self.dominant | self.premature | self.reshaped),
        }
        counted = ", ".join(f"{which.sum()} {kind}" for kind, which in kinds.items() if which.any())
        return [f"of {len(self.peaks)} beats {counted}; intervals are those of the other {self.dominant.sum()}"]


def populations(signal: np.ndarray, peaks: np.ndarray) -> Populations:
    """Tells the beats of a record apart.

    Args:
        signal: (leads, T) mV, filtered.
        peaks: R peaks in samples, at least two.

    Raises:
        Unmeasurable: no two beats resemble each other.
    """
    shapes = _shapes(_cut(signal, peaks))
    early = _early(peaks)
    dominant_shape = _dominant(shapes, early)
    same = shapes == dominant_shape
    if not _regular(peaks, same & ~early):
        early &= ~same  # an irregular rhythm, such as fibrillation, has no premature beats of its own kind
    dominant = same & ~early
    if early.any() and len(peaks) > 2 and dominant.sum() > 2:
        dominant[0] = False  # nobody knows whether the first beat came early
    return Populations(peaks, dominant, early, ~same)


def _cut(signal: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """(beats, leads * samples): what surrounds each R peak, without its mean; the record's ends are held."""
    at = np.clip(peaks[:, None] + np.arange(-AROUND, AROUND), 0, signal.shape[1] - 1)
    pieces = signal[:, at].transpose(1, 0, 2)
    pieces = pieces - pieces.mean(axis=2, keepdims=True)
    return pieces.reshape(len(peaks), -1)


def _shapes(pieces: np.ndarray) -> np.ndarray:
    """(beats,) labels: beats of one label resemble the median of theirs.

    Noise makes beats of one kind less alike, so the limits fall with the likeness of the most similar beats.

    Raises:
        Unmeasurable: nothing repeats itself.
    """
    likeness = np.corrcoef(pieces)
    likeness[np.diag_indices(len(pieces))] = -1.0
    usual = float(np.median(likeness.max(axis=1)))
    if usual < REPEATED:
        raise Unmeasurable("no beat repeats itself: too much noise")
    apart = 1 - (likeness + likeness.T) / 2
    np.fill_diagonal(apart, 0.0)
    labels = fcluster(linkage(squareform(apart, checks=False), "average"), 1 - RELATED * usual, "distance")
    kinds, counts = np.unique(labels, return_counts=True)
    medians: list[np.ndarray] = []
    for kind in kinds[np.argsort(-counts, kind="stable")]:
        median = np.median(pieces[labels == kind], axis=0)
        if not medians or _alike(median, medians).max() < ALIKE * np.sqrt(usual):
            medians.append(median)
    return np.array([int(_alike(piece, medians).argmax()) for piece in pieces])


def _alike(piece: np.ndarray, medians: list[np.ndarray]) -> np.ndarray:
    """Correlation with each of the medians."""
    stacked = np.array(medians)
    return stacked @ piece / (np.linalg.norm(stacked, axis=1) * np.linalg.norm(piece) + 1e-12)


def _early(peaks: np.ndarray) -> np.ndarray:
    """bool (beats,): whose RR interval is shorter than the two beside it."""
    intervals = np.diff(peaks).astype(float)
    early = np.zeros(len(peaks), bool)
    if len(intervals) < 3:
        return early
    padded = np.concatenate([[np.nan], intervals, [np.nan]])
    beside = np.nanmean([padded[:-2], padded[2:]], axis=0)
    early[1:] = intervals < EARLY * beside
    return early


def _dominant(shapes: np.ndarray, early: np.ndarray) -> int:
    """The shape that most beats have which do not come early."""
    counts = np.bincount(shapes[~early], minlength=shapes.max() + 1)
    return int(np.argmax(counts))


def _regular(peaks: np.ndarray, kept: np.ndarray) -> bool:
    """Whether the beats that are kept follow a regular rhythm, the pauses after premature beats aside."""
    before = np.concatenate([[np.nan], np.diff(peaks)])
    after_kept = np.concatenate([[False], kept[:-1]])
    undisturbed = before[kept & after_kept]
    intervals = undisturbed if len(undisturbed) >= 3 else before[kept]
    intervals = intervals[np.isfinite(intervals)]
    if len(intervals) < 2:
        return False
    middle = np.median(intervals)
    return bool(np.median(np.abs(intervals - middle)) < REGULAR * middle)
