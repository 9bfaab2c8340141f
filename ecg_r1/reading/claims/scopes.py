"""Stretches of a sentence that speak of something else than this ECG: another recording, another person, a supposition,
what is usual. A scope begins with a word and holds until the sentence turns back to this ECG."""

from __future__ import annotations

import re
from functools import lru_cache

from ecg_r1.reading.claims import references
from ecg_r1.reading.words.languages import entries, han, listed
from ecg_r1.reading.words.wordings import Wordings

REACH = 160  # characters that a scope reaches over
ORDER = ("elsewhere", "then", "person", "supposed", "typical", "general", "normal")  # which one counts first
OPENING = list(entries("asides"))
_OPENING = Wordings(OPENING, han("asides").items())
_SOUGHT = Wordings(
    [
        *(("sought", cue) for cue in listed("sought")),
        *((kind, cue) for kind, cue in OPENING if kind in ("then", "person")),
    ]
)


@lru_cache(maxsize=4096)  # asked for each mention of a sentence
def opened(sentence: str) -> list[tuple[str, int, int]]:
    """(kind, start, end) of each word of a readable sentence that opens a scope, in order."""
    return list(_OPENING.scan(sentence, 0, len(sentence)))


_APPOSED = re.compile(  # "the previous ECG, recorded 3 months earlier, showed"
    r"\([^()]*\)|, (?:recorded|taken|obtained|done|performed|dated|made|from|\d+ \w+ (?:ago|earlier"
    r"|before))\b[^,.;]{0,40},"
)


def scope(sentence: str, start: int) -> str | None:
    """The kind of the scope that a place in a readable sentence lies in; None where the sentence speaks of this ECG."""
    kinds = set()
    for kind, a, b in opened(sentence):
        if a >= start:
            break
        between = sentence[b:start]
        if "(" in between or "," in between:
            between = _APPOSED.sub("", between)
        if start - b <= REACH and not references.TURN[kind].search(between):
            kinds.add(kind)
    return next((kind for kind in ORDER if kind in kinds), None)


# Up to where a phrase is not claimed: "…, however", "here", a colon or the end of its bracket.
_SOUGHT_TURN = re.compile(
    r"[:)]|\b(?:but|however|here|now|today|currently|whereas|this (?:ecg|ekg|tracing|patient|case))\b"
)
_POSTPONED = re.compile("(?:previous|prior|earlier|old|last|former|other|another) ")
# What takes a whole sentence back, or defines its words: "…, all absent", "… or none of these", "… (yes/no)".
_WITHDRAWN = re.compile(
    r"\bmeans that\b|\bis defined\b|\bwould be (?:typical|expected|usual|normal)|\byes ?(?:/|or) ?no\b"
    r"|\bor (?:else |maybe |perhaps )?(?:none|nothing|neither|not)\b(?! in)"
    r"|[,:-] ?(?:all|both|none)(?: of (?:these|them|which))?(?: (?:is|are|was|were))? ?"
    r"(?:not (?:seen|present|found|true)|absent|wrong|false|excluded|seen|present)[ .]*$"
)


def unscoped(sentence: str) -> str:
    """A readable sentence without what it looks for, expects, supposes, or tells of another ECG or person."""
    if _WITHDRAWN.search(sentence):
        return " "
    kept, at = "", 0
    for _, start, end in _SOUGHT.scan(sentence, 0, len(sentence)):
        if start < at:
            continue
        kept += sentence[at:start]
        bracket = kept.rfind("(") > kept.rfind(")")
        if _POSTPONED.search(sentence, start, end):  # "II, III, aVF on another ECG"
            kept = kept[: max(kept.rfind(","), kept.rfind("(")) + 1]
        turns = (m.start() for m in _SOUGHT_TURN.finditer(sentence, end) if bracket or m.group() != ")")
        at = next(turns, len(sentence))
    return kept + sentence[at:]
