"""What a baseline sees of an ECG, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ecg_r1.corpus.store import RecordStore
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.errors import UserError

FEWEST = 2  # training cases that a label needs on each side to be fitted

Labels = frozenset[str]


class BaselineError(UserError):
    """A baseline that cannot be fitted; the message says which and why."""


@dataclass(frozen=True)
class ECG:
    """One ECG of a split."""

    store: RecordStore
    record: str
    measurements: Measurements

    def signal(self) -> np.ndarray:
        """float32 (12, 5000) in mV, in the order of `ecg.leads.LEADS`."""
        return self.store.signal(self.record)


@dataclass(frozen=True)
class Said:
    """An answer: the labels that are asserted, and their probabilities where the baseline has any."""

    labels: Labels
    probabilities: Mapping[str, float] | None = None


Answers = Callable[[Sequence[ECG]], list[Said]]  # a baseline that is fitted
Fit = Callable[[Sequence[ECG], Sequence[Labels], int], Answers]  # of training ECGs, their labels, and a seed


def learnable(truths: Sequence[Labels]) -> tuple[list[str], np.ndarray]:
    """The labels that at least `FEWEST` training cases have and as many have not.

    Returns:
        Their names (C), and bool (cases, C).

    Raises:
        BaselineError: there is none.
    """
    names = sorted(frozenset().union(*truths))
    table = np.array([[name in truth for name in names] for truth in truths]).reshape(len(truths), len(names))
    kept = np.minimum(table.sum(0), (~table).sum(0)) >= FEWEST
    if not kept.any():
        raise BaselineError(f"no label has {FEWEST} training cases with and without it")
    return [name for name, keep in zip(names, kept, strict=True) if keep], table[:, kept]


def asserted(names: Sequence[str], probabilities: np.ndarray) -> list[Said]:
    """The labels from a probability of one half, or without any, the most probable one.

    Args:
        names: of the labels (C).
        probabilities: (ECGs, C).
    """
    return [
        Said(
            frozenset(name for name, p in zip(names, row, strict=True) if p >= 0.5)
            or frozenset({names[int(row.argmax())]}),
            dict(zip(names, map(float, row), strict=True)),
        )
        for row in probabilities
    ]
