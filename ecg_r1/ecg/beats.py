"""From ten seconds to one clean beat: R peaks on the spatial velocity, and the median of the beats that look alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import convolve1d
from scipy.signal import butter, sosfiltfilt

RATE = 500
MS = 1000 / RATE


class Unmeasurable(ValueError):
    """Nothing can be measured on this record; the message is the reason."""


@dataclass(frozen=True)
class MedianBeat:
    """signal: (leads, T) mV, one beat; r: its R peak's sample; rr: median RR in samples; beats: how many it stands for."""

    signal: np.ndarray
    r: int
    rr: float
    beats: int


@cache
def _filter(low: float | None, high: float) -> np.ndarray:
    if low is None:
        return butter(4, high, "lowpass", fs=RATE, output="sos")
    return butter(2, (low, high), "bandpass", fs=RATE, output="sos")


def clean(signal: np.ndarray) -> np.ndarray:
    """0.5 to 40 Hz, without phase shift."""
    return sosfiltfilt(_filter(0.5, 40.0), signal, axis=1)


def spatial_velocity(signal: np.ndarray) -> np.ndarray:
    """How fast the heart's vector moves: root of the summed squared slopes of all leads, mV a sample."""
    slope = np.gradient(signal, axis=1)
    return np.sqrt((slope**2).sum(axis=0))


def r_peaks(signal: np.ndarray) -> np.ndarray:
    """neurokit2's R peaks on the smoothed spatial velocity of 5 to 30 Hz, which shows QRS complexes and little else.

    Args:
        signal: (leads, T) mV.

    Raises:
        Unmeasurable: fewer than three beats.
    """
    import neurokit2  # takes two seconds; whoever only carries measurements about need not wait for it

    velocity = spatial_velocity(sosfiltfilt(_filter(5.0, 30.0), signal, axis=1))
    window = np.hanning(61)
    # The power lets a QRS stand out from its neighbours; without it, neurokit2 takes some paced beats as too short.
    smooth = convolve1d(velocity, window / window.sum(), mode="nearest") ** 1.5
    try:
        peaks = neurokit2.ecg_peaks(smooth, sampling_rate=RATE)[1]["ECG_R_Peaks"]
    except (ValueError, IndexError, KeyError, ZeroDivisionError):
        raise Unmeasurable("no beats found") from None
    peaks = np.asarray(peaks, dtype=int)
    if len(peaks) < 3:
        raise Unmeasurable("fewer than three beats")
    return peaks


def median_beat(signal: np.ndarray, peaks: np.ndarray) -> MedianBeat:
    """The median of the beats that resemble each other, lead by lead, with the ends of the beat on the zero line."""
    rr = float(np.median(np.diff(peaks)))
    before, after = int(min(0.48 * rr, 230)), int(min(0.72 * rr, 360))
    whole = [p for p in peaks if p >= before and p + after <= signal.shape[1]]
    if len(whole) < 2:
        raise Unmeasurable("fewer than two whole beats")
    stack = np.stack([signal[:, p - before : p + after] for p in whole])
    beat = np.median(stack, axis=0)
    around = slice(before - 60, before + 60)
    likeness = [_correlation(one[:, around], beat[:, around]) for one in stack]
    alike = np.array(likeness) > 0.9
    if 2 <= alike.sum() < len(alike):
        beat = np.median(stack[alike], axis=0)
    return MedianBeat(beat, before, rr, int(alike.sum()) if alike.sum() >= 2 else len(whole))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    return float((a * b).sum() / (np.sqrt((a**2).sum() * (b**2).sum()) + 1e-12))
