"""The diagnoses that an answer gives, as data: which are asserted, doubted or contradicted. No weights.

Rewards put their weights on it, and metrics count it, so that no metric moves when a reward is shaped anew.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.scoring.completion import Completion

LONGEST = 80  # characters kept of a part of the answer that names no diagnosis
UNREAD = "more diagnoses than are read"
_WORD = re.compile(r"[^\W\d_]{2,}")
_PART = re.compile(r"[^;\n；]+")


@dataclass(frozen=True)
class Answer:
    """The diagnoses of an answer, in its order. Each stands in one of the three; a denied diagnosis in none.

    Attributes:
        asserted: canonical names; a part of the answer that names no diagnosis is here as it is written.
        doubted: named as possible and nowhere without doubt.
        contradicted: asserted or doubted, and denied too: "<name> (contradicted)", which is nobody's diagnosis.
    """

    asserted: tuple[str, ...] = ()
    doubted: tuple[str, ...] = ()
    contradicted: tuple[str, ...] = ()

    @property
    def given(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.asserted, *self.doubted, *self.contradicted)

    def is_exactly(self, diagnoses: Collection[str]) -> bool:
        """Whether the answer asserts these diagnoses, all of them, and gives no other.

        Args:
            diagnoses: canonical names.
        """
        return set(self.asserted) == set(diagnoses) and not self.doubted and not self.contradicted


def canonical(diagnosis: str) -> str:
    """The vocabulary's name of a diagnosis, or the diagnosis itself in lower case where the vocabulary has none."""
    statement = vocabulary().find(diagnosis)
    return statement.name if statement else diagnosis.strip().lower()


def canonical_set(diagnoses: Iterable[str]) -> frozenset[str]:
    """The canonical names of these diagnoses."""
    return frozenset(canonical(name) for name in diagnoses)


def read_answer(completion: Completion) -> Answer:
    """Read the diagnoses of a completion's answer.

    A diagnosis that is both asserted and doubted is doubted. A part of the answer (parts end with ";" or a line) that
    names no diagnosis is asserted as it is written. A completion with more mentions than are read answers `UNREAD`
    alone: a denial may stand behind them.
    """
    if completion.overfull:
        return Answer((UNREAD,))
    mentions = [m for m in completion.statements if m.where == "answer"]
    denied = {m.name for m in mentions if m.polarity == "negated"}
    doubtful = {m.name for m in mentions if m.polarity == "uncertain"}
    given = dict.fromkeys(m.name for m in mentions if m.polarity != "negated")
    certain = [name for name in given if name not in denied | doubtful]
    unnamed = [part for part in _unnamed(completion, [m.span[0] for m in mentions]) if part not in given]
    return Answer(
        asserted=tuple(dict.fromkeys(certain + unnamed)),
        doubted=tuple(name for name in given if name in doubtful - denied),
        contradicted=tuple(f"{name} (contradicted)" for name in given if name in denied),
    )


def _unnamed(completion: Completion, starts: list[int]) -> Iterator[str]:
    """The parts of the answer that name no diagnosis; `starts`: where its mentions begin, in order."""
    for start, end, place in completion.sections:
        if place == "answer":
            for part in _PART.finditer(completion.text, start, end):
                named = bisect_left(starts, part.end()) > bisect_left(starts, part.start())
                if not named and _WORD.search(part.group()):
                    yield part.group().strip().lower()[:LONGEST]
