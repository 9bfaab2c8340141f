"""Baselines that fit nothing: the commonest labels, and the criteria of the vocabulary on the measurements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ecg_r1.ecg.criteria import criteria
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.evaluation.baselines.contract import ECG, Answers, Labels, Said

NORMAL, SINUS = "normal ECG", "sinus rhythm"


def majority(ecgs: Sequence[ECG], truths: Sequence[Labels], seed: int) -> Answers:
    """The commonest set of labels of the training records."""
    commonest = Counter(truth for truth in truths if truth).most_common(1)[0][0]
    return lambda asked: [Said(commonest) for _ in asked]


def rules(ecgs: Sequence[ECG], truths: Sequence[Labels], seed: int) -> Answers:
    """The statements whose criterion the measurements meet, of those that occur in the training labels."""
    known = frozenset().union(*truths)
    return lambda asked: [Said(by_rules(ecg.measurements, known)) for ecg in asked]


def by_rules(measured: Measurements, known: Labels) -> Labels:
    """Each known statement whose criterion is met, or whose missing waves are missing; a normal ECG where none is.

    Sinus rhythm stands beside them where P waves go before the QRS and no other rhythm is found.
    """
    found: set[str] = set()
    for statement in vocabulary():
        if statement.name not in known:
            continue
        criterion = criteria().get(statement.name)
        value = None if criterion is None else measured.value(criterion.quantity)
        meets = criterion is None or (value is not None and criterion.holds(value))
        lacks = "P" in statement.absent_waves and measured["pr_ms"].absent
        if meets and (lacks if statement.absent_waves else criterion is not None):
            found.add(statement.name)
    found = found or {NORMAL} & known
    rhythms = {statement.name for statement in vocabulary() if statement.kind == "rhythm"}
    if measured.value("pr_ms") is not None and not found & rhythms:
        found |= {SINUS} & known
    return frozenset(found)
