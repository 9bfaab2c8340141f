"""Tallies that can be resampled over clusters, and the exact test of which model is right more often.

Every metric here is a function of counts that are summed over examples (a rate, a mean error, a macro F1). Examples of
one patient are not independent of each other, so clusters are resampled and not examples (Efron and Tibshirani 1993,
ch. 8). Resampling is one matrix product. Two models are resampled with the same draws, which makes the interval of
their difference a paired one; see `intervals`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import convolve
from scipy.stats import binom, binomtest


def ratio(sums: np.ndarray) -> np.ndarray:
    """Numerator over denominator.

    Args:
        sums: (..., 2).

    Returns:
        (...); NaN where the denominator is 0.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan)


def macro_f1(sums: np.ndarray) -> np.ndarray:
    """Mean F1 over classes.

    A class that a resample holds neither in truth nor in answers has no F1 and is left out of that mean.

    Args:
        sums: (..., 3 * classes): true positives, false positives and false negatives.

    Returns:
        (...).
    """
    hits, false_alarms, misses = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    total = 2 * hits + false_alarms + misses
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = np.where(total > 0, 2 * hits / total, 0.0)
        return scores.sum(-1) / (total > 0).sum(-1)


@dataclass(frozen=True)
class Tally:
    """Counts, and the metric that is a function of their sum.

    Attributes:
        counts: float64 (rows, k); a row is one answer, or the sum of a cluster's answers.
        statistic: sums (..., k) -> the metric (...).
        unbounded: the metric is a mean of values that may be as large as they like, such as an error; see `intervals`.
    """

    counts: np.ndarray
    statistic: Callable[[np.ndarray], np.ndarray] = ratio
    unbounded: bool = False

    def value(self) -> float:
        """The metric over all rows."""
        return float(self.statistic(self.counts.sum(0)))

    def per_cluster(self, codes: np.ndarray) -> Tally:
        """The same counts, summed over the rows of each cluster.

        Args:
            codes: int (rows,), as `cluster_codes` makes them.
        """
        sums = np.zeros((codes.max() + 1, self.counts.shape[1]))
        np.add.at(sums, codes, self.counts)
        return replace(self, counts=sums)

    def resampled(self, draws: np.ndarray) -> np.ndarray:
        """The metric in each resample.

        Args:
            draws: (resamples, rows), as `draw` makes them.

        Returns:
            (resamples,).
        """
        return self.statistic(draws @ self.counts)


def cluster_codes(clusters: Sequence[Hashable]) -> np.ndarray:
    """Number the clusters in the order of their first rows.

    Args:
        clusters: of each row, the cluster that it belongs to.

    Returns:
        int (rows,), from 0; where each row is a cluster of its own, 0, 1, 2 …
    """
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters], dtype=int)


def draw(clusters: int, resamples: int, seed: int) -> np.ndarray:
    """How often each cluster is drawn in each resample.

    Returns:
        float64 (resamples, clusters); each row sums to `clusters`.
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples).astype(np.float64)


def mcnemar(gains: np.ndarray) -> float:
    """Exact two-sided p of "neither model is right more often", over clusters.

    Under that hypothesis the models could be exchanged within a cluster, so each cluster's gain is as likely with the
    opposite sign. p is the probability that the sum of the gains is at least as far from 0 as it is. With one answer
    in each cluster this is McNemar's exact test (scipy's `binomtest` of the discordant pairs). McNemar's own test
    takes all pairs for independent, which several answers about one patient are not.

    Args:
        gains: int (clusters,): answers that only the later model has right, minus those that only the earlier one has.
    """
    sizes, numbers = np.unique(np.abs(gains[gains != 0]), return_counts=True)
    if len(sizes) == 0:
        return 1.0
    if len(sizes) == 1:  # each cluster that changed tips the sum by as much
        return float(binomtest(int((gains > 0).sum()), int(numbers[0])).pvalue)
    chances = np.ones(1)  # of each sum of the clusters so far, in steps of 1, from the lowest
    for size, number in zip(sizes, numbers, strict=True):
        spaced = np.zeros(2 * size * number + 1)
        spaced[:: 2 * size] = binom.pmf(np.arange(number + 1), number, 0.5)
        chances = convolve(chances, spaced)
    sums = np.arange(len(chances)) - len(chances) // 2
    return float(np.clip(chances[np.abs(sums) >= abs(int(gains.sum()))].sum(), 0.0, 1.0))
