"""The beats of a record by kind: those of its dominant rhythm, and those that come early or have another QRS.

In bigeminy half of the beats are ectopic. A median over all of them describes no beat at all: its PR can reach back to
the T wave of the beat before, and its rate depends on where the record starts. So beats are told apart by the shape of
their QRS and by how early they come, and intervals are measured on the dominant kind alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from ecg_r1.ecg.beats import MS, Unmeasurable

ALIKE = 0.9  # correlation of a QRS with the median one of its kind, over all leads; an ectopic beat's is lower
# How far a beat may be from the median one, as a share of its size. Premature beats from the atria go beyond it in 3
# of 39 real records; a broad QRS that points the same way is 1.4 away.
DIFFERENT, FAR = 0.7, 3.0  # and how many times as far as the beats of that kind usually are
RELATED = 0.9  # the same of two single beats, as a share of what the most similar beats of the record have
REPEATED = 0.6  # median correlation below which there is no beat, only noise; 0.97 in 99 of 100 real records
AROUND = int(120 / MS)  # samples to either side of the R peak that are compared
SAME, MOST = 0.1, 0.8  # share by which alike RR intervals may differ; and of the intervals that must be alike
# Quantiles of the RR intervals that premature ones are compared with: in pairs two of three are short, some more where
# the record begins amid a pair. The second one counts for two in a row, where no pause shows that they are usual ones.
USUAL, LONG = 0.65, 0.78
EARLY = 0.85  # an RR interval that is so much shorter than others ends in a premature beat
# In a regular rhythm three of four RR intervals differ by a smaller share from their median; in fibrillation by more.
REGULAR = 0.07
COMPENSATED = 0.15  # share of an interval by which a premature one and its pause may differ from two
IN_PAIRS = 2  # times as much the second premature beats of pairs may differ
QRS = int(50 / MS)  # samples to either side of the R peak in which a QRS is steepest
# A narrow beat is so often seen, and so much narrower than ectopic ones, measured where it moves so fast.
OFTEN, NARROWER, MOVING = 3, 0.8, 0.15
MANY = 0.28  # share of all beats: one in three, where the record begins anywhere
ENOUGH = 6  # beats that P waves are looked for before
FEW = 4  # RR intervals that tell a regular rhythm from an irregular one
CLOSEST = int(200 / MS)  # samples between two beats: the heart muscle cannot be excited again sooner
PAUSE = 1.5  # times the median RR interval, from which on a missed beat is looked for
AS_STEEP = 0.5  # share of the usual beat's greatest speed that a hidden beat has at least
ALONE = 10.0  # times the movement of the median lead: one electrode moves, and not the heart

# The beats that are not of the dominant kind: the key of their number, and how a remark calls them.
KINDS = {
    "premature_beats": "premature",
    "premature_reshaped_beats": "premature with another QRS",
    "reshaped_beats": "with another QRS",
    "unclear_beats": "not told apart",
}


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
        return _before(self.peaks)

    @property
    def after(self) -> np.ndarray:
        """RR interval after each beat, in samples; NaN after the last."""
        return np.append(np.diff(self.peaks), np.nan)

    @property
    def undisturbed(self) -> np.ndarray:
        """bool (beats,): dominant beats whose next beat does not come early, so that it leaves T its time."""
        early = self.premature | (self.reshaped & (self.before < EARLY * np.median(self.in_a_row(fewest=2))))
        return self.dominant & ~np.append(early[1:], False)

    @property
    def rested(self) -> np.ndarray:
        """bool (beats,): dominant beats whose P wave the T wave before does not reach: after another dominant beat.

        Where those are few, after one with the same QRS at least; the few could seem to have P waves by chance.
        """
        alone = self.dominant & np.append(False, self.dominant[:-1])
        return alone if alone.sum() >= ENOUGH else self.dominant & np.append(False, ~self.reshaped[:-1])

    def follow_ectopic(self, peaks: np.ndarray) -> bool:
        """Whether most of the beats with these R peaks come after one with another QRS than the dominant kind."""
        return bool(np.append(False, self.reshaped[:-1])[np.isin(self.peaks, peaks)].mean() > 0.5)

    def by_shape(self) -> Populations:
        """The same beats, told apart by their shape alone."""
        return Populations(self.peaks, ~self.reshaped, self.premature & self.reshaped, self.reshaped)

    def span(self) -> np.ndarray:
        """The R peaks over which a rate is counted: whole cycles of a rhythm that repeats ectopic beats; else all."""
        intervals, ectopic = np.diff(self.peaks), self.premature | self.reshaped
        if not ectopic.any():
            return self.peaks
        for cycle in range(1, len(intervals) // 2 + 1):
            earlier, later = intervals[:-cycle], intervals[cycle:]
            alike = (np.abs(later - earlier) < SAME * (later + earlier) / 2).mean()
            repeated = cycle == 1 or (ectopic[cycle:] == ectopic[:-cycle]).mean() >= MOST  # nothing to repeat if even
            if alike >= MOST and repeated:
                return self.peaks[len(intervals) % cycle :]
        return self.peaks

    def in_a_row(self, fewest: int = FEW) -> np.ndarray:
        """RR intervals between two dominant beats, in samples; all where there are fewer of those."""
        intervals = np.diff(self.peaks)
        undisturbed = intervals[self.dominant[1:] & self.dominant[:-1]]
        return undisturbed if len(undisturbed) >= fewest else intervals

    def rhythm(self) -> dict[str, float]:
        """The number of beats, of ectopic ones and of each of `KINDS`; RMSSD and SDNN of dominant RR intervals, ms.

        Formulas: Task Force of the ESC and NASPE, Circulation 1996;93:1043.
        """
        intervals = self.in_a_row() * MS
        told = {"beats": float(len(self.peaks)), "ectopic_beats": float((self.premature | self.reshaped).sum())}
        told |= {name: float(count) for name, count in self.counts().items()}
        if len(intervals) > 2:
            told |= {
                "rmssd_ms": float(np.sqrt((np.diff(intervals) ** 2).mean())),
                "sdnn_ms": float(intervals.std(ddof=1)),
            }
        return told

    def counts(self) -> dict[str, int]:
        """How many beats there are of each of `KINDS`."""
        kinds = (
            self.premature & ~self.reshaped,
            self.premature & self.reshaped,
            self.reshaped & ~self.premature,
            ~(self.dominant | self.premature | self.reshaped),
        )
        return {name: int(which.sum()) for name, which in zip(KINDS, kinds, strict=True)}

    def premature_at(self) -> tuple[float, ...]:
        """When premature beats come, whatever their QRS: seconds of their R peaks."""
        return tuple(float(at) for at in self.peaks[self.premature] * MS / 1000)

    def notes(self) -> list[str]:
        """A remark with the number of beats of each kind; empty where all are of one kind."""
        if self.dominant.all():
            return []
        counted = ", ".join(f"{count} {KINDS[name]}" for name, count in self.counts().items() if count)
        return [f"of {len(self.peaks)} beats {counted}; intervals are those of the other {self.dominant.sum()}"]


def known_median(intervals: np.ndarray, otherwise: float) -> float:
    """The median of the intervals that are known, those that are not NaN; `otherwise` where none is."""
    known = intervals[np.isfinite(intervals)]
    return float(np.median(known)) if len(known) else otherwise


def of_one_kind(peaks: np.ndarray) -> Populations:
    """All beats are dominant."""
    none = np.zeros(len(peaks), bool)
    return Populations(peaks, ~none, none, none)


def populations(signal: np.ndarray, peaks: np.ndarray) -> Populations:
    """Tells the beats of a record apart.

    Args:
        signal: (leads, T) mV, filtered.
        peaks: R peaks in samples, at least two.

    Raises:
        Unmeasurable: no two beats resemble each other.
    """
    shapes, alike = _shapes(_cut(signal, peaks))
    early = _early(peaks)
    if len(peaks) > 3 and _t_of_an_unseen_beat(peaks, shapes == _dominant(shapes, early, signal, peaks)):
        peaks, shapes = peaks[1:], shapes[1:]
        early = _early(peaks)
    mended = _mended(signal, peaks, shapes == _dominant(shapes, early, signal, peaks), alike)
    if len(mended) != len(peaks) or (mended != peaks).any():
        peaks = mended
        shapes, _ = _shapes(_cut(signal, peaks))
        early = _early(peaks)
    same = shapes == _dominant(shapes, early, signal, peaks)
    same &= ~_differing(_cut(signal, peaks), same & ~early)
    early &= ~_after_interpolated(peaks, same)
    if not _regular(peaks, same & ~early, same & early):
        early &= ~same  # an irregular rhythm, such as fibrillation, has no premature beats of its own kind
    # At the record's ends, where a part of it is missing, a QRS may look like another one.
    cut_off = (peaks < AROUND) | (peaks >= signal.shape[1] - AROUND)
    dominant = same & ~early
    if early.any() and len(peaks) > 2 and dominant.sum() > 2:
        dominant[0] = False  # nobody knows whether the first beat came early
    return Populations(peaks, dominant, early & ~(cut_off & ~same), ~same & ~cut_off)


def _after_interpolated(peaks: np.ndarray, same: np.ndarray) -> np.ndarray:
    """bool (beats,): beats after one of another shape that come in time for the beat of their own shape before that."""
    own = np.flatnonzero(same)
    intervals = np.diff(peaks[own])
    if not len(intervals):
        return np.zeros(len(peaks), bool)
    in_time = np.zeros(len(peaks), bool)
    in_time[own[1:]] = (np.diff(own) > 1) & (intervals >= EARLY * np.median(intervals))
    return in_time


def _differing(pieces: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """bool (beats,): those that differ in size or width from the median of the kept ones, however alike their shape.

    A broad QRS that points the same way correlates above `ALIKE` with a narrow one.
    """
    if not kept.any():
        return np.zeros(pieces.shape[1], bool)
    levelled = pieces - pieces.mean(axis=2, keepdims=True)
    median = np.median(levelled[:, kept], axis=1, keepdims=True)
    by_lead = ((levelled - median) ** 2).sum(axis=2) / ((median**2).sum(axis=2) + 1e-12)
    apart = np.sqrt(np.median(by_lead, axis=0))  # no lead decides alone
    return apart > np.maximum(DIFFERENT, FAR * np.median(apart[kept]))


def _t_of_an_unseen_beat(peaks: np.ndarray, same: np.ndarray) -> bool:
    """Whether the first peak is the T wave of a beat whose QRS came before the record began."""
    intervals = np.diff(peaks)
    usual = float(np.median(intervals))
    return bool(not same[0] and same[1] and peaks[0] < EARLY * usual / 2 and intervals[0] < EARLY * usual)


def _before(peaks: np.ndarray) -> np.ndarray:
    return np.insert(np.diff(peaks).astype(float), 0, np.nan)


def _cut(signal: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """(leads, beats, samples): what surrounds each R peak; the record's ends are held."""
    at = np.clip(peaks[:, None] + np.arange(-AROUND, AROUND), 0, signal.shape[1] - 1)
    return signal[:, at]


def _likeness(pieces: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(beats, others) correlation: the median over leads. Larger leads count more, but no lead decides alone.

    Args:
        pieces, others: (leads, beats, samples).
    """
    a, b = _normed(pieces), _normed(others)
    by_lead = np.einsum("lis,ljs->lij", a, b)
    height = np.median(np.ptp(pieces, axis=2), axis=1)
    weights = np.minimum(height, np.median(height))
    order = np.argsort(by_lead, axis=0)
    share = np.cumsum(weights[order], axis=0) / weights.sum()
    middle = np.argmax(share >= 0.5, axis=0)
    return np.take_along_axis(np.take_along_axis(by_lead, order, axis=0), middle[None], axis=0)[0]


def _normed(pieces: np.ndarray) -> np.ndarray:
    pieces = pieces - pieces.mean(axis=2, keepdims=True)
    return pieces / (np.linalg.norm(pieces, axis=2, keepdims=True) + 1e-12)


def _shapes(pieces: np.ndarray) -> tuple[np.ndarray, float]:
    """(beats,) labels: beats of one label resemble the median of theirs; and how alike they are at least.

    Noise makes beats of one kind less alike, so the limits fall with the likeness of the most similar beats.

    Raises:
        Unmeasurable: nothing repeats itself.
    """
    likeness = _likeness(pieces, pieces)
    np.fill_diagonal(likeness, -1.0)
    usual = float(np.median(likeness.max(axis=1)))
    if usual < REPEATED:
        raise Unmeasurable("no beat repeats itself: too much noise")
    apart = 1 - (likeness + likeness.T) / 2
    np.fill_diagonal(apart, 0.0)
    labels = fcluster(linkage(squareform(apart, checks=False), "average"), 1 - RELATED * usual, "distance")
    kinds, counts = np.unique(labels, return_counts=True)
    alike = ALIKE * float(np.sqrt(usual))
    medians = pieces[:, :0]
    for kind in kinds[np.argsort(-counts, kind="stable")]:
        median = np.median(pieces[:, labels == kind], axis=1, keepdims=True)
        if not medians.shape[1] or _likeness(median, medians).max() < alike:
            medians = np.concatenate([medians, median], axis=1)
    return _likeness(pieces, medians).argmax(axis=1), alike


def _mended(signal: np.ndarray, peaks: np.ndarray, same: np.ndarray, alike: float) -> np.ndarray:
    """The R peaks with beats that an artefact has hidden, and without the artefacts that were taken for beats.

    A beat of the dominant shape is looked for near each peak of another shape and in each pause. A peak of another
    shape is an artefact if such a beat follows or precedes it too closely, or if one lead alone shows it.
    """
    usual = float(np.median(np.diff(peaks[same]))) if same.sum() > 2 else float(np.median(np.diff(peaks)))
    searched = np.zeros(signal.shape[1], bool)
    for peak in peaks[~same]:
        searched[max(0, peak - 2 * CLOSEST) : peak + 2 * CLOSEST] = True
    for a, b in pairwise(peaks):
        if b - a > PAUSE * usual:
            searched[a + CLOSEST : b - CLOSEST] = True
    for peak in peaks[same]:
        searched[max(0, peak - CLOSEST) : peak + CLOSEST] = False
    places = np.flatnonzero(searched)
    if not len(places):
        return peaks
    template = np.median(_cut(signal, peaks[same]), axis=1, keepdims=True)
    likeness = np.concatenate(
        [_likeness(_cut(signal, part), template)[:, 0] for part in np.array_split(places, 1 + len(places) // 500)]
    )
    steepest = np.linalg.norm(np.diff(template[:, 0], axis=1), axis=0).max()
    found, taken = list[int](), np.zeros(signal.shape[1], bool)
    for place in places[np.argsort(-likeness)][: int((likeness >= alike).sum())]:
        if not taken[place]:
            speed = np.linalg.norm(np.diff(_cut(signal, place[None])[:, 0], axis=1), axis=0).max()
            if speed > AS_STEEP * steepest:  # a T wave may look like a broad QRS, but moves slowly
                found.append(int(place))
                taken[max(0, place - CLOSEST + 1) : place + CLOSEST] = True
    kept = [int(peak) for peak in peaks[same]] + found
    for peak in peaks[~same]:
        near = min((abs(peak - other) for other in found), default=CLOSEST)
        if near >= CLOSEST and not _in_one_lead(signal, int(peak)):
            kept.append(int(peak))
    return np.sort(np.array(kept))


def _in_one_lead(signal: np.ndarray, peak: int) -> bool:
    """Whether one lead moves far more than the others at a peak."""
    slopes = np.abs(np.diff(signal[:, max(0, peak - QRS) : peak + QRS], axis=1)).max(axis=1)
    return bool(slopes.max() > ALONE * np.median(slopes))


def _early(peaks: np.ndarray) -> np.ndarray:
    """bool (beats,): whose RR interval is shorter than both beside it, or than the usual one and one beside it."""
    intervals = np.diff(peaks).astype(float)
    early = np.zeros(len(peaks), bool)
    if len(intervals) < 3:
        return early
    padded = np.concatenate([[np.nan], intervals, [np.nan]])
    beside = np.array([padded[:-2], padded[2:]])
    shorter, longest = intervals < EARLY * np.nanmin(beside, axis=0), np.nanmax(beside, axis=0)
    of_a_pair = intervals < EARLY * np.minimum(np.quantile(intervals, USUAL), longest)
    if not _drops_beats(intervals):
        longest[[0, -1]] = np.inf  # what comes before the first and after the last is not known
        long = np.minimum(np.quantile(intervals, LONG, method="higher"), longest)
        short = np.pad((intervals < EARLY * long) & ~_made_up_for(intervals), 1)
        of_a_pair |= short[1:-1] & (short[:-2] | short[2:])
    early[1:] = shorter | of_a_pair
    # The last beat has no interval after it to compare with: it may only end the row of beats after a pause.
    if early[-1] and intervals[-1] >= EARLY * np.median(intervals) and EARLY * intervals[-1] > intervals[-3]:
        early[-1] = False
    return early


def _made_up_for(intervals: np.ndarray) -> np.ndarray:
    """bool: intervals of which two are as long as the next two, or the two before: a premature beat and its pause."""
    two = np.full(len(intervals) + 4, np.nan)
    two[2:-3] = intervals[:-1] + intervals[1:]  # at i + 2: intervals i and i + 1
    beside = np.array([two[:-4], two[3:-1]])
    return (np.abs(beside - 2 * intervals) < COMPENSATED * intervals).any(axis=0)


def _drops_beats(intervals: np.ndarray) -> bool:
    """Whether the rhythm is even, but for pauses of two intervals: AV block, and no pairs of premature beats."""
    pauses = intervals > PAUSE * np.median(intervals)
    usual = np.median(intervals[~pauses])
    evenly = (np.abs(intervals / usual - np.where(pauses, 2, 1)) < SAME * np.where(pauses, 1, 0.5)).mean()
    return bool(pauses.any() and evenly > MOST)


def _dominant(shapes: np.ndarray, early: np.ndarray, signal: np.ndarray, peaks: np.ndarray) -> int:
    """The shape that most beats have which do not come early.

    Where ectopic beats come in pairs or runs, most beats are theirs: then it is that of narrower beats, if these follow
    the pauses or are nearly as many.
    """
    counts = np.bincount(shapes[~early], minlength=shapes.max() + 1)
    usual = int(np.argmax(counts))
    before = _before(peaks)
    before[0] = np.median(before[1:])
    rests = [np.median(before[shapes == shape]) if count >= OFTEN else 0.0 for shape, count in enumerate(counts)]
    paused = int(np.argmax(rests))
    others = [paused] if EARLY * rests[paused] > rests[usual] else []
    others += [shape for shape, count in enumerate(np.bincount(shapes)) if count >= max(OFTEN, MANY * len(peaks))]
    if all(other == usual for other in others):
        return usual
    pieces, often = _cut(signal, peaks), np.bincount(shapes) >= MANY * len(peaks)
    width = _width(pieces[:, shapes == usual])
    for other in others:
        # What follows the pauses need not be narrower, where a bundle branch block makes it broad.
        most = 1.0 if other == paused != usual and often[other] else NARROWER
        if _width(pieces[:, shapes == other]) < most * width:
            return other
    return usual


def _width(pieces: np.ndarray) -> float:
    """For how many samples the median beat moves fast."""
    velocity = np.linalg.norm(np.diff(np.median(pieces, axis=1), axis=1), axis=0)
    return float((velocity > MOVING * velocity.max()).sum())


def _regular(peaks: np.ndarray, kept: np.ndarray, premature: np.ndarray) -> bool:
    """Whether the kept beats follow a regular rhythm, and the premature ones come equally early.

    The pauses after premature beats are left aside. In fibrillation chance alone may make one of the two regular.
    """
    before = _before(peaks)
    undisturbed = before[kept & np.concatenate([[False], kept[:-1]])]
    intervals = undisturbed if len(undisturbed) >= 3 else before[kept]
    again = np.append(False, premature[:-1])  # in a pair the second beat has a coupling of its own
    couplings = ((before[premature & ~again], 1), (before[premature & again], IN_PAIRS))
    evenly = all(len(coupling) < 3 or _even(coupling, times) for coupling, times in couplings)
    return bool(np.isfinite(intervals).sum() >= 2 and _even(intervals) and evenly)


def _even(intervals: np.ndarray, times: float = 1) -> bool:
    intervals = intervals[np.isfinite(intervals)]
    middle = np.median(intervals)
    return bool(np.quantile(np.abs(intervals - middle), 0.75) < times * REGULAR * middle)
