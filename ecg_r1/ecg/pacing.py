"""Pacemaker spikes: a jump within two or three samples, which no heart muscle makes."""

from __future__ import annotations

import numpy as np

from .beats import MS, spatial_velocity

# Bend of the raw signal before and in the QRS, over the slope of the QRS below 40 Hz. Of 500 records of LUDB and
# PTB-XL, the unpaced ones reach 2.3; those with visible spikes begin at 5.7.
SPIKE = 4.0
ABOVE_NOISE = 8.0  # times the usual bend, which is that of the noise
WIDTH = (int(6 / MS), int(14 / MS))  # samples before and after its sharpest bend that a spike covers


def spikes(raw: np.ndarray, cleaned: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Samples at which the beats' pacemaker spikes stand; empty where most beats have none.

    Args:
        raw, cleaned: (leads, T) mV, as recorded and below 40 Hz; peaks: R peaks.
    """
    bend = np.sqrt((np.diff(raw, 2, axis=1) ** 2).sum(axis=0))
    slope = spatial_velocity(cleaned)
    before, after = int(120 / MS), int(40 / MS)
    starts = peaks[peaks >= before] - before
    if not len(starts):
        return starts
    places = np.array([a + int(np.argmax(bend[a : a + before + after])) for a in starts])
    steepest = np.median([slope[a + before - 2 * after : a + before + 2 * after].max() for a in starts])
    limit = max(SPIKE * steepest, ABOVE_NOISE * np.median(bend))
    return places + 1 if np.median(bend[places]) > limit else places[:0]


def without(raw: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The signal with straight lines in place of the spikes, so that no filter spreads them over the QRS."""
    bridged = raw.copy()
    for place in places:
        a, b = max(place - WIDTH[0], 0), min(place + WIDTH[1], raw.shape[1] - 1)
        share = np.linspace(0, 1, b - a + 1)
        bridged[:, a : b + 1] = raw[:, [a]] * (1 - share) + raw[:, [b]] * share
    return bridged
