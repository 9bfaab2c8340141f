"""Whether a text claims something of this ECG: the one answer that quantities, diagnoses and phrases all ask for.

A text may say a thing and claim nothing: of another ECG or another person, as a supposition, of ECGs in general, as the
title of what follows, struck out, or turned back later. Denial and doubt are words of the same clause.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import lru_cache
from typing import Literal

from ecg_r1.reading.claims import generality, references
from ecg_r1.reading.claims.polarity import polarity
from ecg_r1.reading.claims.scopes import scope, unscoped
from ecg_r1.reading.text.characters import readable
from ecg_r1.reading.text.marks import struck, without_struck
from ecg_r1.reading.text.sentences import sentences
from ecg_r1.reading.words.languages import joined

Stance = Literal[
    "claimed",
    "denied",
    "doubted",
    "of another ECG",
    "of another person",
    "supposed",
    "general",
    "heading",
    "struck out",
    "turned back later",
]
_OF_SCOPE: dict[str, Stance] = {
    "elsewhere": "of another ECG",
    "then": "of another ECG",
    "person": "of another person",
    "supposed": "supposed",
    "typical": "general",
    "general": "general",
    "normal": "general",
}
_OF_POLARITY: dict[str, Stance] = {"asserted": "claimed", "negated": "denied", "uncertain": "doubted"}

_WORDS = joined("clauses")
# A line that is the title of the lines below it: "Step 4: Ischemia, injury and infarct", "## Ischemia & infarction".
_TITLE = re.compile(
    r"(?:^|<answer>|<think>)[ >|-]*+(?P<mark>#{1,6} ?)?(?P<number>(?:step|part|section) ?\d{1,2}[:.) -]{1,3}"
    r"|\d{1,2}[.)] )?"
    r"(?P<title>[^\n.:;?!|]{2,80}):? ?\n\n?(?=[ >|-]*+(?!#|step ?\d|\d{1,2}[.)])[^\n]*[a-z\u4e00-\u9fff])",
    re.MULTILINE,
)
_SAYS = re.compile(rf"\b(?:{_WORDS['verb']}|no|not|without|measures?)\b|\d ?(?:ms|bpm|mv|mm|°)")
_OF_TITLES = re.compile(rf"&|\b(?:{_WORDS['of titles']})\b")

# "The computer reads LBBB, QRS 150 ms, but this is wrong."
_TURNED = re.compile(
    rf"(?:[,;(-]|\bbut|\bhowever) ?(?:{_WORDS['contrast']}|yet|and)? ?,? ?(?:all )?(?:of )?"
    rf"(?:{_WORDS['what is turned']}) (?:{_WORDS['be']}|seems?|proved|turned out)(?: to be)? "
    rf"(?:\w{{1,12}}ly |all |both |quite )?{references.WRONG}(?![a-z])"
)
_BY = re.compile(r"\bby (?:the |an? )?$")
_MAY_TURN = re.compile(references.WRONG)
_ATTRIBUTED = re.compile(
    rf"\b(?:{_WORDS['machine']}|device|automated|printout|monitor|colleague|referr?er|instrument)\b"
)


def turned_back(sentence: str) -> range:
    """The characters of a readable sentence that it says first and then calls wrong, from who is said to say it on."""
    turned = _TURNED.search(sentence) if _MAY_TURN.search(sentence) else None
    if turned is None:
        return range(0)
    source = _ATTRIBUTED.search(sentence, 0, turned.start())
    told = source is not None and not _BY.search(
        sentence, 0, source.start()
    )  # "AF, reported by the computer, is wrong"
    return range(source.start() if source and told else 0, turned.start())


@lru_cache(maxsize=16)
def headings(text: str) -> tuple[tuple[int, int], ...]:
    """[start, end) of each line of a readable text that is the title of what stands below it, and claims nothing."""
    if "\n" not in text:
        return ()
    found = []
    for m in _TITLE.finditer(text):
        step = (m["number"] or "").startswith(("step", "part", "section"))
        marked = bool(m["mark"] or m["number"])
        if (step or (marked and _OF_TITLES.search(m["title"]))) and not _SAYS.search(m["title"]):
            found.append((m.start(), m.end("title")))
    return tuple(found)


def within(spans: tuple[tuple[int, int], ...], start: int) -> bool:
    """Whether a place lies in one of some spans that are in order."""
    i = bisect_left(spans, (start + 1,)) - 1
    return i >= 0 and spans[i][0] <= start < spans[i][1]


@lru_cache(maxsize=16)
def sections_elsewhere(text: str) -> tuple[tuple[int, int], ...]:
    """[start, end] of each sentence of a readable text under a heading of another ECG, of norms or of criteria."""
    found, other = [], False
    if ":\n" in text or ": \n" in text or "#" in text or " . " in text or references.HEADED.search(text):
        for start, end in sentences(text):
            if other := references.another_section(text, start, end, other):
                found.append((start, end + 1))
    return tuple(found)


def stance(text: str, start: int, end: int) -> Stance:
    """What a text does with what it says at [start, end): claims it of this ECG, or one of nine other things.

    Args:
        text: a sentence, or a whole text, as it was written.
        start: of a mention, a quantity or a phrase in it.
        end: its end.

    Returns:
        "claimed", or why it is no claim; where several hold, the one that reaches furthest.
    """
    if any(a <= start < b for a, b in struck(text)):
        return "struck out"
    plain, places = readable(text)
    start, end = bisect_left(places, start), bisect_left(places, end)
    if within(headings(plain), start):
        return "heading"
    if within(sections_elsewhere(plain), start):
        return "of another ECG"
    at = next(((a, b) for a, b in sentences(plain) if a <= start <= b), (0, len(plain)))
    if references.RETRACTS.match(plain, at[1] + 1):
        return "turned back later"
    said = stance_in(plain[at[0] : at[1] + 1], start - at[0], min(end, at[1]) - at[0])
    return "general" if said == "claimed" and generality.general(plain, start, end) else said


def stance_in(sentence: str, start: int, end: int, group: tuple[int, int] | None = None, floor: int = 0) -> Stance:
    """What a sentence alone does with what it says at [start, end); `stance` also looks at the text around it.

    Args:
        sentence: readable, with its question mark.
        start: of a mention, a quantity or a phrase in it.
        end: its end.
        group: [start, end) of the list that it stands in, whose words around it speak of all.
        floor: where its clause begins; what denies something before that does not deny it.

    Returns:
        As `stance`.
    """
    if start in turned_back(sentence):
        return "turned back later"
    if sentence.endswith("?") and references.ASKS.match(sentence):
        return "supposed"
    if (kind := scope(sentence, start)) and kind in _OF_SCOPE:
        return _OF_SCOPE[kind]
    return _OF_POLARITY[polarity(sentence, group or (start, end), start, end, False, floor)]


def claimed_text(text: str) -> str:
    """A text without what it does not claim of this ECG, for phrases to be looked for.

    Args:
        text: of an answer, a step or a whole completion, as it was written.

    Returns:
        What is left, in lower case: no questions, titles, suppositions, other ECGs, nothing struck out or turned back.
    """
    plain = readable(without_struck(text))[0]
    titles = headings(plain)
    kept, at = [], 0
    for start, end in sentences(plain):
        sentence = plain[start:end]
        back = turned_back(sentence)
        sentence = sentence[: back.start] + sentence[back.stop :]
        asked = plain.startswith("?", end)
        title = within(titles, start + len(sentence) - len(sentence.lstrip()))
        kept += [plain[at:start], " " if asked or title else unscoped(sentence)]
        at = end
    return "".join([*kept, plain[at:]])
