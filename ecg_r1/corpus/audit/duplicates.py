"""Signals that are there twice: equal to the sample, or the same ECG once more (other rate, gain, filter or noise).

Of each signal a signature of 320 bits is kept: the signs of random projections of the signal at 50 Hz, each lead
without its slow part. Signals whose signatures agree in one of 20 bands of 16 bits are compared in full. Two copies
that correlate at 0.98 agree in a band with probability 0.999, at 0.95 with 0.98 (Charikar, STOC 2002), two unrelated
ones with 0.0003. Copies that are shifted in time by more than a hundredth of a second are not found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.ndimage import uniform_filter1d

BANDS, BITS = 20, 16
DECIMATION, SLOW, SMOOTH = 10, 50, 3  # 500 Hz to 50 Hz; samples of the slow part, 1 s, and of a moving mean
NEAR = 0.95  # correlation of two signals that are one ECG; of 45,000 pairs of PTB-XL the highest had 0.61
MOST = 64  # signals of one band that are compared with each other
BATCH = 256
Signal = Callable[[int], np.ndarray]


class Pair(NamedTuple):
    """Two signals by their places; correlation 1 and `exact` where they are equal to the sample."""

    a: int
    b: int
    correlation: float
    exact: bool


def outline(signal: np.ndarray) -> np.ndarray:
    """A signal as it is compared: 50 Hz, without its slow part, of length 1.

    Args:
        signal: (12, 5000) in mV.

    Returns:
        float32 (12 x 500,); zeros for a flat signal.
    """
    coarse = signal.reshape(len(signal), -1, DECIMATION).mean(axis=2)
    coarse = uniform_filter1d(coarse - uniform_filter1d(coarse, SLOW, axis=1), SMOOTH, axis=1)
    flat = coarse.ravel().astype(np.float32)
    norm = float(np.linalg.norm(flat))
    return flat / norm if norm > 0 else flat


def duplicates(signals: Iterable[np.ndarray], signal: Signal) -> list[Pair]:
    """Find the pairs of signals that are one ECG.

    Args:
        signals: (12, 5000) in mV, in order; each is held once.
        signal: the k-th of them again.
    """
    bands, digests = [], []
    for batch in _batches(signals):
        bands.append(_bands(np.stack([outline(one) for one in batch])))
        digests += [hashlib.blake2b(one.tobytes(), digest_size=16).digest() for one in batch]
    if not bands:
        return []
    found = []
    for a, b in sorted(_candidates(np.concatenate(bands))):
        first = outline(signal(a))
        correlation = float(first @ outline(signal(b)))
        if correlation >= NEAR and first.any():
            exact = digests[a] == digests[b]
            found.append(Pair(a, b, 1.0 if exact else correlation, exact))
    return found


def _batches(signals: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
    batch = []
    for one in signals:
        batch.append(one)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _bands(outlines: np.ndarray) -> np.ndarray:
    """uint16 (N, BANDS): the signs of the projections."""
    axes = np.random.default_rng(0).standard_normal((outlines.shape[1], BANDS * BITS), np.float32)
    signs = (outlines @ axes > 0).reshape(len(outlines), BANDS, BITS)
    return (signs @ (1 << np.arange(BITS))).astype(np.uint16)


def _candidates(bands: np.ndarray) -> set[tuple[int, int]]:
    """The pairs that agree in a band."""
    pairs = set[tuple[int, int]]()
    for band in bands.T:
        order = np.argsort(band, kind="stable")
        starts = np.flatnonzero(np.diff(band[order], prepend=-1)).tolist()
        for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
            if end - start > 1:
                pairs.update(combinations(sorted(order[start : min(end, start + MOST)].tolist()), 2))
    return pairs
