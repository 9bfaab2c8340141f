"""The tokens of a sentence that its quantities are read from: names, numbers, leads and absences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from ecg_r1.reading.quantities import cues
from ecg_r1.reading.quantities.lexicon import (
    AXIS_ROW,
    NAMES,
    OF_AXES,
    OTHER,
    PER_MINUTE_BEFORE,
    RATE,
    TIME,
    TOGETHER,
    UNITS,
)
from ecg_r1.reading.quantities.numerals import DIGITS, FURTHER, HAN, NUMBER_WORDS, from_digits, from_han, from_words
from ecg_r1.reading.words.languages import entries, han, listed
from ecg_r1.reading.words.wordings import Alternatives, Wordings

MOST = 2000
LONGEST = 3.0  # seconds that an interval may last; "14 complexes in 10 s", "strip length 6 s" are of the recording
VOID = "void"  # the key of an absence that stands in the place of a value
SMALLEST_WORD = 13.0  # "one of two leads" quotes nothing; a smaller number in words needs its unit


@dataclass(slots=True)
class Token:
    """A name, number, lead or absence of one sentence; start and end are places in the text."""

    kind: str
    start: int
    end: int
    key: str = ""  # the entity of a name, a lead as written
    number: float = 0.0
    negative: bool = False
    dimension: str | None = None
    factor: float = 1.0
    taken: bool = False  # a name that has its quantity, a number that is part of an earlier one


def _entries() -> Iterator[tuple[str, str]]:
    """(meaning, wording) of every entry but the Chinese, in the order they are tried; a name means its entity."""
    wordings = list(entries("names"))
    for key in NAMES:
        yield from ((name, wording) for name, wording in wordings if name == key)
    yield from (("absent", pattern) for pattern in listed("absent"))
    yield from (("words", word + FURTHER) for word in NUMBER_WORDS)


_WORDS = Wordings(_entries())
_HAN = Alternatives([*han("names").items(), ("absent", han("absent"))], end="")
_UNIT = rf"(?: ?-? ?(?P<unit>{'|'.join(pattern for pattern, _, _ in UNITS)})(?![a-z0-9]))?"
_UNIT_AFTER = re.compile(_UNIT)
_NUMERAL = rf"(?P<numeral>{HAN})(?= ?(?:毫|秒|次|度|[小大]格|ms|bpm))"
_DIGITS = rf"(?P<sign>[-+])?(?:(?P<digits>{DIGITS})|{_NUMERAL})(?:-?ish(?![a-z]))?{_UNIT}"
# What stands where a value should: "PR: --", "PR interval * ms", a cell "| - |"; no dash that parts words or numbers.
_VOID = (
    r"(?:(?<=[:=-] )-{1,3}(?= ?(?:[(,)|]|$))|(?<=[ :=/])(?:-{1,3}|\*{1,3})(?= ?(?:ms|bpm|deg|°|/))"
    r"|(?<=[:=] )\*{1,3}(?= [a-z]{2})|(?<= )(?:-{1,2}|\*)(?= ?\|)"
    r"|(?<=[ :=/])(?:-{2,5}(?= ?(?:[,;)]|$)| [a-z]{1,6}:)|\*{1,3}(?= -?\d| ?[,;)]| ?$)))"
)
_LEXEME = re.compile(
    r"(?P<word>[a-z]++)|(?P<date>(?:19|2[0-4])\d\d-[01]?\d-[0-3]?\d(?!\d)"
    r"|(?:(?<=[ (]in )|(?<= from )|(?<= since ))(?:19|20)\d\d(?![\d.]| ?ms))"
    rf"|(?=[-+.*\d\u3007\u4e00-\u9fff])(?:{_DIGITS}|(?P<han>{_HAN.any})|(?P<void>{_VOID}))"
)


def tokens(text: str) -> list[Token]:
    """The names, numbers, leads and absences of a sentence, at most MOST of them.

    A long chain of thought has a few hundred in all its sentences; a flood of them pays nothing.
    """
    found: list[Token] = []
    at, last_name, end, axes = 0, -1, len(text), -1  # axes: up to where names are those of a row of axes
    entries_of = _WORDS.get
    for m in _LEXEME.finditer(text):
        word = m[1]
        wordings = entries_of(word) if word else _HAN
        if wordings is None:  # as most words: no entry begins with it
            continue
        group = m.lastgroup
        if group == "date":
            at = m.end()
            continue
        a = m.start()
        if a < at:  # inside the last token
            continue
        b = m.end()
        if group in ("word", "han"):
            inner = wordings.at(text, a, end)
            if inner is None:
                continue
            meaning, b = inner
            if meaning == "axis_row":
                axes = a + AXIS_ROW
            if meaning in NAMES:
                if "0" <= text[a - 1 : a] <= "9":
                    continue
                if a <= axes:
                    meaning = OF_AXES.get(text[a:b], meaning)
                    axes = -1 if meaning == "t_axis" else axes
                elif meaning == "letter":
                    continue
                last_name = b
                if meaning in TOGETHER:
                    found += [Token("name", a, b, part) for part in TOGETHER[meaning]]
                else:
                    found.append(Token("name", a, b, meaning))
            elif meaning == "words":
                unit = _UNIT_AFTER.match(text, b)
                written, b = text[a:b], unit.end() if unit else b
                token = _number(text, a, b, from_words(written), unit["unit"] if unit else None)
                if token.dimension or token.number >= SMALLEST_WORD or "point" in written:
                    found.append(token)
            else:
                found.append(Token(meaning, a, b, text[a:b]))
        elif group == "void":
            found.append(Token("absent", a, b, VOID))
        elif m["sign"] or a == last_name or not "a" <= text[a - 1 : a] <= "z":  # not the 4 of "v4r"
            value = from_digits(m["digits"]) if m["digits"] else from_han(m["numeral"])
            token = _number(text, a, b, value, m["unit"])
            token.negative = m["sign"] == "-"
            found.append(token)
        at = b
        if len(found) >= MOST:
            break
    return found


def _number(text: str, start: int, end: int, value: float, unit: str | None) -> Token:
    token = Token("number", start, end, number=value)
    if unit:
        token.dimension, token.factor = _unit(unit)
        if token.dimension == PER_MINUTE_BEFORE:
            token.dimension = RATE if cues.PER_MINUTE.search(text, max(0, start - 8), start) else OTHER
        elif token.dimension == TIME and token.factor == 1000.0 and token.number >= LONGEST:
            token.dimension = OTHER
    return token


@lru_cache(maxsize=1024)
def _unit(written: str) -> tuple[str, float]:
    """(dimension, factor) of a unit as it was found."""
    return next((dimension, factor) for pattern, dimension, factor in UNITS if re.fullmatch(pattern, written))
