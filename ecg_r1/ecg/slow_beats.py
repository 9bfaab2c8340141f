"""Slow ectopic beats that neurokit2 does not see between faster ones.

A broad ectopic QRS may be no faster than a T wave. But a T wave comes after each beat of a kind, at the same distance,
so a wave is taken for a beat where it is faster and larger than anything that usually follows a beat so soon. In pairs
each usual beat is followed by an ectopic one: so a wave is taken for a beat, too, where it has the speed and the shape
of beats that were found.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.signal import find_peaks

from ecg_r1.ecg.record import SAMPLING_RATE
from ecg_r1.ecg.windows import median_of

MS = 1000 / SAMPLING_RATE
# The least speed and size of such a beat as a share of the usual beat's; the speed where nothing is known of T waves.
SLOWEST, AS_HIGH, UNKNOWN = 0.09, 0.35, 0.2
FASTER, HIGHER = 1.5, 1.2  # times the speed and size of what usually follows a beat so soon
AS_FAST = 0.7  # share of the speed of an ectopic beat before, whose own T wave it could be
SEEN = 0.55  # share of the leads in which it must be so high
USUAL = 0.8  # correlation of a usual beat with the median one
LIKE, AGAIN = 0.85, 2  # correlation of a wave with beats as fast as it, and of how many of them, before it is one
FEWER = 0.6  # times the beats that were found; what is missed more often is hum, whose waves are all alike
MOVED = np.arange(-int(40 / MS), int(40 / MS) + 1, 4)  # samples by which its peak may lie elsewhere
HALVED = 1100 / MS  # samples between beats beyond which every second one may have been missed
FREE, BEFORE = int(240 / MS), int(180 / MS)  # samples between two beats, at least; before a beat, its QRS
SHIFT, BESIDE, LAST = int(60 / MS), int(100 / MS), int(200 / MS)  # samples: T may shift; half a broad QRS; to the end
DOUBTFUL = 0.4  # share of the usual speed, below which a beat must be large, too: it may be a P wave in a pause
ROUNDS = 4  # beats in an interval that are looked for
TOLD = 0.6  # share of the beats that tell what usually follows
THINNED = 4  # samples of which one is looked at


def with_slow_beats(signal: np.ndarray, velocity: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """The peaks with the slow beats between them, and without small waves that were taken for slow beats.

    Args:
        signal: (leads, T) mV; velocity: (T,), how fast the heart's vector moves, smoothed; peaks: in samples, at least
            three.
    """
    peaks = _without_small(signal, velocity, peaks)
    for _ in range(ROUNDS):  # one beat an interval; what follows it is then known to follow a beat
        missed = _missed(signal, velocity, peaks) or _like_others(signal, velocity, peaks)
        if not missed:
            break
        peaks = np.sort(np.append(peaks, missed))
    return peaks


def _without_small(signal: np.ndarray, velocity: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """The peaks without those that are neither fast nor high: P waves in pauses, and artefacts."""
    speeds = velocity[peaks]
    slow = speeds < DOUBTFUL * np.quantile(speeds, 0.75)
    if not slow.any() or (~slow).sum() < 3:
        return peaks
    least = AS_HIGH * _size(signal, peaks[~slow])
    small = [at for at in np.flatnonzero(slow) if (_size(signal, peaks[[at]]) > least).mean() <= SEEN]
    return np.delete(peaks, small)


def _missed(signal: np.ndarray, velocity: np.ndarray, peaks: np.ndarray) -> list[int]:
    """The fastest wave between two beats, and after the last one, wherever it must be a beat."""
    intervals = np.append(np.diff(peaks), max(0, len(velocity) - peaks[-1] + FREE - LAST))
    if intervals.max() < 2 * FREE:
        return []
    pieces = _around(signal, peaks)
    usual = _usual(pieces)
    known = usual & (np.median(intervals[:-1]) < HALVED)  # beats whose T waves tell what is no beat
    follows = _follows(velocity, peaks[known], intervals[known], int(intervals.max()))
    height, size = np.quantile(velocity[peaks], 0.75), np.median(np.ptp(pieces, axis=2), axis=1)
    lowest = (SLOWEST if known.any() else UNKNOWN) * height
    missed: list[int] = []
    for peak, interval, like in zip(peaks.tolist(), intervals.tolist(), usual, strict=True):
        tops = FREE + find_peaks(velocity[peak + FREE : max(peak + FREE, peak + interval - FREE)])[0]
        speeds = velocity[peak + tops]
        least = max(lowest, 0.0 if like else AS_FAST * velocity[peak])
        best, found = 0.0, list[int]()
        for top in tops[speeds > np.maximum(least, FASTER * follows[tops])].tolist():
            others = known & (intervals > top + BEFORE)
            usually = _size(signal, peaks[others] + top) if others.sum() > TOLD * known.sum() else 0.0
            seen = float((_size(signal, np.array([peak + top])) > np.maximum(AS_HIGH * size, HIGHER * usually)).mean())
            if seen > SEEN and seen * velocity[peak + top] > best:
                best, found = seen * velocity[peak + top], [peak + top]
        missed += found
    return missed


def _like_others(signal: np.ndarray, velocity: np.ndarray, peaks: np.ndarray) -> list[int]:
    """The wave of each interval, before the first beat and after the last, that is most like beats as fast as it."""
    tops = find_peaks(velocity[LAST : len(velocity) - LAST])[0] + LAST
    place = np.searchsorted(peaks, tops)
    away = np.abs(tops[:, None] - peaks[np.clip([place - 1, place], 0, len(peaks) - 1)].T).min(axis=1)
    there = (away >= FREE) & (velocity[tops] > AS_FAST * velocity[peaks].min())
    tops, place = tops[there], place[there]
    if not len(tops):
        return []
    beats = _levelled(_around(signal, peaks))
    moved = _levelled(_around(signal, (tops[:, None] + MOVED).ravel()))
    likeness = (moved @ beats.T).reshape(len(tops), len(MOVED), len(peaks)).max(axis=1)
    likeness[velocity[tops][:, None] < AS_FAST * velocity[peaks]] = 0.0
    like = np.sort(likeness, axis=1)[:, -AGAIN]
    best = [max(np.flatnonzero(place == at), key=like.__getitem__) for at in np.unique(place)]
    found = [int(tops[i]) for i in best if like[i] > LIKE]
    return found if len(found) <= FEWER * len(peaks) else []


def _levelled(pieces: np.ndarray) -> np.ndarray:
    """(beats, leads * samples): the pieces of (leads, beats, samples) about their level, each of size one."""
    rows = (pieces - pieces.mean(axis=2, keepdims=True)).transpose(1, 0, 2).reshape(pieces.shape[1], -1)
    return rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-12)


def _around(signal: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(leads, places, samples): what surrounds each place, thinned; the record's ends are held."""
    return signal[:, np.clip(places[:, None] + np.arange(-BESIDE, BESIDE, THINNED), 0, signal.shape[1] - 1)]


def _size(signal: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(leads,): from peak to peak around the median place; 0 without any."""
    return np.median(np.ptp(_around(signal, places), axis=2), axis=1) if len(places) else np.zeros(len(signal))


def _usual(pieces: np.ndarray) -> np.ndarray:
    """bool (beats,): those that resemble the median beat.

    Args:
        pieces: (leads, beats, samples).
    """
    rows = (pieces - pieces.mean(axis=2, keepdims=True)).transpose(1, 0, 2).reshape(pieces.shape[1], -1)
    median = np.median(rows, axis=0)
    return (rows @ median) / (np.linalg.norm(rows, axis=1) * np.linalg.norm(median) + 1e-12) > USUAL


def _follows(velocity: np.ndarray, peaks: np.ndarray, intervals: np.ndarray, length: int) -> np.ndarray:
    """(length,): how fast the vector usually moves so many samples after a beat, and before the next; 0 if unknown."""
    if not len(peaks):
        return np.zeros(length)
    rows = np.full((len(peaks), length), np.nan)
    for row, peak, interval in zip(rows, peaks.tolist(), intervals.tolist(), strict=True):
        seen = velocity[peak : max(peak, peak + interval - BEFORE)]
        row[: len(seen)] = seen
    told = np.isfinite(rows).mean(axis=0) > TOLD  # the few long intervals may hold missed beats
    return maximum_filter1d(np.where(told, np.nan_to_num(median_of(rows)), 0.0), 2 * SHIFT)
