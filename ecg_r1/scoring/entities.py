"""Entities of a free-text report: the labels that SuPreME asks a language model for, read by rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, NamedTuple

from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.errors import UserError, did_you_mean
from ecg_r1.reading.text.sentences import sentences
from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.labels import NORMAL
from ecg_r1.scoring.remarks import OTHERWISE_NORMAL, advice, verdicts
from ecg_r1.shipped import shipped_table

Certainty = Literal["asserted", "uncertain", "negated"]
_ORDER: tuple[Certainty, ...] = ("negated", "uncertain", "asserted")  # what is said later in it wins
_WORD = re.compile(r"[\w-]+")


class Entity(NamedTuple):
    """One statement of the vocabulary that a report speaks of.

    Attributes:
        name: its canonical name.
        certainty: "uncertain": named as possible, and nowhere without doubt; "negated": denied, and nowhere else named.
    """

    name: str
    certainty: Certainty


class _Convention(NamedTuple):
    reads: str
    means: tuple[str, ...]
    among: frozenset[str] = frozenset()


def entities(report: str, archive: str | None = None) -> tuple[Entity, ...]:
    """The statements that a report asserts, doubts or denies, as one-time label extraction for SuPreME (2502.19668).

    Deterministic: the same reader as for answers and labels, in every language that it has a vocabulary of. "Otherwise
    normal" is the statement "normal ECG" where the report states nothing that belongs to another superclass.

    Args:
        report: free text.
        archive: a name of `data/conventions.yaml`, whose readers' use of codes is followed; None: words mean what they
            say.

    Returns:
        Each statement once, in the order of its first mention.

    Raises:
        UserError: the archive has no conventions.
    """
    said: dict[str, Certainty] = {}
    for name, certainty in _said(Completion(report, all_answer=True), _conventions(archive)):
        known = said.setdefault(name, certainty)
        said[name] = max(known, certainty, key=_ORDER.index)
    if any(name == OTHERWISE_NORMAL for name, _, _ in verdicts(report)):
        named = (vocabulary().get(name) for name, certainty in said.items() if certainty != "negated")
        if all(statement.superclass in (None, "NORM") for statement in named):
            said[NORMAL] = "asserted"
    return tuple(Entity(name, certainty) for name, certainty in said.items())


def _said(text: Completion, conventions: tuple[_Convention, ...]) -> Iterator[tuple[str, Certainty]]:
    aside = [*advice(text.text), *((start, end) for _, start, end in verdicts(text.text))]
    words = [
        (text.span(span), frozenset(_WORD.findall(text.readable[slice(*span)]))) for span in sentences(text.readable)
    ]
    for name, certainty, (start, end) in _read(text):
        if any(start < b and end > a for a, b in aside):
            continue
        around = next((said for (a, b), said in words if a <= start < b), frozenset())
        fits = (c for c in conventions if c.reads == name and (not c.among or c.among & around))
        means = next((c.means for c in fits), (name,))
        yield from ((meant, certainty) for meant in means if vocabulary().find(meant))


def _read(text: Completion) -> Iterator[tuple[str, Certainty, tuple[int, int]]]:
    yield from ((mention.name, mention.polarity, mention.span) for mention in text.statements)
    yield from ((claim.what, "asserted", claim.span) for claim in text.findings if claim.stance == "claimed")


def report_labels(report: str, archive: str | None = None) -> tuple[str, ...]:
    """The entities of a report as labels of a record: those that it asserts, and "possible …" where it doubts them."""
    worded = {"asserted": "{}", "uncertain": "possible {}"}
    return tuple(worded[certainty].format(name) for name, certainty in entities(report, archive) if certainty in worded)


def has_conventions(archive: str) -> bool:
    """Whether `data/conventions.yaml` knows this archive."""
    return archive in _table()


@cache
def _table() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = shipped_table("conventions.yaml")
    return found


@cache
def _conventions(archive: str | None) -> tuple[_Convention, ...]:
    if archive is None:
        return ()
    if archive not in _table():
        raise UserError(f"no conventions of an archive {archive!r}{did_you_mean(archive, _table())}")
    return tuple(
        _Convention(row["reads"], tuple(row["means"]), frozenset(row.get("among", ()))) for row in _table()[archive]
    )
