"""Tallies that can be resampled, and the paired bootstrap and McNemar's test over them.

Every metric here is a function of per-record counts summed over records (a rate, a mean error, a macro F1). Resampling
records is then one matrix product. Two models are resampled with the same draws, which makes the interval a paired one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


def ratio(sums: np.ndarray) -> np.ndarray:
    """Numerator over denominator, `(..., 2) -> (...)`; NaN where the denominator is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan)


def macro_f1(sums: np.ndarray) -> np.ndarray:
    """Mean F1 over classes, `(..., 3 * classes) -> (...)` of true positives, false positives and false negatives.

    A class that a resample holds neither in truth nor in answers has no F1 and is left out of that mean.
    """
    hits, false_alarms, misses = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    total = 2 * hits + false_alarms + misses
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.where(total > 0, 2 * hits / total, 0.0)
        return scores.sum(-1) / (total > 0).sum(-1)


@dataclass(frozen=True)
class Tally:
    """`counts` float64 (records, k), and the statistic that turns their sum `(..., k)` into the metric `(...)`."""

    counts: np.ndarray
    statistic: Callable[[np.ndarray], np.ndarray] = ratio

    def value(self) -> float:
        return float(self.statistic(self.counts.sum(0)))

    def resampled(self, draws: np.ndarray) -> np.ndarray:
        """The metric in each resample; `draws` (resamples, records) as `draw` makes them."""
        return self.statistic(draws @ self.counts)


def draw(records: int, resamples: int, seed: int) -> np.ndarray:
    """How often each record is drawn in each resample: float64 (resamples, records), every row summing to `records`."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(records, np.full(records, 1 / records), size=resamples).astype(np.float64)


@dataclass(frozen=True)
class Interval:
    """A difference and its percentile bootstrap interval (Efron and Tibshirani 1993, ch. 13). NaN where undefined."""

    difference: float
    low: float
    high: float


def paired_interval(later: Tally, earlier: Tally, draws: np.ndarray, *, level: float = 0.95) -> Interval:
    """Interval of `later - earlier` on the same records. Covers the choice of records, not of the training seed."""
    difference = later.value() - earlier.value()
    resampled = later.resampled(draws) - earlier.resampled(draws)
    resampled = resampled[np.isfinite(resampled)]
    if math.isnan(difference) or resampled.size == 0:
        return Interval(math.nan, math.nan, math.nan)
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Interval(difference, float(low), float(high))


def mcnemar(gained: int, lost: int) -> float:
    """Exact two-sided McNemar p for `gained` records only the later model has right and `lost` only the earlier one."""
    discordant = gained + lost
    tail = sum(math.comb(discordant, k) for k in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / 2**discordant)
