"""Answers as a multi-label classification, over the diagnoses of the split and over PTB-XL's superclasses.

An answer asserts labels. How probable it holds each is the share of the example's answers that assert it, or the
probability that the model itself gave (`Prediction.probabilities`). Labels outside the space, which no case of the
split has, count in `diagnosis_accuracy` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np

from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.evaluation.bootstrap import Tally, macro_f1
from ecg_r1.evaluation.metrics import Judged

STEPS = 50  # given probabilities are compared in steps of 1 / STEPS
BINS = 10  # of the reliability plot, and of the calibration error
SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")


@dataclass(frozen=True)
class Labels:
    """Answers in one label space.

    Attributes:
        names: the classes (C), those that a case of the split has.
        truth, answered: bool (answers, C).
        first: int (examples,), the row of each example's first answer.
        probability: (examples, C), from 0 to 1.
        steps: the probabilities are multiples of 1 / steps.
    """

    names: tuple[str, ...]
    truth: np.ndarray
    answered: np.ndarray
    first: np.ndarray
    probability: np.ndarray
    steps: int

    @property
    def levels(self) -> np.ndarray:
        """The probabilities as int (examples, C), in `steps`."""
        return np.rint(self.probability * self.steps).astype(int)


def diagnoses(judged: Sequence[Judged]) -> Labels:
    """Answers over the diagnoses that the cases have."""
    return _labels(judged, [j.truth for j in judged], [j.answered for j in judged])


def superclasses(judged: Sequence[Judged]) -> Labels:
    """Answers over the superclasses of the diagnoses; a diagnosis without one, such as a rhythm, is left out."""
    truth, answered = ([_classes(getattr(j, name)) for j in judged] for name in ("truth", "answered"))
    return _labels(judged, truth, answered, order=SUPERCLASSES)


def _classes(names: frozenset[str]) -> frozenset[str]:
    found = (vocabulary().find(name) for name in names)
    return frozenset(statement.superclass for statement in found if statement and statement.superclass)


def _labels(
    judged: Sequence[Judged], truth: list[frozenset[str]], answered: list[frozenset[str]], order: Sequence[str] = ()
) -> Labels:
    names = sorted(frozenset().union(*truth), key=lambda name: (order.index(name) if name in order else -1, name))
    true, said = (
        np.array([[name in row for name in names] for row in rows], dtype=bool).reshape(len(judged), len(names))
        for rows in (truth, answered)
    )
    groups = [list(rows) for _, rows in groupby(range(len(judged)), key=lambda row: judged[row].example_id)]
    given = [judged[rows[0]].probabilities for rows in groups]
    if given and all(row is not None for row in given):
        probability, steps = np.array([[_given(row or {}, name) for name in names] for row in given]), STEPS
    else:
        probability, steps = np.array([said[rows].mean(0) for rows in groups]), max(map(len, groups), default=1)
    probability = probability.reshape(len(groups), len(names))
    return Labels(tuple(names), true, said, np.array([rows[0] for rows in groups], dtype=int), probability, steps)


def _given(probabilities: Mapping[str, float], name: str) -> float:
    """The probability of a diagnosis; of a superclass, that at least its most probable diagnosis is there."""
    if name in SUPERCLASSES:
        members = [p for key, p in probabilities.items() if name in _classes(frozenset({key}))]
        return max(members, default=0.0)
    return probabilities.get(name, 0.0)


def class_tallies(judged: Sequence[Judged]) -> dict[str, Tally]:
    """The metrics of classification by name, one row an answer; what belongs to an example is in its first answer's.

    * `<space>_auroc`: mean over the classes of the area under the ROC curve (Hanley and McNeil 1982); a greedy answer
      without probabilities has two levels, and its area is the mean of sensitivity and specificity.
    * `<space>_hamming`: share of (answer, class) pairs that are wrong.
    * `<space>_ece`: expected calibration error (Naeini et al. 2015) of the labels that an example's answers assert at
      least once; only where several answers, or probabilities, are given.
    * `superclass_macro_f1`, `superclass_exact`: as `diagnosis_macro_f1` and `diagnosis_accuracy`, over superclasses,
      of the answers about a case that has one.

    `<space>` is "diagnosis", and "superclass" where a case has one.
    """
    table = _tallies("diagnosis", diagnoses(judged))
    coarse = superclasses(judged)
    if coarse.names:
        table |= _tallies("superclass", coarse)
        counts = [coarse.truth & coarse.answered, ~coarse.truth & coarse.answered, coarse.truth & ~coarse.answered]
        labelled = coarse.truth.any(1)
        exact = (coarse.truth == coarse.answered).all(1) & labelled
        table["superclass_macro_f1"] = Tally(np.concatenate(counts, axis=1).astype(float), macro_f1)
        table["superclass_exact"] = Tally(np.stack([exact, labelled], axis=1).astype(float))
    return table


def _tallies(space: str, labels: Labels) -> dict[str, Tally]:
    wrong = (labels.truth != labels.answered).sum(1)
    table = {
        f"{space}_auroc": _auroc(labels),
        f"{space}_hamming": Tally(np.stack([wrong, np.full(len(wrong), len(labels.names))], axis=1).astype(float)),
    }
    if labels.steps > 1:
        table[f"{space}_ece"] = _calibration(labels)
    return table


def auroc(sums: np.ndarray, levels: int) -> np.ndarray:
    """Mean area under the ROC curve of the classes that have both positive and negative examples.

    Args:
        sums: (..., 2 * classes * levels): of the positive examples of each class, how many have each level of
            probability, from the lowest; then of the negative ones.
        levels: of the probability.

    Returns:
        (...); NaN where no class has both.
    """
    return _mean(areas(sums, levels))


def areas(sums: np.ndarray, levels: int) -> np.ndarray:
    """The area of each class, (..., classes): the share of pairs that are in the right order; ties count half."""
    positive, negative = np.moveaxis(sums.reshape(*sums.shape[:-1], 2, -1, levels), -3, 0)
    below = negative.cumsum(-1) - negative
    pairs = positive.sum(-1) * negative.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(pairs > 0, (positive * (below + negative / 2)).sum(-1) / pairs, np.nan)


def _mean(values: np.ndarray) -> np.ndarray:
    there = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(there, values, 0).sum(-1) / there.sum(-1)


def _auroc(labels: Labels) -> Tally:
    levels = labels.steps + 1
    at = labels.levels[..., None] == np.arange(levels)
    truth = labels.truth[labels.first][..., None]
    counts = np.stack([at & truth, at & ~truth], axis=1).reshape(len(labels.first), 2 * len(labels.names) * levels)
    return Tally(_in_first_rows(counts, labels), partial(auroc, levels=levels))


def _in_first_rows(counts: np.ndarray, labels: Labels) -> np.ndarray:
    rows = np.zeros((len(labels.truth), counts.shape[1]))
    rows[labels.first] = counts
    return rows


def calibration_error(sums: np.ndarray) -> np.ndarray:
    """Mean distance of probability and share of true labels over the bins, weighted by their labels.

    Args:
        sums: (..., 3 * bins): labels, of which true, and the sum of their probabilities.

    Returns:
        (...); NaN where there is no label.
    """
    count, true, probability = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.abs(true - probability).sum(-1) / count.sum(-1)


def _calibration(labels: Labels) -> Tally:
    bins = np.ceil(labels.probability * BINS - 1e-9).astype(int) - 1  # (0, 0.1], (0.1, 0.2] …; -1 is never asserted
    at = bins[..., None] == np.arange(BINS)
    truth = labels.truth[labels.first][..., None]
    counts = [at.sum(1), (at & truth).sum(1), (at * labels.probability[..., None]).sum(1)]
    return Tally(_in_first_rows(np.concatenate(counts, axis=1).astype(float), labels), calibration_error)


def reliability(judged: Sequence[Judged]) -> list[dict[str, float]]:
    """The reliability plot of the diagnoses: a point for each bin of probability that holds a label, in their order.

    Returns:
        Of each the mean `probability`, the share of `true` labels, and how many `labels`; [] for single answers.
    """
    labels = diagnoses(judged)
    if labels.steps == 1:
        return []
    count, true, probability = _calibration(labels).counts.sum(0).reshape(3, BINS)
    return [
        {"probability": probability[i] / count[i], "true": true[i] / count[i], "labels": int(count[i])}
        for i in np.flatnonzero(count)
    ]


def per_class(labels: Labels) -> dict[str, dict[str, Any]]:
    """Per class: the number of answers about cases that have it, precision, recall, F1, and the area under the curve.

    A figure that does not exist (no answer asserts the class, or every case has it) is None.
    """
    area = areas(_auroc(labels).counts.sum(0), labels.steps + 1)
    table: dict[str, dict[str, Any]] = {}
    for i, name in enumerate(labels.names):
        truth, answered = labels.truth[:, i], labels.answered[:, i]
        hits = int((truth & answered).sum())
        table[name] = {
            "answers": int(truth.sum()),
            "precision": hits / answered.sum() if answered.any() else None,
            "recall": hits / truth.sum(),
            "f1": 2 * hits / (truth.sum() + answered.sum()),
            "auroc": float(area[i]) if np.isfinite(area[i]) else None,
        }
    return table


def confusion(labels: Labels) -> dict[str, dict[str, int]]:
    """Per class, among the answers about cases that have it: how many assert each class, and how many assert none.

    Counts of 0 are left out. A case with several classes counts in the row of each.
    """
    table: dict[str, dict[str, int]] = {}
    for i, name in enumerate(labels.names):
        having = labels.truth[:, i]
        row = dict(zip(labels.names, map(int, labels.answered[having].sum(0)), strict=True))
        row["none of these"] = int((~labels.answered[having].any(1)).sum())
        table[name] = {other: count for other, count in row.items() if count}
    return table
