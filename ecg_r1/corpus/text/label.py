"""Labels as a reading states them: in clinical order, and as sure as the cardiologists were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from ecg_r1.ecg.criteria import criteria
from ecg_r1.ecg.vocabulary import vocabulary

Certainty = Literal["certain", "likely", "possible", "doubtful"]
NORMAL = "normal ECG"
DOUBTED = "possible "  # begins a label that the data set itself doubts (`scoring.labels.as_labels`)
# Likelihoods of PTB-XL, in percent, from which on a statement is worded so; 100 and none given (0) are certain.
LIKELY, POSSIBLE = 80.0, 50.0
# Statements that no ECG has together; of those with limits of one quantity, `criteria` tells it.
EXCLUDING = (
    ("sinus rhythm", "atrial fibrillation"), ("sinus rhythm", "atrial flutter"), ("sinus rhythm", "junctional rhythm"),
    ("sinus bradycardia", "atrial fibrillation"), ("sinus tachycardia", "atrial fibrillation"),
    ("left bundle branch block", "incomplete left bundle branch block"),
    ("right bundle branch block", "incomplete right bundle branch block"),
    ("left bundle branch block", "right bundle branch block"),
    ("left anterior fascicular block", "left posterior fascicular block"),
    ("low QRS voltages", "high QRS voltage"), ("first-degree AV block", "third-degree AV block"),
    ("clockwise rotation", "counterclockwise rotation"),
)  # fmt: skip


@dataclass(frozen=True)
class Stated:
    """One diagnosis of the label.

    name: canonical, or as the label writes it where the vocabulary does not know it. certainty: how it is worded.
    """

    name: str
    certainty: Certainty = "certain"

    @property
    def normal(self) -> bool:
        """Whether it says that there is nothing else."""
        return self.name == NORMAL

    @property
    def abnormal(self) -> bool:
        """Whether it is neither a normal ECG nor sinus rhythm alone."""
        return self.name not in (NORMAL, "sinus rhythm")

    @property
    def rhythm(self) -> bool:
        """Whether it names the rhythm that the reading begins with."""
        return self.name in rhythms()


def stated(diagnoses: Iterable[str], likelihoods: Mapping[str, float] | None = None) -> tuple[Stated, ...]:
    """The diagnoses of a record's label in clinical order.

    Rhythm comes first, then conduction, infarction, repolarisation, chambers and form, in the order of
    `data/vocabulary.yaml`; a normal ECG comes last.

    Args:
        likelihoods: of the names, in percent; 0 where none is given.
    """
    given = likelihoods or {}
    found = dict[str, Stated]()
    for label in diagnoses:
        name = label.removeprefix(DOUBTED)
        sure: Certainty = "possible" if label != name else _certainty(given.get(name, 0.0))
        found.setdefault(name, Stated(name, sure))
    return tuple(sorted(found.values(), key=lambda one: _order().get(one.name, len(_order()))))


def excluding(said: Iterable[Stated]) -> tuple[tuple[str, str], ...]:
    """The pairs of a label of which no ECG has both: a normal ECG and a diagnosis, or two that exclude each other."""
    names = [one.name for one in said]
    if len(names) < 2:
        return ()
    pairs = [(a, b) for a, b in EXCLUDING if a in names and b in names]
    pairs += [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if _apart(a, b)]
    if NORMAL in names:
        pairs += [(NORMAL, name) for name in names if _diagnostic(name)]
    return tuple(dict.fromkeys(pairs))


def _certainty(likelihood: float) -> Certainty:
    if likelihood in (0.0, 100.0):
        return "certain"
    return "likely" if likelihood >= LIKELY else "possible" if likelihood >= POSSIBLE else "doubtful"


def _diagnostic(name: str) -> bool:
    statement = vocabulary().find(name)
    return statement is not None and statement.superclass not in (None, "NORM") and statement.kind == "diagnostic"


@cache
def _apart(a: str, b: str) -> bool:
    """Whether both imply a limit of the same quantity, and no value of it meets both."""
    known = criteria()
    if a not in known or b not in known or known[a].quantity != known[b].quantity:
        return False
    limits = [limit for criterion in (known[a], known[b]) for _, limit in criterion.relations]
    tried = [value + step for value in limits for step in (-1.0, -0.01, 0.0, 0.01, 1.0)]
    return not any(known[a].holds(value) and known[b].holds(value) for value in tried)


@cache
def _order() -> Mapping[str, int]:
    names = [statement.name for statement in vocabulary() if statement.name != NORMAL]
    return {name: place for place, name in enumerate([*names, NORMAL])}


@cache
def rhythms() -> frozenset[str]:
    """Statements that name the rhythm as a whole, and not single beats of it."""
    beats = ("premature", "escape beat", "geminy", "geminal", "paired", "fusion", "dysrhythmia", "arrest", "block")
    kinds = (statement.name for statement in vocabulary() if statement.kind == "rhythm")
    return frozenset(name for name in kinds if not any(word in name for word in beats))
