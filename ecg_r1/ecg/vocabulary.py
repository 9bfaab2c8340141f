"""The vocabulary: codes and free text <-> one canonical statement each. The statements are data/vocabulary.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Literal

from ecg_r1.errors import UserError, nearest
from ecg_r1.shipped import shipped_table

Kind = Literal["diagnostic", "form", "rhythm", "axis"]
# PTB-XL counts these as diagnostic and as forms; they say themselves that they are no diagnosis.
_NON_SPECIFIC = re.compile("non-(?:diagnostic|specific) (?:T|ST|ST-T)\\b")
_RHYTHM = re.compile("rhythm|cardia$|fibrillation|flutter|arrest|pac(?:ing|emaker)|^sin(?:us|o)|brady-|[bt]r?igemin")


class UnknownDiagnosis(UserError, KeyError):
    """Neither a code nor a wording of the vocabulary. The message offers the nearest names."""


@dataclass(frozen=True)
class Statement:
    """One thing that an ECG can be said to show.

    superclass: PTB-XL's NORM, MI, STTC, CD or HYP; None for rhythms and forms.
    synonyms: wordings found anywhere in a text; abbreviations: only looked up as a whole, since they are ambiguous.
    criterion: relation over a measured quantity that the statement implies; guideline: where it stands.
    absent_waves: waves that are not there, e.g. ("P",) in atrial fibrillation.
    """

    name: str
    superclass: str | None = None
    scp: tuple[str, ...] = ()
    snomed: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    criterion: str | None = None
    guideline: str | None = None
    absent_waves: tuple[str, ...] = ()
    abbreviations: tuple[str, ...] = ()

    @property
    def wordings(self) -> tuple[str, ...]:
        """What a text may call it."""
        return (self.name, *self.synonyms)

    @cached_property
    def kind(self) -> Kind:
        """What sort of statement it is, in PTB-XL's words; the axis is one of its own, for which PTB-XL has no code."""
        if self.superclass is not None and not _NON_SPECIFIC.match(self.name):
            return "diagnostic"
        if "axis" in self.name:
            return "axis"
        return "rhythm" if _RHYTHM.search(self.name) else "form"

    @property
    def keys(self) -> tuple[str, ...]:
        """Everything it can be looked up by."""
        return (*self.wordings, *self.abbreviations, *self.scp, *self.snomed)


class Vocabulary:
    """Statements by code, name and synonym.

    Raises:
        ValueError: a code or wording belongs to two statements.
    """

    def __init__(self, statements: Iterable[Statement]):
        self.statements = tuple(statements)
        self._by_key: dict[str, Statement] = {}
        for statement in self.statements:
            for key in {_key(text) for text in statement.keys}:
                other = self._by_key.setdefault(key, statement)
                if other is not statement:
                    raise ValueError(f"vocabulary: {key!r} belongs to both {other.name!r} and {statement.name!r}")

    def __iter__(self) -> Iterator[Statement]:
        return iter(self.statements)

    def find(self, text: str) -> Statement | None:
        """The statement whose code, name or synonym `text` is, as a whole."""
        return self._by_key.get(_key(text))

    def get(self, code_or_name: str) -> Statement:
        """`find`, for a name that must be known.

        Raises:
            UnknownDiagnosis: with the nearest name.
        """
        statement = self.find(code_or_name)
        if statement is None:
            near = nearest(_key(code_or_name), self._by_key, cutoff=0.5)
            hint = f"; did you mean {self._by_key[near].name!r}?" if near else ""
            raise UnknownDiagnosis(f"unknown diagnosis {code_or_name!r}{hint}")
        return statement


@lru_cache(maxsize=4096)
def _key(text: str) -> str:
    """Case, hyphens and spaces aside."""
    return " ".join(re.split(r"[\s‐-–-]+", text.strip().lower()))


@cache
def vocabulary() -> Vocabulary:
    """The vocabulary that ships with the package."""
    rows = shipped_table("vocabulary.yaml")
    return Vocabulary(
        Statement(
            name=row["name"],
            superclass=row.get("superclass"),
            scp=tuple(row.get("scp", ())),
            snomed=tuple(row.get("snomed", ())),
            synonyms=tuple(row.get("synonyms", ())),
            criterion=row.get("criterion"),
            guideline=row.get("guideline"),
            absent_waves=tuple(row.get("absent", ())),
            abbreviations=tuple(row.get("abbreviations", ())),
        )
        for row in rows
    )
