"""Pacemaker spikes: a jump within two or three samples, which no heart muscle makes."""

from __future__ import annotations

import numpy as np

from ecg_r1.ecg.beats import MS, spatial_velocity
from ecg_r1.ecg.median_beat import MedianBeat

# Bend of the raw signal before and in the QRS, over the slope of the QRS below 40 Hz. Of 573 real records, the unpaced
# ones reach 2.3; those with visible spikes begin at 5.0, but for one with small bipolar ones (2.7).
SPIKE = 4.0
ABOVE_NOISE = 8.0  # times the usual bend, which is that of the noise
WIDTH = (int(6 / MS), int(14 / MS))  # samples before and after its sharpest bend that a spike covers
SEARCHED = (int(180 / MS), int(40 / MS))  # before and after an R peak: a paced one is up to 140 ms after the QRS onset
BROAD = int(120 / MS)  # samples; a QRS that starts in the ventricle lasts longer (AHA/ACCF/HRS 2009)


def spikes(raw: np.ndarray, cleaned: np.ndarray, peaks: np.ndarray) -> tuple[np.ndarray, float]:
    """Samples at which the beats' pacemaker spikes stand, and how sharp they are.

    Args:
        raw, cleaned: (leads, T) mV, as recorded and below 40 Hz; peaks: R peaks.

    Returns:
        The samples, none where most beats have no spike; and the usual sharpest bend as a share of what a spike has.
    """
    bend = np.sqrt((np.diff(raw, 2, axis=1) ** 2).sum(axis=0))
    slope = spatial_velocity(cleaned)
    before, after = SEARCHED
    starts = peaks[peaks >= before] - before
    if not len(starts):
        return starts, 0.0
    places = np.array([a + int(np.argmax(bend[a : a + before + after])) for a in starts])
    steepest = np.median([slope[a + before - 2 * after : a + before + 2 * after].max() for a in starts])
    limit = max(SPIKE * steepest, ABOVE_NOISE * np.median(bend))
    sharp = float(np.median(bend[places]) / limit)
    return places + 1 if sharp > 1 else places[:0], sharp


def without(raw: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The signal with straight lines in place of the spikes, so that no filter spreads them over the QRS."""
    bridged = raw.copy()
    for place in places:
        a, b = max(place - WIDTH[0], 0), min(place + WIDTH[1], raw.shape[1] - 1)
        share = np.linspace(0, 1, b - a + 1)
        bridged[:, a : b + 1] = raw[:, [a]] * (1 - share) + raw[:, [b]] * share
    return bridged


def paced_onset(qrs: tuple[float, float], beat: MedianBeat, places: np.ndarray) -> float:
    """The QRS onset in samples of the beat, but not before the stimulus that sets the QRS off.

    What remains of a spike looks like the onset of the QRS. Where that is, within what the spike covers, cannot be
    seen: the middle errs least, unless fast movement shows that the QRS is under way. A narrow QRS was conducted, not
    set off by the spike, and keeps its onset.

    Args:
        qrs: onset and offset as found from the heart's movement; places: of the record's spikes, at least one.
    """
    onset, offset = qrs
    if offset - onset < BROAD:
        return onset
    nearest = places[np.abs(places - beat.peaks[:, None]).argmin(axis=1)]
    stimulus = beat.r + float(np.median(nearest - beat.peaks))
    velocity = spatial_velocity(beat.weights[:, None] * beat.signal)[int(onset) : int(offset)]
    fast = int(onset) + int(np.argmax(velocity > velocity.max() / 2))
    return min(max(onset, stimulus + WIDTH[1] / 2), float(fast))
