"""Wording as data: `data/text/<language>.yaml`. A template has named slots, `{rate}`, filled by plain replacement."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from ecg_r1.ecg.leads import LEADS
from ecg_r1.ecg.quantities import TABLE
from ecg_r1.shipped import shipped_table

SLOT, WORD = re.compile(r"\{(\w+)\}"), re.compile(r"\w*")
RUN = 3  # neighbouring chest leads from which on a list of them is written as "V2 to V4"
Slots = Mapping[str, str]


@dataclass(frozen=True)
class Language:
    """The wording of one language.

    Attributes:
        marks: `comma`, `and`, `to`, `semicolon`, `end`, `gap`, `decimal`, and the units.
        templates: by dotted key.
    """

    code: str
    marks: Mapping[str, str]
    templates: Mapping[str, tuple[str, ...]]

    def has(self, key: str) -> bool:
        """Whether anything can be said under a key."""
        return key in self.templates

    def say(self, key: str, rng: np.random.Generator, **slots: str | None) -> str:
        """One of the templates under a key whose slots are all given, drawn and filled.

        Args:
            slots: None counts as not given. `{Name}` is `{name}` with a capital.

        Raises:
            KeyError: there is no such key, or each of its templates needs a slot that is not given.
        """
        given: Slots = {name: text for name, text in slots.items() if text is not None} if slots else {}
        usable: Sequence[str] = self.templates[key]
        if not self._needed[key] <= given.keys():
            usable = [text for text in usable if _needed(text) <= given.keys()]
        if not usable:
            raise KeyError(f"{self.code}: no wording of {key!r} for {', '.join(given)}")
        return filled(usable[int(rng.integers(len(usable)))], given)

    @cached_property
    def _needed(self) -> Mapping[str, frozenset[str]]:
        """The slots of all templates under a key."""
        return {key: frozenset[str]().union(*map(_needed, texts)) for key, texts in self.templates.items()}

    def listed(self, items: Sequence[str]) -> str:
        """ "II, III and aVF"."""
        *first, last = items
        joined = self.marks["and_long" if any(self.marks["comma"].strip() in item for item in first) else "and"]
        return self.marks["comma"].join(first) + joined + last if first else last

    def leads(self, leads: Iterable[str]) -> str:
        """A list of leads, neighbouring chest leads as a run: "I, aVL and V2 to V4"."""
        ordered = sorted(leads, key=LEADS.index)
        if ordered == ["I"]:
            return self.marks["only_i"]
        return filled(self.marks["of_leads"], {"leads": self.listed(list(_runs(ordered, self.marks["to"])))})

    def lead(self, lead: str) -> str | None:
        """A lead beside a number. "I" alone would be read as a pronoun; None where the reader knows no other word."""
        return (self.marks["lead_i"] or None) if lead == "I" else lead

    def number(self, quantity: str, value: float) -> str:
        """A value with its unit, as the language writes it."""
        table = TABLE[quantity]
        digits = table.number(value).replace(".", self.marks["decimal"])
        digits = digits.lstrip("-") if not digits.strip("-0.,") else digits  # no "-0.00"
        return digits + self.marks[table.unit]

    def limit(self, quantity: str, value: float) -> str:
        """A limit with its unit; whole numbers without decimals."""
        table = TABLE[quantity]
        return f"{value:g}".replace(".", self.marks["decimal"]) + self.marks[table.unit]


def filled(template: str, slots: Slots) -> str:
    """A template with its slots replaced; nothing in the slots is a template again."""
    parts = list(_parts(template))
    if len(parts) == 1:
        return template
    parts[1::2] = [slots[name] if name in slots else capital(slots[name.lower()]) for name in parts[1::2]]
    return "".join(parts)


@cache
def _parts(template: str) -> tuple[str, ...]:
    """What stands before, between and behind the slots, and at every second place the name of a slot."""
    return tuple(SLOT.split(template))


@cache
def _needed(template: str) -> frozenset[str]:
    """The slots of a template."""
    return frozenset(name.lower() for name in _parts(template)[1::2])


def capital(text: str) -> str:
    """With a capital, unless the first word has one inside ("aVF", "rSr'")."""
    word = WORD.match(text)
    return text if word and not word[0].islower() else text[:1].upper() + text[1:]


def _runs(leads: Sequence[str], to: str) -> Iterator[str]:
    at = 0
    while at < len(leads):
        stop = at + 1
        while (
            leads[at].startswith("V")
            and stop < len(leads)
            and LEADS.index(leads[stop]) == LEADS.index(leads[stop - 1]) + 1
        ):
            stop += 1
        if stop - at >= RUN:
            yield leads[at] + to + leads[stop - 1]
            at = stop
        else:
            yield leads[at]
            at += 1


@cache
def language(code: str) -> Language:
    """The wording that ships with the package.

    Raises:
        ValueError: a template is no text.
    """
    data = shipped_table("text", f"{code}.yaml")
    return Language(code, data.pop("marks"), dict(flat("", data)))


def flat(prefix: str, data: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The lists of a nested table by dotted key.

    Raises:
        ValueError: something else than a list of texts stands there.
    """
    for name, value in data.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from flat(f"{key}.", value)
        elif isinstance(value, list) and all(isinstance(text, str) for text in value):
            yield key, tuple(value)
        else:
            raise ValueError(f"text: {key} is {value!r}; a list of templates belongs here")
