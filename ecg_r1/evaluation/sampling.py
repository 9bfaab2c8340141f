"""Several answers to each question: Pass@K, Acc@1 and the majority. Is there anything that RL could sharpen?

GRPO raises the chance of answers that the model already gives some of the time. Where a question is answered right
either always or never, its group has no learning signal; Pass@K near Acc@1 says that most questions are like that
(compare Yue et al., arXiv 2504.13837). Pass@K also grows by guessing. `chance` is the Pass@K of the same answers, dealt
to other questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import comb
from typing import Any

import numpy as np

from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.evaluation.bootstrap import Tally, cluster_codes, draw
from ecg_r1.evaluation.intervals import paired_interval
from ecg_r1.evaluation.metrics import Judged
from ecg_r1.scoring.verify import tolerance_of

DEAL = 0  # seed of the permutation that deals the answers to other questions
SMALL = 0.05  # of Pass@K - Acc@1: less is nothing to sharpen


@dataclass(frozen=True)
class Outcomes:
    """Which of the K answers to each of N questions are right in one respect.

    Attributes:
        right: bool (N, K).
        majority: bool (N,), whether what the answers say together is right.
        chance: bool (N, K), whether the answers to another question would have been.
        rows: int (N,), the questions among all of the split.
    """

    right: np.ndarray
    majority: np.ndarray
    chance: np.ndarray
    rows: np.ndarray


def groups_of(judged: Sequence[Judged]) -> list[list[Judged]]:
    """The answers by question, K of each, in the split's order."""
    return [list(rows) for _, rows in groupby(judged, key=lambda row: row.example_id)]


def diagnosis(groups: Sequence[Sequence[Judged]]) -> Outcomes:
    """Is the set of diagnoses right? Over the cases with a diagnosis. The majority is the commonest set, the first of
    several that are as common.
    """
    rows = np.array([i for i, group in enumerate(groups) if group[0].truth], dtype=int)
    dealt = _dealt(rows)
    own = [groups[i] for i in rows]
    truths = [group[0].truth for group in own]
    said = [[answer.answered for answer in group] for group in own]
    return Outcomes(
        right=_table([[names == truth for names in row] for row, truth in zip(said, truths, strict=True)]),
        majority=np.array([Counter(row).most_common(1)[0][0] == t for row, t in zip(said, truths, strict=True)], bool),
        chance=_table([[names == truth for names in said[j]] for j, truth in zip(dealt, truths, strict=True)]),
        rows=rows,
    )


def quantity(groups: Sequence[Sequence[Judged]], name: str) -> Outcomes:
    """Is the quoted value right? Over the cases where the quantity is measurable and at least one answer quotes it.

    An answer that quotes it more than once counts with the mean; one that does not quote it is wrong. The majority is
    the median of the quoted values.
    """
    table = QUANTITIES[name]
    values = [[_quoted(answer, name) for answer in group] for group in groups]
    measured = [group[0].case.measurements[name] for group in groups]
    rows = np.array(
        [i for i, row in enumerate(values) if measured[i].value is not None and np.isfinite(row).any()], dtype=int
    )
    quoted = np.array([values[i] for i in rows]).reshape(len(rows), len(groups[0]))
    truth = np.array([measured[i].value for i in rows], dtype=float)
    tolerance = np.array([tolerance_of(table, measured[i]) for i in rows])

    def error(said: np.ndarray) -> np.ndarray:
        difference = said - truth[:, None]
        return (difference + 180) % 360 - 180 if table.circular else difference

    with np.errstate(invalid="ignore"):
        return Outcomes(
            right=np.abs(error(quoted)) <= tolerance[:, None],
            majority=np.abs(np.nanmedian(error(quoted), axis=1)) <= tolerance if len(rows) else np.zeros(0, bool),
            chance=np.abs(error(quoted[_dealt(rows)])) <= tolerance[:, None],
            rows=rows,
        )


def _quoted(answer: Judged, name: str) -> float:
    values = [row.quoted for row in answer.evidence if row.quantity == name and row.quoted is not None]
    return float(np.mean(values)) if values else np.nan


def _table(rows: list[list[bool]]) -> np.ndarray:
    return np.array(rows, dtype=bool).reshape(len(rows), len(rows[0]) if rows else 0)


def _dealt(rows: np.ndarray) -> np.ndarray:
    """For each question, another one whose answers it is given: a random order, moved on by one."""
    order = np.random.default_rng(DEAL).permutation(len(rows))
    dealt = np.empty(len(rows), dtype=int)
    dealt[order] = np.roll(order, 1)
    return dealt


def pass_at(right: np.ndarray, k: int) -> np.ndarray:
    """The chance that at least one of k answers, drawn from the K, is right (Chen et al., arXiv 2107.03374).

    Args:
        right: bool (N, K).
        k: from 1 to K.

    Returns:
        (N,).
    """
    total = right.shape[1]
    return np.array([1 - comb(total - int(c), k) / comb(total, k) for c in right.sum(1)])


def summary(outcomes: Outcomes, clusters: Sequence[str], resamples: int, seed: int) -> dict[str, Any]:
    """The figures of one respect.

    Args:
        outcomes: of N questions.
        clusters: of each question of the split, the cluster it is drawn with.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        `questions`; `acc_1`; `pass`, by k = 1, 2, 4 … K; `majority`; `chance`, Pass@K of answers to other questions;
        `mixed`, the share of questions that are answered both right and wrong; and `headroom`, Pass@K - Acc@1 with its
        95% interval. All but `questions` are missing where there is no question.
    """
    count, k = outcomes.right.shape if outcomes.right.size else (0, 0)
    if count == 0:
        return {"questions": 0}
    steps = [step for step in (1, 2, 4, 8, 16, 32, 64) if step < k] + [k]
    share, best = outcomes.right.mean(1), outcomes.right.any(1)
    codes = cluster_codes([clusters[row] for row in outcomes.rows])
    some, each = (
        Tally(np.stack([values.astype(float), np.ones(count)], axis=1)).per_cluster(codes) for values in (best, share)
    )
    found = paired_interval(some, each, draw(int(codes.max()) + 1, resamples, seed))
    return {
        "questions": count,
        "acc_1": float(share.mean()),
        "pass": {str(step): float(pass_at(outcomes.right, step).mean()) for step in steps},
        "majority": float(outcomes.majority.mean()),
        "chance": float(outcomes.chance.any(1).mean()),
        "mixed": float((best & ~outcomes.right.all(1)).mean()),
        "headroom": {"difference": found.difference, "low": found.low, "high": found.high},
    }


def sampled(judged: Sequence[Judged], clusters: Sequence[str], resamples: int, seed: int) -> dict[str, Any]:
    """One model's figures: of the diagnosis, by diagnosis, and of each quantity that its answers quote.

    Args:
        judged: K answers to each question.
        clusters: of each question, in the same order.
        resamples, seed: of the bootstrap.

    Returns:
        `k`, `diagnosis`, `diagnoses` (by name) and `quantities` (by name), each as `summary` gives it.
    """
    groups = groups_of(judged)
    whole = diagnosis(groups)
    names = sorted(frozenset().union(*(group[0].truth for group in groups)))

    def told(outcomes: Outcomes) -> dict[str, Any]:
        return summary(outcomes, clusters, resamples, seed)

    having = {name: np.array([name in groups[row][0].truth for row in whole.rows], dtype=bool) for name in names}
    quantities = {name: told(quantity(groups, name)) for name in QUANTITIES}
    return {
        "k": len(groups[0]),
        "diagnosis": told(whole),
        "diagnoses": {
            name: told(Outcomes(whole.right[at], whole.majority[at], whole.chance[at], whole.rows[at]))
            for name, at in having.items()
        },
        "quantities": {name: row for name, row in quantities.items() if row["questions"]},
    }


def verdict(row: dict[str, Any]) -> str:
    """In words: whether there is something to sharpen, by the interval of Pass@K - Acc@1."""
    room = row.get("headroom")
    if room is None:
        return "no question"
    if room["high"] < SMALL:
        return "little to sharpen"
    return "room to sharpen" if room["low"] > SMALL else "unclear: ask more questions, or sample more answers"
