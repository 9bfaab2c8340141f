"""Intervals and p values of a difference between two models, from one paired bootstrap over clusters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, t

from ecg_r1.evaluation.bootstrap import Tally
from ecg_r1.evaluation.studentised import studentised

FEW = 200  # clusters; with fewer, intervals are corrected for bias, skewness and the small sample


@dataclass(frozen=True)
class Interval:
    """A difference, its bootstrap interval, and the p value that inverts the interval. NaN where undefined."""

    difference: float
    low: float
    high: float
    p: float = math.nan


UNDEFINED = Interval(math.nan, math.nan, math.nan)


def number(value: float) -> float | None:
    """A figure as JSON can hold it: None where it is undefined."""
    return float(value) if math.isfinite(value) else None


def method(clusters: int) -> str:
    """How `paired_interval` makes an interval from so many clusters: "BCa" or "percentile"."""
    return "BCa" if clusters < FEW else "percentile"


def paired_interval(later: Tally, earlier: Tally, draws: np.ndarray, *, level: float = 0.95) -> Interval:
    """The interval of `later - earlier`. It covers the choice of the clusters, not the training seed.

    With `FEW` clusters or more it is the percentile interval (Efron and Tibshirani 1993, ch. 13). With fewer it is the
    bias-corrected and accelerated one (BCa, ch. 14), whose quantiles are widened from the normal to Student's t with
    clusters - 1 degrees of freedom (Hesterberg, Am Stat 2015;69:371, "expanded percentile"); a mean of unbounded values
    has the studentised one, see there. `benchmarks/intervals.py` measures how often each covers a known difference.

    Args:
        later: its rows are those that are drawn, clusters where examples are not independent.
        earlier: of the same rows, in the same order.
        draws: (resamples, rows), as `bootstrap.draw` makes them.
        level: of the interval, between 0 and 1.
    """
    difference = later.value() - earlier.value()
    resampled = later.resampled(draws) - earlier.resampled(draws)
    resampled = np.sort(resampled[np.isfinite(resampled)])
    if math.isnan(difference) or resampled.size == 0:
        return UNDEFINED
    rows = draws.shape[1]
    few = 1 < rows < FEW
    if few and later.unbounded and earlier.unbounded:
        return Interval(difference, *studentised(later.counts, earlier.counts, len(draws), level))
    bias, acceleration = _corrections(later, earlier, difference, resampled) if few else (0.0, 0.0)
    tail = (1 - level) / 2
    reach = math.sqrt(rows / (rows - 1)) * t.ppf(1 - tail, rows - 1) if few else norm.ppf(1 - tail)
    ends = np.array([bias - reach, bias + reach])
    low, high = np.quantile(resampled, norm.cdf(bias + ends / (1 - acceleration * ends)))
    return Interval(difference, float(low), float(high), _p_value(resampled, bias, acceleration, rows if few else 0))


def value_interval(tally: Tally, draws: np.ndarray) -> Interval:
    """The interval of one model's metric, as that of its difference to a model whose metric is always 0.

    Args:
        tally, draws: as of `paired_interval`.
    """
    return paired_interval(tally, Tally(np.tile([0.0, 1.0], (len(tally.counts), 1))), draws)


def _corrections(later: Tally, earlier: Tally, difference: float, resampled: np.ndarray) -> tuple[float, float]:
    """BCa's bias (from the median of the resamples) and acceleration (from leaving out one cluster at a time)."""
    near = 1e-12 * (1 + abs(difference))
    below = (np.searchsorted(resampled, difference - near) + np.searchsorted(resampled, difference + near)) / 2
    bias = norm.ppf(below / resampled.size)
    without = [tally.statistic(tally.counts.sum(0) - tally.counts) for tally in (later, earlier)]
    left = without[0] - without[1]
    apart = left[np.isfinite(left)].mean() - left[np.isfinite(left)] if np.isfinite(left).any() else np.zeros(1)
    cubed = 6 * float(apart @ apart) ** 1.5
    acceleration = float((apart**3).sum()) / cubed if cubed > 0 else 0.0
    return (float(bias) if math.isfinite(bias) else 0.0), acceleration


def _p_value(resampled: np.ndarray, bias: float, acceleration: float, rows: int) -> float:
    """Two-sided p of "no difference": 1 - the level of the widest interval that does not hold 0.

    Never less than one resample can tell.
    """
    least = 1 / (resampled.size + 1)
    below = (np.searchsorted(resampled, 0.0, "left") + np.searchsorted(resampled, 0.0, "right")) / 2 / resampled.size
    at = norm.ppf(np.clip(below, least, 1 - least)) - bias
    reach = abs(at / (1 + acceleration * at) - bias)
    if rows:
        return float(np.clip(2 * t.sf(reach * math.sqrt((rows - 1) / rows), rows - 1), 2 * least, 1.0))
    return float(np.clip(2 * norm.sf(reach), 2 * least, 1.0))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjust the p values of one family of tests: the chance of any false finding among them stays at the level.

    Holm, Scand J Stat 1979;6:65.

    Args:
        p_values: by name; a NaN is no test, and stays NaN.
    """
    tested = sorted((p, name) for name, p in p_values.items() if not math.isnan(p))
    adjusted, largest = dict.fromkeys(p_values, math.nan), 0.0
    for place, (p, name) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - place) * p))
        adjusted[name] = largest
    return adjusted
