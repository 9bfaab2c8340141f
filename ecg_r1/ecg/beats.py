"""From ten seconds to one clean beat: R peaks on the spatial velocity, and the median of the beats that look alike."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from scipy.ndimage import convolve1d
from scipy.signal import butter, sosfiltfilt

from ecg_r1.ecg.windows import median_of

RATE = 500
MS = 1000 / RATE
ALIKE = 0.9  # correlation of a QRS with the median one, over all leads; an ectopic beat's is lower
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
REPEATED = 0.6  # median correlation below which there is no beat, only noise; 0.97 in 99 of 100 real records


# Damaged signals make neurokit2 raise any of these; they become a reason.
LIBRARY_ERRORS = (ValueError, IndexError, KeyError, TypeError, ZeroDivisionError, AttributeError, RuntimeError)


class Unmeasurable(ValueError):
    """Nothing can be measured on this record; the message is the reason."""


@dataclass(frozen=True)
class MedianBeat:
    """The beat that a record repeats.

    signal: (leads, T) mV; r: its R peak's sample; rr: median RR interval in samples.
    weights: (leads,) how far each lead is trusted, 1 for the quietest: the inverse of how its beats differ, as changes
    over 8 ms; the leads' usual noise is added, so that no lead decides alone.
    peaks: R peaks of the record that it stands for; ectopic: those it does not.
    """

    signal: np.ndarray
    r: int
    rr: float
    weights: np.ndarray
    peaks: np.ndarray
    ectopic: np.ndarray

    @property
    def beats(self) -> int:
        """The number of beats that this beat is the median of."""
        return len(self.peaks)


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
    return peaks


def _seen(slope: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """The share of leads that move at each peak at least `LOWEST` as fast as they do at the usual one."""
    around = np.arange(-int(60 / MS), int(60 / MS) + 1)
    fastest = np.abs(slope[:, np.clip(peaks[:, None] + around, 0, slope.shape[1] - 1)]).max(axis=2)
    return (fastest > LOWEST * np.median(fastest, axis=1, keepdims=True)).mean(axis=0)


def median_beat(signal: np.ndarray, peaks: np.ndarray, there: np.ndarray | None = None) -> MedianBeat:
    """The median, lead by lead, of the beats whose QRS resemble each other; the others are ectopic.

    Args:
        signal: (leads, T) mV, filtered; peaks: R peaks.
        there: bool (leads, T), where each lead was recorded; None: everywhere. A lead without a whole beat is NaN.

    Raises:
        Unmeasurable: fewer than two whole beats, or no two that resemble each other.
    """
    rr = float(np.median(np.diff(peaks)))
    # Room for a long PR before a fast beat, and for a long QT after it.
    before, after = int(min(0.6 * rr, 460 / MS)), int(min(0.72 * rr, 720 / MS))
    whole = peaks[(peaks >= before) & (peaks + after <= signal.shape[1])]
    if len(whole) < 2:
        raise Unmeasurable("fewer than two whole beats")
    stack = np.stack([signal[:, p - before : p + after] for p in whole])
    if there is not None:
        stack[~np.stack([there[:, p - before : p + after].all(axis=1) for p in whole])] = np.nan
        seen = np.isfinite(stack).any(axis=(1, 2))
        stack, whole = stack[seen], whole[seen]
        if len(whole) < 2:
            raise Unmeasurable("fewer than two whole beats")
    beat = median_of(stack)
    around = slice(max(before - int(120 / MS), 0), before + int(120 / MS))
    likeness = np.array([_correlation(one[:, around], beat[:, around]) for one in stack])
    if np.median(likeness) < REPEATED:
        raise Unmeasurable("no beat repeats itself: too much noise")
    alike = likeness > ALIKE
    if alike.sum() < 2:
        alike[:] = True
    if not alike.all():
        stack = stack[alike]
        beat = median_of(stack)
    differing = (stack - beat)[:, :, ::4]  # a quarter of the samples tells the noise as well
    noise = _noise(np.abs(np.diff(differing, axis=2)))
    usual = np.median(noise) + 1e-9
    weights = (noise.min() + usual) / (noise + usual)
    return MedianBeat(beat, before, rr, weights, whole[alike], whole[~alike])


def rr_intervals(peaks: np.ndarray) -> np.ndarray:
    """RR intervals in ms between all beats: the ventricular rate counts every QRS; few ectopic ones leave its median.

    As cardiologists do, the first and last QRS are left out where enough remain: the record may cut into them.
    """
    return np.diff(peaks[1:-1] if len(peaks) >= 6 else peaks) * MS


def noisy(signal: np.ndarray) -> np.ndarray:
    """The leads that hold noise only: between beats they change far more than the other leads do.

    Returns:
        bool (leads,).
    """
    unrest = np.median(np.abs(np.diff(signal[:, ::4], axis=1)), axis=1)
    return unrest > NOISY * np.median(unrest)


def _noise(changes: np.ndarray) -> np.ndarray:
    """(leads,) the usual change; of a lead that too few beats show to tell, that of the middle lead.

    Args:
        changes: (beats, leads, T), NaN where a beat was not recorded.
    """
    if np.isfinite(changes).all():
        return np.median(changes, axis=(0, 2))
    noise = median_of(np.moveaxis(changes, 1, 2).reshape(-1, changes.shape[1]))
    told = np.isfinite(changes).any(axis=2).sum(axis=0) > 1  # one beat is its own median
    return np.where(told, noise, np.median(noise[told]) if told.any() else 0.0)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    seen = np.isfinite(a[:, 0])
    if not seen.all():
        a, b = a[seen], b[seen]
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    return float((a * b).sum() / (np.sqrt((a**2).sum() * (b**2).sum()) + 1e-12))
