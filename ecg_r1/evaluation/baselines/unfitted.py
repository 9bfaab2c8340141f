"""Baselines that fit nothing: the commonest labels, and criteria and findings on the measurements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ecg_r1.corpus.text.knowledge import known as knowledge_of
from ecg_r1.corpus.text.seen import look
from ecg_r1.ecg.criteria import criteria
from ecg_r1.ecg.findings import State
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.vocabulary import Statement, vocabulary
from ecg_r1.evaluation.baselines.contract import ECG, Answers, Labels, Said

NORMAL, SINUS = "normal ECG", "sinus rhythm"


def majority(ecgs: Sequence[ECG], truths: Sequence[Labels], seed: int) -> Answers:
    """The commonest set of labels of the training records."""
    commonest = Counter(truth for truth in truths if truth).most_common(1)[0][0]
    return lambda asked: [Said(commonest) for _ in asked]


def rules(ecgs: Sequence[ECG], truths: Sequence[Labels], seed: int) -> Answers:
    """The statements that the measurements show, of those that occur in the training labels; see `by_rules`."""
    known = frozenset().union(*truths)
    return lambda asked: [Said(by_rules(ecg.measurements, known)) for ecg in asked]


def by_rules(measured: Measurements, known: Labels) -> Labels:
    """Each known statement that the measurements show; a normal ECG where they show none.

    A statement is shown where its criterion is met, or the waves that it lacks are missing, and its strongest finding
    is present or cannot be measured. A criterion alone is often only necessary, as QRS < 120 ms for an incomplete
    bundle branch block. Sinus rhythm is added where P waves go before the QRS and no other rhythm is shown.
    """
    shown = {s.name for s in vocabulary() if s.name in known and _is_shown(s, measured)} or {NORMAL} & known
    rhythms = {statement.name for statement in vocabulary() if statement.kind == "rhythm"}
    if measured.value("pr_ms") is not None and not shown & rhythms:
        shown |= {SINUS} & known
    return frozenset(shown)


def _is_shown(statement: Statement, measured: Measurements) -> bool:
    criterion = criteria().get(statement.name)
    if criterion is not None:
        value = measured.value(criterion.quantity)
        if value is None or not criterion.holds(value):
            return False
    elif not ("P" in statement.absent_waves and measured["pr_ms"].absent):
        return False
    strongest = next((sign for sign in knowledge_of(statement.name).signs if sign.is_finding), None)
    return strongest is None or look(strongest, measured).state in (State.PRESENT, State.UNMEASURABLE)
