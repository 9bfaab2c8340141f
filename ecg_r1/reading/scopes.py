"""Stretches of a sentence that speak of something else than this ECG: another recording, another person, a supposition,
what is usual. A scope begins with a word and holds until the sentence turns back to this ECG."""

from __future__ import annotations

import re

from ecg_r1.reading import references
from ecg_r1.reading.asides import ASIDES, HAN_ASIDES
from ecg_r1.reading.languages import entries
from ecg_r1.reading.wordings import WORD, Alternatives, Wordings

REACH = 160  # characters that a scope reaches over
ORDER = ("elsewhere", "then", "person", "supposed", "typical", "general", "normal")  # which one counts first
OPENING = [*entries("asides"), *((kind, wording) for kind, wordings in ASIDES.items() for wording in wordings)]
_OPENING = Wordings(OPENING)
_HAN = Alternatives([*HAN_ASIDES.items()], end="")
_HAN_ANY = re.compile(_HAN.any)


def opened(sentence: str) -> list[tuple[str, int, int]]:
    """(kind, start, end) of each word of a readable sentence that opens a scope, in order."""
    found = list(_OPENING.scan(sentence, 0, len(sentence)))
    if not sentence.isascii():
        for m in _HAN_ANY.finditer(sentence):
            if at := _HAN.at(sentence, m.start(), len(sentence)):
                found.append((at[0], m.start(), at[1]))
        found.sort(key=lambda each: each[1])
    return found


def scope(sentence: str, start: int) -> str | None:
    """The kind of the scope that a place in a readable sentence lies in; None where the sentence speaks of this ECG."""
    words = {m[0] for m in WORD.finditer(sentence)}
    if words.isdisjoint(_OPENING) and sentence.isascii():
        return None
    kinds = set()
    for kind, a, b in opened(sentence):
        if a >= start:
            break
        if start - b <= REACH and not references.TURN[kind].search(sentence, b, start):
            kinds.add(kind)
    return next((kind for kind in ORDER if kind in kinds), None)
