"""From ten seconds of signal to its R peaks: the filter, and neurokit2's peaks on the spatial velocity."""

from __future__ import annotations

import warnings
from functools import cache, lru_cache

import numpy as np
from scipy.ndimage import convolve1d
from scipy.signal import butter, sosfiltfilt

from ecg_r1.ecg.slow_beats import with_slow_beats

RATE = 500
MS = 1000 / RATE
EDGE = int(40 / MS)  # samples: nearer to the record's edge, half a QRS is cut off
# Share of the usual height that a peak must have to be a QRS. Of 576 real records, T waves, F waves and artefacts that
# neurokit2 takes for beats where it has waited long for one reach 0.13; beats, ectopic ones too, begin at 0.5.
# Simulated ventricular ectopics, which are rounder, go down to 0.26.
LOWEST = 0.2
REFRACTORY = 0.2  # seconds after a beat in which neurokit2 is to take no other; its 0.3 would halve rates above 195
SEEN = 0.3  # share of the leads in which a beat must show: an electrode that moves is seen in few of them
# Times the middle lead's unrest. Of 576 real records one has a lead of noise only (73), the others stay below 6.
NOISY = 8.0
STEEPEST = 3.0  # times what the middle lead's slopes reach in its QRS; 98 in 100 samples are less steep
GAP = int(300 / MS)  # samples between a record and its mirror image, so that no beat stands beside its own


# Damaged signals make neurokit2 raise any of these; they become a reason.
LIBRARY_ERRORS = (ValueError, IndexError, KeyError, TypeError, ZeroDivisionError, AttributeError, RuntimeError)


class Unmeasurable(ValueError):
    """Nothing can be measured on this record; the message is the reason."""


@cache
def _filter(low: float | None, high: float) -> np.ndarray:
    if low is None:
        return butter(4, high, "lowpass", fs=RATE, output="sos")
    return butter(2, (low, high), "bandpass", fs=RATE, output="sos")


def clean(signal: np.ndarray) -> np.ndarray:
    """Filters to 0.5 to 45 Hz and removes mains hum, without phase shift. Below 45 Hz a filter lengthens the QRS."""
    hum = _mains(signal.shape[1])
    return sosfiltfilt(_filter(0.5, 45.0), signal - (signal @ hum.T) @ hum, axis=1)


@lru_cache(maxsize=8)
def _mains(samples: int) -> np.ndarray:
    """(4, samples), orthonormal: sines and cosines of 50 and 60 Hz, the steady part of mains hum."""
    phase = 2 * np.pi * np.array([[50.0], [60.0]]) * np.arange(samples) / RATE
    return np.linalg.qr(np.concatenate([np.sin(phase), np.cos(phase)]).T)[0].T


def spatial_velocity(signal: np.ndarray) -> np.ndarray:
    """How fast the heart's vector moves: root of the summed squared slopes of all leads, mV a sample."""
    return np.sqrt((np.gradient(signal, axis=1) ** 2).sum(axis=0))


def r_peaks(signal: np.ndarray) -> np.ndarray:
    """neurokit2's R peaks on the smoothed spatial velocity of 5 to 30 Hz, which shows QRS complexes and little else.

    Args:
        signal: (leads, T) mV.

    Raises:
        Unmeasurable: fewer than three beats.
    """
    import neurokit2  # takes two seconds, which reading stored measurements must not cost

    slope = np.gradient(sosfiltfilt(_filter(5.0, 30.0), signal, axis=1), axis=1)
    # A jump in one lead is not taken for a beat.
    limit = STEEPEST * np.median(np.quantile(np.abs(slope), 0.98, axis=1))
    velocity = np.sqrt((slope.clip(-limit, limit) ** 2).sum(axis=0))
    window = np.hanning(61)
    smooth = convolve1d(velocity, window / window.sum(), mode="nearest")
    # Mirrored beyond its ends, since neurokit2 misses a beat in the first 300 ms. The power lets a QRS stand out from
    # its neighbours; without it, neurokit2 takes some paced beats as too short.
    mirrored = np.pad(np.pad(smooth, GAP, mode="edge"), RATE, mode="reflect") ** 1.5
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # means of nothing, where there is nothing to find
            peaks = neurokit2.ecg_peaks(mirrored, sampling_rate=RATE, mindelay=REFRACTORY)[1]["ECG_R_Peaks"]
    except LIBRARY_ERRORS:
        raise Unmeasurable("no beats found") from None
    peaks = np.asarray(peaks, dtype=int) - RATE - GAP
    peaks = peaks[(peaks >= EDGE) & (peaks < len(smooth) - EDGE)]
    if len(peaks):
        peaks = peaks[smooth[peaks] > LOWEST * np.quantile(smooth[peaks], 0.75)]
        peaks = peaks[_seen(slope, peaks) > SEEN]
    if len(peaks) < 3:
        raise Unmeasurable("fewer than three beats")
    return with_slow_beats(signal, smooth, peaks)


def _seen(slope: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """The share of leads that move at each peak at least `LOWEST` as fast as they do at the usual one."""
    around = np.arange(-int(60 / MS), int(60 / MS) + 1)
    fastest = np.abs(slope[:, np.clip(peaks[:, None] + around, 0, slope.shape[1] - 1)]).max(axis=2)
    return (fastest > LOWEST * np.median(fastest, axis=1, keepdims=True)).mean(axis=0)


def noisy(signal: np.ndarray) -> np.ndarray:
    """The leads that hold noise only: between beats they change far more than the other leads do.

    Returns:
        bool (leads,).
    """
    unrest = np.median(np.abs(np.diff(signal[:, ::4], axis=1)), axis=1)
    return unrest > NOISY * np.median(unrest)
