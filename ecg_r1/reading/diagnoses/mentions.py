"""Where a text names a diagnosis of the vocabulary, in any language that has a vocabulary file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.reading.findings.finding_spoken import claims_of, tokens
from ecg_r1.reading.findings.finding_words import stating
from ecg_r1.reading.words.languages import joined, languages, sections
from ecg_r1.reading.words.phrases import Phrases
from ecg_r1.shipped import shipped_table

_WORD = re.compile(r"[a-z0-9]+")
_HAN = re.compile(r"[\u4e00-\u9fff]")
# Names that mean something else before these words: the artery, how often one breathes.
_UNLESS = {name: re.compile(pattern) for names in sections("unless") for name, pattern in names.items()}
MOST_COMBINED = 2  # pairs of interchangeable words in one wording


def _data(name: str) -> dict[str, list[str]]:
    rows: dict[str, Any] = shipped_table(name)
    return rows


def _key(wording: str) -> str:
    return " ".join(_WORD.findall(wording.lower()))


@cache
def _names() -> dict[str, str]:
    """English wording -> canonical name: those of the vocabulary, and with the words that stand for theirs."""
    equal = {
        f" {_key(word)} ": [_key(other) for other in others] for word, others in _data("vocabulary.words.yaml").items()
    }
    given = [(_key(w), s.name) for s in vocabulary().statements for w in s.wordings]
    names, new = dict(given), given
    for _ in range(MOST_COMBINED):
        combined = []
        for wording, name in new:
            for word, others in equal.items():
                if word in f" {wording} ":
                    combined += [(f" {wording} ".replace(word, f" {other} ").strip(), name) for other in others]
        new = [(wording, name) for wording, name in combined if names.setdefault(wording, name) == name]
    for wording, name in list(names.items()):
        if not re.search(r"(?:s|\bi+|\d)$", wording):  # "AV block is" is no plural of "AV block I"
            names.setdefault(wording + ("es" if wording.endswith("complex") else "s"), name)
        elif wording.endswith(("changes", "waves", "voltages")):
            names.setdefault(wording.removesuffix("s"), name)
    return names


@cache
def _phrases() -> Phrases:
    """The names of every language but Chinese, which has no words to look up."""
    dotted = ((s.name, wording) for s in vocabulary() for wording in s.wordings if "." in wording)
    return Phrases([*((name, wording) for wording, name in _names().items()), *dotted, *_foreign_names()])


def _foreign_names() -> Iterator[tuple[str, str]]:
    for names in sections("statements", without=("zh",)):
        yield from ((name, wording) for name, wordings in names.items() for wording in wordings)


@cache
def _others() -> Phrases:
    return Phrases(_foreign_names())


@cache
def _chinese() -> tuple[re.Pattern[str], dict[str, str]]:
    """(pattern of all wordings, wording -> canonical name); Chinese has no words to look up."""
    rows = languages()["zh"]["statements"].items()
    names = {wording.lower(): vocabulary().get(name).name for name, wordings in rows for wording in wordings}
    return re.compile("|".join(re.escape(w) for w in sorted(names, key=len, reverse=True))), names


# What a mention may leave out: "left or right bundle branch block", "inferior, lateral or anterior infarction".
_HEAD = joined("clauses")["shortened"]
_STARTS = re.compile(_HEAD)
_SHORT = re.compile(
    rf"(?<![a-z0-9])({_HEAD})(?:[- ]degree|-)?(?: ?(?:,|/|&|、|及|和|或|与|,? (?:and/or|and|or|nor|not|but not"
    rf"|but no)) ?)$"
)
_SIDES = ("左", "右")  # of 左右束支, where the side alone is left standing
# … or share: "sinus bradycardia or tachycardia".
_FURTHER = re.compile(
    r"(?:-? ?(?:,|/|,? (?:and/or|and|or|nor)) ?)(tachycardia|bradycardia|arrhythmia|fibrillation|flutter|arrest"
    r"|escape)(?![a-z])"
)
_NONSPECIFIC = re.compile(
    r" (?:in [a-z0-9, -]{2,30}? )?(?:is|are|was|were|seems?|appears?"
    r"|looks?) (?:\w{2,12}ly )?(?:non-?|un)specific(?![a-z])"
)
MOST_LEFT_OUT = 3  # short forms before one mention


def mentions(text: str) -> Iterator[tuple[str, int, int]]:
    """(canonical name, start, end) of each mention in a text that `characters.readable` has made plain, in order.

    At each place the longest wording counts: "incomplete RBBB" is no RBBB. Where several share their end ("left or
    right bundle branch block") the short one's span is its own word.
    """
    words = set(_WORD.findall(text))
    found = [
        at
        for at in _phrases().scan(text)
        if not ((unless := _UNLESS.get(text[at[0] : at[1]])) and unless.match(text, at[1]))
    ]
    if not text.isascii() and _HAN.search(text):
        pattern, names = _chinese()
        found += [(m.start(), m.end(), names[m.group()]) for m in pattern.finditer(text)]
    if not text.isascii() or not any(some.isdisjoint(words) for some in stating()):
        spoken = tokens(text)
        nearest = {(c.said, c.said_to): c.statement for c in claims_of(text, spoken) if c.statement}
        found += [(*place, statement) for place, statement in nearest.items()]
    if not found:
        return
    if any(adjective in words for adjective in ("nonspecific", "specific", "unspecific")):
        found = [_qualified(text, *mention) for mention in found]
    found.sort(key=lambda mention: (mention[0], -mention[1]))
    last = 0
    for start, end, name in found:
        if start >= last:
            if head := _STARTS.match(text, start, end):
                yield from reversed(list(_left_out(text, last, start, end, head)))
            last = end
            yield name, start, end
            for further in _shortened(text, start, end):
                last = further[2]
                yield further


def _qualified(text: str, start: int, end: int, name: str) -> tuple[int, int, str]:
    """The mention, named by what is said of it: "T wave changes are nonspecific" are nonspecific T wave changes."""
    said = _NONSPECIFIC.match(text, end)
    other = _name_of(f"nonspecific {text[start:end]}") if said else None
    return (start, said.end(), other) if said and other else (start, end, name)


@lru_cache(maxsize=1024)
def foreign(wording: str) -> bool:
    """Whether a mention is of the vocabulary of another language with words than English."""
    return _key(wording) not in _names() and any(_others().scan(wording))


def _left_out(text: str, last: int, start: int, end: int, head: re.Match[str]) -> Iterator[tuple[str, int, int]]:
    """The mentions that share the end of the one at [start, end), the nearest first."""
    start_of = start
    for _ in range(MOST_LEFT_OUT):
        short = _SHORT.search(text, max(last, start - 32), start)
        if short is None:
            return
        shared = text[start_of + len(short[1]) if short[1] in _SIDES else head.end() : end]
        name = _name_of(short[1] + shared)
        if name is None:
            return
        yield name, short.start(1), short.end(1)
        start = short.start(1)


def _shortened(text: str, start: int, end: int) -> Iterator[tuple[str, int, int]]:
    """The mentions after the one at [start, end) that share its first word."""
    while further := _FURTHER.match(text, end):
        first = text[start:end].split(maxsplit=1)[0]
        name = _name_of(f"{first} {further[1]}")
        if name is None:
            return
        end = further.end()
        yield name, further.start(1), end


@lru_cache(maxsize=1024)
def _name_of(wording: str) -> str | None:
    """The canonical name of a wording, English or Chinese."""
    return _names().get(_key(wording)) or _chinese()[1].get(wording)
