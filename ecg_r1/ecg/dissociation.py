"""P waves in a rhythm of their own: the atria beat regularly, and the ventricles do not follow.

The median beat shows such P waves nowhere, since they stand elsewhere before each QRS. They are looked for in what is
left of the record when each beat's QRS and T wave are taken out: as waves that are alike, come at even intervals, and
keep no fixed place before the QRS.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import binary_erosion, gaussian_filter1d
from scipy.signal import butter, find_peaks, sosfiltfilt

from ecg_r1.ecg.atria import irregular, levelled, likeness
from ecg_r1.ecg.beats import MS, RATE
from ecg_r1.ecg.median_beat import MedianBeat
from ecg_r1.ecg.populations import Populations

THINNED = 4  # samples of which one is looked at
# What is wanted of such P waves: how alike they are, and how far they may be from even intervals (as a share of these).
ALIKE, UNEVEN = 0.8, 0.08
# By how much their place before the QRS must vary, as a standard deviation: that of places spread evenly over 40 ms, a
# small square of the paper. Where it varies less, AV block of a fixed ratio looks the same.
APART = 40 / MS / THINNED / np.sqrt(12)
OWN = 0.1  # share of its cycle by which that of the ventricles differs; sinus arrhythmia moves single beats alone
BAND = (1.0, 20.0)  # Hz, which holds a P wave
CYCLES = (330 / MS / THINNED, 1500 / MS / THINNED)  # from one P wave to the next; flutter and f waves come faster
SHORTEST = int(160 / MS / THINNED)  # lags below it show the wave itself
AS_GOOD = 0.5  # a shorter cycle is taken that is so much as good as the best: multiples of a cycle are as good as it
REPEATS = 0.2  # correlation of what is left with itself one cycle later
FEWEST, SEEN = 4, 0.5  # P waves that are found, at least; and as a share of those that there is room for
ROOM = 0.2  # share of the record that must be free of QRS complexes
AROUND = int(80 / MS / THINNED)  # to either side of a P wave's middle
MARGIN, AFTER_T = int(30 / MS), int(40 / MS)  # samples by which a QRS and a T wave may outlast their bounds
NO_T = int(380 / MS)  # samples after the QRS that are taken out with it, where no T wave was found
BROAD = (int(120 / MS), int(450 / MS))  # samples before and after the R peak of another kind of beat that are left out


@dataclass(frozen=True)
class Dissociated:
    """P waves that keep their own time.

    share: how alike and how even they are, as a share of what is wanted. height: in the lead that shows them best, mV.
    """

    share: float
    height: float


def dissociated_p(
    signal: np.ndarray, beat: MedianBeat, kinds: Populations, qrs: tuple[float, float], t_end: float | None
) -> Dissociated | None:
    """The P waves of a record that are not in step with its QRS complexes; None where none are found.

    Args:
        signal: (leads, T) mV, filtered; qrs: onset and offset, t_end: where T ends, in samples of the beat.
    """
    if irregular(beat.intervals):  # ventricles that no P wave reaches beat regularly; these fibrillate
        return None
    left, free = _without_beats(signal, beat, kinds, qrs, t_end)
    cycle = _cycle(left, free) if free.mean() >= ROOM else None
    if cycle is None:
        return None
    strength = gaussian_filter1d(np.linalg.norm(left, axis=0) * free, 20 / MS / THINNED)
    tops = find_peaks(strength, distance=int(0.6 * cycle), height=0.4 * np.quantile(strength[free], 0.95))[0]
    whole = binary_erosion(free, np.ones(2 * AROUND + 1))  # what is left of a P wave beside a QRS keeps step with that
    tops = tops[whole[tops]]
    if len(tops) < max(FEWEST, SEEN * whole.sum() / cycle):
        return None
    count = np.cumsum(np.append(0, np.maximum(1, np.rint(np.diff(tops) / cycle))))
    cycle, first = np.polyfit(count, tops, 1)
    uneven = float(np.median(np.abs(tops - first - cycle * count))) / cycle
    beats = kinds.peaks[kinds.dominant] / THINNED
    if abs(beat.after / THINNED / cycle - 1) < OWN:
        return None
    places = np.interp(beats[(beats > tops[0]) & (beats < tops[-1])], tops, count)
    if not len(places) or _circular_deviation(places) * cycle < APART:
        return None
    pieces = [levelled(left[:, top - AROUND : top + AROUND], 6 / MS / THINNED) for top in tops]
    shared = np.median(pieces, axis=0)
    alike = float(np.median([likeness(piece, shared) for piece in pieces]))
    return Dissociated(min(alike / ALIKE, UNEVEN / max(uneven, UNEVEN / 2)), float(np.abs(shared).max()))


def _circular_deviation(places: np.ndarray) -> float:
    """Standard deviation of places in a cycle, as a share of it (Fisher, Circular Data, 1993)."""
    resultant = float(np.abs(np.exp(2j * np.pi * places).mean()))
    return float(np.sqrt(-2 * np.log(np.clip(resultant, 1e-9, 1)))) / (2 * np.pi)


@cache
def _filter() -> np.ndarray:
    return butter(2, BAND, "bandpass", fs=RATE, output="sos")


def _without_beats(
    signal: np.ndarray, beat: MedianBeat, kinds: Populations, qrs: tuple[float, float], t_end: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """What is left of the signal when each QRS and T wave are taken out, thinned: (leads, T / THINNED), and where it is
    free of QRS complexes.
    """
    start, stop = max(0, int(qrs[0]) - MARGIN), int(qrs[1] + NO_T if t_end is None else t_end) + AFTER_T
    template = beat.signal[:, start : min(stop, beat.signal.shape[1])]
    long, length = template.shape[1], signal.shape[1]
    fall = np.linspace(0, 1, long)
    template = template - template[:, :1] * (1 - fall) - template[:, -1:] * fall
    left, free = signal.copy(), np.ones(length, bool)
    free[: kinds.peaks[0]] = free[kinds.peaks[-1] :] = False  # there may be a part of a beat that was not seen
    for peak, reshaped in zip(kinds.peaks.tolist(), kinds.reshaped, strict=True):
        if reshaped:
            free[max(0, peak - BROAD[0]) : peak + BROAD[1]] = False
            continue
        begin = peak - beat.r + start
        first, last = max(begin, 0), min(begin + long, length)
        left[:, first:last] -= template[:, first - begin : last - begin]
        free[first : max(first, peak - beat.r + int(qrs[1]) + MARGIN)] = False
    time, there = np.arange(length), np.flatnonzero(free)
    if not len(there):
        return left[:, ::THINNED], free[::THINNED]
    left[:, ~free] = [np.interp(time[~free], there, row[there]) for row in left]
    left, free = sosfiltfilt(_filter(), left, axis=1)[:, ::THINNED], free[::THINNED]
    limit = 3 * np.quantile(np.abs(left[:, free]), 0.9, axis=1, keepdims=True)
    return left.clip(-limit, limit), free


def _cycle(left: np.ndarray, free: np.ndarray) -> float | None:
    """From one P wave to the next: the shortest lag at which what is left resembles itself; None without one."""
    lags = np.arange(SHORTEST, min(int(CYCLES[1]) + 2, left.shape[1] // 2))
    left = left * free
    square, there = (left**2).sum(axis=0), free.astype(float)
    alike = np.zeros(len(lags))
    for i, lag in enumerate(lags):
        size = (square[:-lag] @ there[lag:]) * (square[lag:] @ there[:-lag])
        alike[i] = np.vdot(left[:, :-lag], left[:, lag:]) / np.sqrt(size + 1e-12)
    tops = find_peaks(alike, distance=max(1, int(60 / MS / THINNED)))[0]
    if not len(tops) or alike[tops].max() < REPEATS:
        return None
    cycle = float(lags[tops[alike[tops] >= AS_GOOD * alike[tops].max()][0]])
    return cycle if cycle >= CYCLES[0] else None
