"""How often the intervals of `ecg_r1.evaluation.intervals` cover a known difference: 95% is asked of them.

    python benchmarks/intervals.py [--draws 1000] [--clusters 51 208 440]

Two models are made up whose difference is known: rates of right answers, shares of supported values (1 to 6 of them in
an answer), mean errors, and a macro F1 over three diagnoses. Records differ in how hard they are, so that the answers
to three questions about one record are alike. Ends with 1 where a coverage lies outside 93% to 97%.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import numpy as np

from ecg_r1.evaluation.bootstrap import Tally, cluster_codes, draw, macro_f1
from ecg_r1.evaluation.intervals import method, paired_interval
from ecg_r1.terminal import say

LEAST, MOST = 0.93, 0.97
Made = tuple[Tally, Tally]  # later, earlier; one row an answer


def _ratio(numerator: np.ndarray, denominator: np.ndarray | float = 1.0, unbounded: bool = False) -> Tally:
    return Tally(np.stack(np.broadcast_arrays(numerator.astype(float), denominator), axis=1), unbounded=unbounded)


def rate(rng: np.random.Generator, records: np.ndarray) -> Made:
    """Right answers; later minus earlier is 0.3 (1 - 2/3) = 0.1."""
    right = rng.beta(2, 1, records.max() + 1)[records]
    return _ratio(rng.random(len(records)) < right + 0.3 * (1 - right)), _ratio(rng.random(len(records)) < right)


def share(rng: np.random.Generator, records: np.ndarray) -> Made:
    """Supported of the quoted values; later minus earlier is 0.5 (1 - 4/5) = 0.1."""
    right, quoted = rng.beta(4, 1, records.max() + 1)[records], rng.integers(1, 7, len(records))
    later, earlier = (rng.binomial(quoted, p) for p in (right + 0.5 * (1 - right), right))
    return _ratio(later, quoted), _ratio(earlier, quoted)


def error(rng: np.random.Generator, records: np.ndarray) -> Made:
    """Absolute errors with a heavy tail: exponential with means 6 (later) and 10, as large again on hard records."""
    hard = rng.exponential(1, records.max() + 1)[records]
    return tuple(  # type: ignore
        _ratio(mean * (hard + rng.exponential(1, len(records))) / 2, unbounded=True) for mean in (6.0, 10.0)
    )


def f1(rng: np.random.Generator, records: np.ndarray) -> Made:
    """Macro F1 of three diagnoses; the limit of its difference for many records is taken as the truth."""
    truth = rng.integers(0, 3, records.max() + 1)[records]
    made = []
    for skill in (0.8, 0.6):
        easy = rng.random(records.max() + 1)[records] < skill
        said = np.where(easy, truth, rng.integers(0, 3, len(records)))
        table = [np.eye(3, dtype=bool)[rows] for rows in (truth, said)]
        counts = [table[0] & table[1], ~table[0] & table[1], table[0] & ~table[1]]
        made.append(Tally(np.concatenate(counts, axis=1).astype(float), macro_f1))
    return made[0], made[1]


# what is made -> the true difference. F1: of an answer that is right with probability s + (1 - s) / 3, so 0.2 * 2/3.
MADE: dict[Callable[[np.random.Generator, np.ndarray], Made], float] = {rate: 0.1, share: 0.1, error: -4.0, f1: 0.4 / 3}


def coverage(make: Callable[..., Made], truth: float, clusters: int, questions: int, repeats: int) -> float:
    """The share of `repeats` made-up comparisons whose interval holds the truth."""
    rng = np.random.default_rng(clusters + questions)
    codes = cluster_codes(np.repeat(np.arange(clusters), questions).tolist())
    draws, covered = draw(clusters, 2000, seed=0), 0
    for _ in range(repeats):
        later, earlier = (tally.per_cluster(codes) for tally in make(rng, codes))
        found = paired_interval(later, earlier, draws)
        covered += found.low <= truth <= found.high
    return covered / repeats


def main() -> int:
    """Print the coverages; 1 where one is outside."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--clusters", type=int, nargs="+", default=[51, 208, 440])
    options = parser.parse_args()
    outside = 0
    for clusters in options.clusters:
        for questions in (1, 3):
            for make, truth in MADE.items():
                share_covered = coverage(make, truth, clusters, questions, options.draws)
                outside += not LEAST <= share_covered <= MOST
                how = "studentised" if make is error and method(clusters) == "BCa" else method(clusters)
                say(f"{clusters} records, {questions} questions each, {make.__name__}, {how}: {share_covered:.1%}")
    return int(outside > 0)


if __name__ == "__main__":
    sys.exit(main())
