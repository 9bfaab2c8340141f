"""Labels, read as an answer is; and an answer as it stands against them. No weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.scoring.answers import Answer, read_answer
from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import Case
from ecg_r1.scoring.contraries import stances_of
from ecg_r1.scoring.remarks import ABNORMAL, BORDERLINE, OTHERWISE_NORMAL, VARIANT

NORMAL, SINUS = "normal ECG", "sinus rhythm"


def truth_of(case: Case) -> Answer:
    """What the labels of a case say."""
    return read_labels(case.diagnoses)


@lru_cache(maxsize=16384)
def read_labels(labels: tuple[str, ...]) -> Answer:
    """What labels say: names and codes of the vocabulary, or free text, which is read as an answer is.

    A label of which nothing is read is asserted as it is written. Labels that are verdicts alone ("abnormal ECG")
    assert these.
    """
    known = [vocabulary().find(label) for label in labels]
    names = [statement.name if statement else label for label, statement in zip(labels, known, strict=True)]
    if all(known):
        return Answer(tuple(dict.fromkeys(names)))
    truth = read_answer(Completion("\n".join(names), all_answer=True))
    return truth if truth.given else replace(truth, asserted=truth.verdicts)


def as_labels(truth: Answer) -> tuple[str, ...]:
    """Labels in the vocabulary's names that are read as this truth; what is unread or contradicted is left out."""
    named = (name for name in truth.asserted if vocabulary().find(name) or name in truth.verdicts)
    return (*named, *(f"possible {name}" for name in truth.doubted))


def held_against(answer: Answer, case: Case) -> Answer:
    """An answer without what can be neither right nor wrong beside the labels of a case.

    That is a diagnosis of a kind that its data set never labels (`Case.unlabelled`), and a verdict that fits them. A
    verdict that does not fit is asserted like a needless diagnosis: "abnormal ECG" of a normal ECG, "otherwise normal"
    where the answer lacks something abnormal of the labels. "Otherwise normal" is a normal ECG where the labels say so
    too, and the answer says nothing else that they do not.
    """
    truth = truth_of(case)
    free = _unlabelled(case.unlabelled) - set(truth.given)
    kept = Answer(
        *(tuple(n for n in names if n.removesuffix(" (contradicted)") not in free) for names in _parts(answer))
    )
    said = [name for verdict in answer.verdicts if (name := _stands_for(verdict, kept, truth))]
    return replace(kept, asserted=tuple(dict.fromkeys([*kept.asserted, *said])))


def _parts(answer: Answer) -> Iterable[tuple[str, ...]]:
    return answer.asserted, answer.doubted, answer.contradicted


def _stands_for(verdict: str, answer: Answer, truth: Answer) -> str | None:
    """The diagnosis that a verdict counts as; None where it fits the truth."""
    if verdict in truth.asserted:  # nothing else is labelled
        return verdict
    if verdict in truth.verdicts or verdict == VARIANT:
        return None
    normal = NORMAL in truth.asserted
    if verdict == ABNORMAL:
        return ABNORMAL if normal or NORMAL in answer.asserted else None
    if verdict == BORDERLINE:
        return BORDERLINE if NORMAL in answer.asserted else None
    if normal:  # "X, otherwise normal" of a normal ECG is wrong in X
        return NORMAL if set(answer.asserted) <= {*truth.asserted, SINUS} else None
    missed = {name for name in truth.asserted if ("verdict", "abnormal") in stances_of(name)} - set(answer.given)
    return OTHERWISE_NORMAL if missed else None


@lru_cache(maxsize=64)
def _unlabelled(kinds: tuple[str, ...]) -> frozenset[str]:
    return frozenset(statement.name for statement in vocabulary() if statement.kind in kinds)
