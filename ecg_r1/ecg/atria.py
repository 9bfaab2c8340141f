"""Is there a P wave, and a T wave? This comes before where they begin and end: neurokit2 finds both around every QRS,
fibrillating or not.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ecg_r1.ecg.beats import MS
from ecg_r1.ecg.measurements import Measured
from ecg_r1.ecg.median_beat import MedianBeat
from ecg_r1.ecg.populations import Populations, known_median
from ecg_r1.ecg.waves import Bounds
from ecg_r1.ecg.windows import median_of

# A P wave resembles the median one by this at least (99 of 100 real records with P waves: 0.67); fibrillation, AV
# dissociation and noise do by less. Where the rhythm is as irregular as fibrillation, chance alone may bring more, so
# more is wanted. T waves, being larger, are beyond both in 99 of 100 real records (0.83).
COHERENCE, COHERENCE_IF_IRREGULAR = 0.58, 0.8
IRREGULAR = 0.1  # median change from one RR interval to the next, as a share of RR; 0.1 in 1 of 20 sinus rhythms
AMPLITUDE = 0.02  # mV peak to peak in the direction of the P wave; less cannot be told from the baseline
LONGEST_PR, LONGEST_PR_IF_HURRIED = int(340 / MS), int(240 / MS)
# Flutter waves of 200 to 350 a minute, every second one conducted. In 489 real records in sinus rhythm, what lies half
# an RR interval after the P wave resembles it by 0.79 at most; in 4 of 7 records of such a flutter by 0.92 or more.
FLUTTER_CYCLE = (170 / MS, 300 / MS)
FLUTTER_COHERENCE = 0.86
OFTEN = 3  # premature beats of the usual shape
# A T wave may resemble the P wave, but a P wave of AV block that lies on it outlasts it, up to so many samples; and the
# sinus node does not beat faster than every 470 ms (128 a minute) at rest.
EARLIER, FASTEST_SINUS = int(10 / MS), 470 / MS
# Breathing alone: the least share of the usual RR interval before a beat, the most after it, and how alike its P wave
# is, as a share of what the others are. Of 66 records of PTB-XL with early narrow beats, those of atrial foci miss one.
LITTLE, NO_PAUSE, SAME_P = 0.67, 1.1, 0.92
AROUND_P = int(20 / MS)  # samples to either side of a P wave
UNEVEN = 0.06  # share of their cycle by which flutter waves may come early or late
# A P wave on the T wave: samples beside it that are compared, smoothing, share of the cycle by which it may come early
# or late, and likeness of the third derivatives. 3 in 286 real and simulated records without such a P wave go beyond.
BESIDE_P, BENDS, EVEN, BENT_ALIKE = int(12 / MS), 10 / MS, 0.03, 0.5
# Samples after its R peak at which the T wave of a broad ectopic beat is over; what begins at once is a part of it.
ECTOPIC_T, AT_ONCE = int(400 / MS), int(30 / MS)


def p_window(beat: MedianBeat, onset: float, t_end: float | None) -> tuple[int, int]:
    """Where a P wave has its place, in samples of the beat: after the T wave of the beat before, until the QRS."""
    previous_t = (beat.r + 75 if t_end is None else t_end) - beat.before
    # Where each T wave is cut short by a premature beat, nobody knows where the one before the P wave ends.
    start = int(max(0, previous_t + 16 / MS, onset - (LONGEST_PR if beat.free is None else LONGEST_PR_IF_HURRIED)))
    stop = int(onset - 12 / MS)
    return (start, stop) if stop - start >= int(60 / MS) else (max(0, stop - int(120 / MS)), stop)


def hidden_by_ectopic_t(beat: MedianBeat, onset: float, p: Bounds) -> bool:
    """Whether the T wave of an ectopic beat, which comes before each of the others, may reach into the P wave.

    Args:
        onset: of the QRS; p: of each lead that shows a P wave; samples of the beat.
    """
    over = beat.r + ECTOPIC_T - beat.before
    return onset - over < int(60 / MS) or bool(len(p) and p.onset < over + AT_ONCE)


def p_wave_missing(
    signal: np.ndarray, beat: MedianBeat, kinds: Populations, window: tuple[int, int]
) -> tuple[Measured | None, float]:
    """What PR and P are where there is no P wave to measure, with the reason; None where there is one.

    What lies before each QRS is compared with the median of all, over all leads at once. A wave that the atria repeat
    in step with the ventricles resembles it; fibrillation, flutter in another rhythm and dissociated P waves do not.

    Args:
        signal: (leads, T) mV, filtered, NaN where a lead was not recorded; window: of the P wave, in samples of the
            beat.

    Returns:
        That, and how alike the waves are, as a share of what is wanted of P waves in step with the QRS.
    """
    start, stop = window
    if stop - start < int(40 / MS):
        return Measured(reason="no room for P waves before the QRS"), 0.0
    pieces = [levelled(signal[:, p - beat.r + start : p - beat.r + stop]) for p in beat.p_peaks]
    shared = np.nan_to_num(median_of(np.stack(pieces)))
    direction = np.linalg.svd(shared, full_matrices=False)[0][:, 0]
    if np.ptp(direction @ shared) < AMPLITUDE:
        return Measured(reason="no P waves", absent=True), 0.0
    # Many early beats of the usual shape may be fibrillation, of which chance has made a part look regular.
    often = (kinds.premature & ~kinds.reshaped).sum() >= OFTEN
    repeats = _repeats(pieces, shared, np.diff(kinds.peaks) if often else beat.intervals)
    return None if repeats >= 1 else Measured(reason="no P waves in step with the QRS", absent=True), repeats


def t_wave_repeats(signal: np.ndarray, beat: MedianBeat, window: tuple[int, int]) -> bool:
    """Whether what follows the QRS comes again after each: a T wave does, fibrillation around a flat one does not.

    Args:
        signal: (leads, T) mV, filtered, NaN where a lead was not recorded.
        window: from the QRS to the T end, in samples of the beat.
    """
    start, stop = window
    if stop - start < int(40 / MS):
        return False
    pieces = [levelled(beat.weights[:, None] * signal[:, p - beat.r + start : p - beat.r + stop]) for p in beat.peaks]
    return _repeats(pieces, median_of(np.stack(pieces)), beat.intervals) >= 1


def second_p(beat: MedianBeat, p: Bounds, qrs: tuple[float, float]) -> int | None:
    """How long after the P wave the same wave comes again half an RR interval later, in samples; None if it does not.

    Then every second P wave is not conducted: in flutter (see `is_flutter`) and in AV block.

    Args:
        p: of each lead that shows a P wave; qrs: its onset and offset; samples of the beat.
    """
    cycle, half = beat.after / 2, int(50 / MS)
    middle = int((p.onset + p.offset) / 2)
    start, stop = max(0, middle - half), min(middle + half, int(qrs[0] - 6 / MS))
    if cycle < FLUTTER_CYCLE[0] or stop - start < int(40 / MS):
        return None
    shifts = _shifts(cycle, UNEVEN, qrs[1] + 6 / MS - start, beat.signal.shape[1] - stop)
    others = levelled(beat.signal[:, start + shifts[:, None] + np.arange(stop - start)])
    found = shifts[_alike(levelled(beat.signal[:, start:stop]), others) > FLUTTER_COHERENCE]
    return int(found[0]) if len(found) else None


def p_on_t(beat: MedianBeat, p: Bounds, qrs: tuple[float, float]) -> int | None:
    """How long after the P wave it comes again on the T wave, half an RR interval later, in samples; None if not.

    T hides such a P wave from `second_p`, but T is smooth: the third derivative leaves little of it.

    Args:
        p: of each lead that shows a P wave; qrs: its onset and offset; samples of the beat.
    """
    cycle = beat.after / 2
    start, stop = max(0, int(p.onset) - BESIDE_P), min(int(p.offset) + BESIDE_P, int(qrs[0] - 6 / MS))
    if cycle < FASTEST_SINUS or stop - start < int(40 / MS):
        return None
    bends = np.diff(gaussian_filter1d(beat.signal, BENDS, axis=1), n=3, axis=1)
    bends /= np.linalg.norm(bends[:, start:stop]) + 1e-12
    shifts = _shifts(cycle, EVEN, qrs[1] + 6 / MS - start, bends.shape[1] - stop)
    alike = _alike(bends[:, start:stop], bends[:, start + shifts[:, None] + np.arange(stop - start)])
    return int(shifts[alike.argmax()]) if len(shifts) and alike.max() > BENT_ALIKE else None


def _shifts(cycle: float, share: float, above: float, most: int) -> np.ndarray:
    """The shifts that differ from the cycle by no more than a share of it, in samples."""
    shifts = np.arange(int(cycle * (1 - share)), int(cycle * (1 + share)) + 1)
    return shifts[(shifts > above) & (shifts <= most)]


def _alike(wave: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(others,): the correlation over all leads of a wave, (leads, samples), and of others, (leads, others, samples).

    It is 0 for those less than half or more than twice as large.
    """
    size = np.sqrt((others**2).sum(axis=(0, 2)) / ((wave**2).sum() + 1e-12))
    alike = np.einsum("lot,lt->o", others, wave) / (size * (wave**2).sum() + 1e-12)
    return np.where((size >= 0.5) & (size <= 2), alike, 0.0)


def is_flutter(beat: MedianBeat) -> bool:
    """Whether waves that come twice in each RR interval are as fast as only flutter waves are."""
    return beat.after / 2 <= FLUTTER_CYCLE[1]


def is_t(beat: MedianBeat, p: Bounds, shift: int, t: Bounds) -> bool:
    """Whether what looks like a second P wave is the T wave: it ends within T, or the atria would beat too fast.

    Args:
        p, t: of each lead that shows the wave; shift: from the P wave to its like; samples of the beat.
    """
    return p.offset + shift < t.offset - EARLIER or beat.after / 2 < FASTEST_SINUS


def sinus_arrhythmia(signal: np.ndarray, beat: MedianBeat, kinds: Populations, p: Bounds) -> bool:
    """Whether the beats that come early are the sinus node's own: breathing, and no focus of another place.

    They come only a little early, no pause follows, and their P wave is that of the other beats at the same distance.

    Args:
        signal: (leads, T) mV, filtered; p: of each lead that shows a P wave, in samples of the beat.
    """
    early = kinds.premature & ~kinds.reshaped
    if not len(p):
        return False
    interval = np.median(kinds.in_a_row())
    coupling = known_median(kinds.before[early], 0.0)
    pause = known_median(kinds.after[early], 0.0)  # that of the last beat is not known
    if not coupling > LITTLE * interval or pause > NO_PAUSE * interval:
        return False
    start, stop = int(p.onset) - AROUND_P, min(int(p.offset) + AROUND_P, beat.signal.shape[1])
    wave = levelled(beat.signal[:, max(0, start) : stop])
    pieces = (
        [
            levelled(signal[:, at - beat.r + max(0, start) : at - beat.r + stop])
            for at in kinds.peaks[which]
            if at + start > beat.r
        ]
        for which in (early, kinds.dominant)
    )
    of_early, of_others = (float(np.median([likeness(piece, wave) for piece in of] or [0.0])) for of in pieces)
    return of_early > SAME_P * of_others


def _repeats(pieces: list[np.ndarray], shared: np.ndarray, intervals: np.ndarray) -> float:
    """How alike the pieces are, as a share of what is wanted of waves that repeat themselves."""
    wanted = COHERENCE_IF_IRREGULAR if irregular(intervals) else COHERENCE
    return float(np.median([likeness(piece, shared) for piece in pieces])) / wanted


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """The correlation of two levelled pieces, (leads, samples), over all leads; NaN of the first is left out."""
    if not (seen := np.isfinite(a)).all():
        a, b = a[seen], b[seen]
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum() + 1e-12))


def irregular(intervals: np.ndarray, share: float = IRREGULAR) -> bool:
    """Whether one RR interval usually differs from the next by more than a share of it."""
    return len(intervals) > 1 and bool(np.median(np.abs(np.diff(intervals))) > share * np.median(intervals))


def levelled(piece: np.ndarray, smooth: float = 6 / MS) -> np.ndarray:
    """Smoothed (sigma in samples), and turned so that both ends are at zero: what is left is a wave or nothing."""
    fall = np.linspace(0, 1, piece.shape[-1])
    ends = piece[..., :3].mean(axis=-1)[..., None] * (1 - fall) + piece[..., -3:].mean(axis=-1)[..., None] * fall
    return gaussian_filter1d(piece - ends, smooth, axis=-1)
