"""The words for findings: section `signs` of data/vocabulary.<language>.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from ecg_r1.reading.words.variants import longest, rows, ways
from ecg_r1.reading.words.wordings import Wordings

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
    for code, subject, row in rows("signs"):
        known = made.subjects.setdefault(subject, Subject())
        known.alone, known.denied = row.get("alone", known.alone), row.get("denied", known.denied)
        called |= {word: subject for entry in row["called"] for word in ways(entry["words"], code)}
        for key, entries in row.get("said", {}).items():
            finding, _, statement = map(str.strip, key.partition("="))
            for word in (word for entry in entries for word in ways(entry["words"], code)):
                said.setdefault(word, {}).setdefault(subject, Said(finding, statement))
    found = [(f"={subject}", pattern, han) for (pattern, han), subject in called.items()]
    for (pattern, han), of in said.items():
        found.append((str(len(made.said)), pattern, han))
        made.said.append(of)
    made.words = longest(found)
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
