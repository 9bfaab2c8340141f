"""Where a text names a diagnosis of the vocabulary, in English or Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.resources import files

import yaml

from ecg_r1.ecg.diagnosis import vocabulary

_WORD = re.compile(r"[a-z0-9]+")
_HAN = re.compile(r"[\u4e00-\u9fff]")


@cache
def _english() -> dict[str, list[tuple[frozenset[str], re.Pattern[str], str]]]:
    """First word -> [(all words, pattern, canonical name)] of each wording that begins with it.

    Only wordings all of whose words a text holds are looked for: one pattern of all wordings would try each of them at
    every word, and the vocabulary grows. A compound with a hyphen ("non-AF", "LBBB-like") is no mention.
    """
    table: dict[str, list[tuple[frozenset[str], re.Pattern[str], str]]] = {}
    for statement in vocabulary().statements:
        for wording in statement.wordings:
            first, *rest = words = _WORD.findall(wording.lower())
            joined = "".join(rf"[ \n-]{{1,3}}{word}" for word in rest)
            pattern = re.compile(rf"{first}(?<![a-z0-9-]{first}){joined}(?![a-z0-9])(?!-[a-z])")
            table.setdefault(first, []).append((frozenset(words), pattern, statement.name))
    return table


@cache
def _chinese() -> tuple[re.Pattern[str], dict[str, str]]:
    """(pattern of all wordings, wording -> canonical name); Chinese has no words to look up."""
    rows = yaml.safe_load(files("ecg_r1").joinpath("data", "vocabulary.zh.yaml").read_text(encoding="utf-8"))
    names = {wording.lower(): vocabulary().get(name).name for name, wordings in rows.items() for wording in wordings}
    return re.compile("|".join(re.escape(w) for w in sorted(names, key=len, reverse=True))), names


# What a mention may leave out: "left or right bundle branch block", "inferior, lateral or anterior infarction".
_HEAD = (
    "left|right|anterior|inferior|lateral|posterior|septal|anteroseptal|anterolateral|inferolateral|atrial|ventricular"
    "|first|second|third|1st|2nd|3rd|左束支|右束支|左前分支|左后分支|左心室|右心室|左室|右室|下壁|前壁|侧壁|房性|室性|左|右"
)
_STARTS = re.compile(_HEAD)
_SHORT = re.compile(
    rf"(?<![a-z0-9])({_HEAD})(?:[- ]degree|-)?(?: ?(?:,|/|&|、|及|和|或|与|,? (?:and/or|and|or|nor|but not|but no)) ?)$"
)
_SIDES = ("左", "右")  # of 左右束支, where the side alone is left standing
MOST_LEFT_OUT = 3  # short forms before one mention


def mentions(text: str) -> Iterator[tuple[str, int, int]]:
    """(canonical name, start, end) of each mention in a text that `characters.readable` has made plain, in order.

    At each place the longest wording counts: "incomplete RBBB" is no RBBB. Where several share their end ("left or
    right bundle branch block") the short one's span is its own word.
    """
    found = list(_english_mentions(text))
    if _HAN.search(text):
        pattern, names = _chinese()
        found += [(names[m.group()], m.start(), m.end()) for m in pattern.finditer(text)]
        found.sort(key=lambda mention: mention[1])
    last = 0
    for name, start, end in found:
        yield from reversed(list(_left_out(text, last, start, end)))
        yield name, start, end
        last = end


def _left_out(text: str, last: int, start: int, end: int) -> Iterator[tuple[str, int, int]]:
    """The mentions that share the end of the one at [start, end), the nearest first."""
    head, start_of = _STARTS.match(text, start, end), start
    for _ in range(MOST_LEFT_OUT if head else 0):
        short = _SHORT.search(text, max(last, start - 32), start)
        if short is None or head is None:
            return
        shared = text[start_of + len(short[1]) if short[1] in _SIDES else head.end() : end]
        name = _name_of(short[1] + shared)
        if name is None:
            return
        yield name, short.start(1), short.end(1)
        start = short.start(1)


@lru_cache(maxsize=1024)
def _name_of(wording: str) -> str | None:
    """The canonical name of a wording, English or Chinese."""
    statement = vocabulary().find(wording)
    return statement.name if statement else _chinese()[1].get(wording)


def _english_mentions(text: str) -> Iterator[tuple[str, int, int]]:
    table, words, found = _english(), set(_WORD.findall(text)), []
    for first in words & table.keys():
        for wording, pattern, name in table[first]:
            if wording <= words:
                found += [(m.start(), m.end(), name) for m in pattern.finditer(text)]
    last = 0
    for start, end, name in sorted(found, key=lambda mention: (mention[0], -mention[1])):
        if start >= last:
            yield name, start, end
            last = end
