"""The words for findings in leads: sections `signs` and `leads` of data/vocabulary.<language>.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from ecg_r1.reading.languages import languages, patterns
from ecg_r1.reading.wordings import Wordings

# What is said of several findings of data/findings.yaml at once: one of them, or with a denial none of them.
GROUPS: dict[str, tuple[str, ...]] = {
    "st_changes": ("st_elevation", "st_depression"),
    "t_changes": ("t_inversion", "t_flat", "t_biphasic", "t_tall"),
    "st_t_changes": ("st_elevation", "st_depression", "t_inversion", "t_flat", "t_biphasic", "t_tall"),
    "low_voltage": ("low_voltage_limb", "low_voltage_precordial"),
    "lvh_voltage": ("lvh_sokolow_lyon", "lvh_cornell"),
    "voltage_changes": ("low_voltage_limb", "low_voltage_precordial", "lvh_sokolow_lyon", "lvh_cornell"),
}
NOTHING = "-"  # what is said of a wave, and of nothing that is measured


class Said(NamedTuple):
    """What words say of a wave: a finding, a statement of the vocabulary of diagnoses, or both; else "".

    In the files: "t_inversion = inverted T-waves".
    """

    finding: str
    statement: str


_CHINESE = "zh"
_OPTIONAL = re.compile(r"([a-z]+)\?(.*)", re.DOTALL)
_HYPHEN = re.compile(r"([a-z]+)\[- (/?)\]\?(.*)", re.DOTALL)
_GROUP = re.compile(r"([a-z]+)\(\?:([a-z|]+)\)(\??)(.*)", re.DOTALL)


def _begun(pattern: str) -> Iterator[str]:
    """The patterns of one wording, each of which begins with a word that is always the same."""
    if m := _OPTIONAL.fullmatch(pattern):
        yield from _begun(m[1] + m[2])
        yield from _begun(m[1][:-1] + m[2])
    elif m := _HYPHEN.fullmatch(pattern):
        yield from _begun(m[1] + m[3])
        yield f"{m[1]}[- {m[2]}]{m[3]}"
    elif m := _GROUP.fullmatch(pattern):
        for ending in [*m[2].split("|"), *([""] if m[3] else [])]:
            yield from _begun(m[1] + ending + m[4])
    else:
        yield pattern


def _words(entries: Iterable[tuple[str, str, bool]]) -> Wordings:
    """Wordings with what they mean, and whether they are Chinese; the longest at each place counts."""
    longest = sorted(entries, key=lambda entry: len(entry[1]), reverse=True)
    plain = [(meaning, pattern) for meaning, pattern, han in longest if not han]
    return Wordings(plain, [(meaning, re.escape(word)) for meaning, word, han in longest if han])


@dataclass
class Subject:
    """What a text may speak of.

    alone: the finding that naming it claims by itself. denied: the finding that denying it denies.
    """

    alone: str | None = None
    denied: str | None = None


@dataclass
class Vocabulary:
    """The words of all languages.

    words: their meaning is "=subject", or a number of `said`. said: subject -> what they say, of each set of words.
    """

    subjects: dict[str, Subject] = field(default_factory=dict)
    said: list[Mapping[str, Said]] = field(default_factory=list)
    words: Wordings = field(default_factory=lambda: Wordings(()))


@cache
def vocabulary() -> Vocabulary:
    """The words for findings, read once."""
    made = Vocabulary()
    called = dict[tuple[str, bool], str]()
    said = dict[tuple[str, bool], dict[str, Said]]()
    for code, subject, row in _rows("signs"):
        known = made.subjects.setdefault(subject, Subject())
        known.alone, known.denied = row.get("alone", known.alone), row.get("denied", known.denied)
        called |= {word: subject for entry in row["called"] for word in _patterns(entry["words"], code)}
        for key, entries in row.get("said", {}).items():
            finding, _, statement = map(str.strip, key.partition("="))
            for word in (word for entry in entries for word in _patterns(entry["words"], code)):
                said.setdefault(word, {}).setdefault(subject, Said(finding, statement))
    found = [(f"={subject}", pattern, han) for (pattern, han), subject in called.items()]
    for (pattern, han), of in said.items():
        found.append((str(len(made.said)), pattern, han))
        made.said.append(of)
    made.words = _words(found)
    return made


@cache
def stating() -> tuple[frozenset[str], frozenset[str]]:
    """The words with one of which a wave is named, and those with one of which a statement is said of it.

    A sentence that lacks either says no statement of any wave; Chinese has no words to look up.
    """
    made = vocabulary()
    stated = {str(i) for i, of in enumerate(made.said) if any(said.statement for said in of.values())}
    waves = {f"={wave}" for of in made.said for wave, said in of.items() if said.statement}
    waves_words, said_words = (
        frozenset(word for word, of in made.words.items() if not meanings.isdisjoint(of.meanings))
        for meanings in (waves, stated)
    )
    return waves_words, said_words


def lead_words() -> Wordings:
    """The words for parts of the heart that leads look at, in every language."""
    rows = _rows("leads")
    return _words((part, pattern, han) for code, part, words in rows for pattern, han in _patterns(words, code))


def _patterns(words: str, code: str) -> Iterator[tuple[str, bool]]:
    """(pattern, whether it is Chinese) of each wording, once."""
    if code == _CHINESE:
        yield from ((word, True) for word in words.split("; "))
    else:
        yield from dict.fromkeys((begun, False) for pattern in patterns(words) for begun in _begun(pattern))


def _rows(section: str) -> Iterator[tuple[str, str, Any]]:
    for code, words in languages().items():
        yield from ((code, name, row) for name, row in words.get(section, {}).items())
