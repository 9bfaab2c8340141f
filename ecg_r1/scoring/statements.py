"""The diagnoses a text mentions, each with its polarity."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from ecg_r1.scoring.mentions import mentions
from ecg_r1.scoring.polarity import polarity
from ecg_r1.scoring.predicates import REACH, Polarity
from ecg_r1.scoring.sentences import REMEMBERED, SHORT, sentences

Place = Literal["think", "answer", "outside"]


class Mention(NamedTuple):
    """One diagnosis in the text. name: its canonical name; span: [start, end) characters of the completion."""

    name: str
    polarity: Polarity
    span: tuple[int, int]
    where: Place


_ADJECTIVES = (
    "(?:(?:an?|the|any|old|acute|recent|prior|previous|occasional|frequent|isolated|significant|definite|clear|even) )*"
)
_JOINED = re.compile(
    rf"(?:,? ?-?(?:and|or|nor|and/or|vs|versus)\.?-?(?![a-z])|,? ?[&/]|及|和|与|或者?|、) ?{_ADJECTIVES}"
)
_LISTED = re.compile(rf"[,、/] ?{_ADJECTIVES}")
_ALTERNATIVE = re.compile(r"\b(?:or|vs|versus)\b|或")
_VERB = "is|are|was|were|has|have|can|cannot|could|may|does|do|shows?|demonstrates?|indicates?|confirms?|suggests?"
_FINITE = re.compile(rf" (?:{_VERB})(?![a-z])")
_BEGUN = re.compile(rf"\b(?:{_VERB})(?![a-z])(?:(?!\b(?:that|which|because|so|since|as|if|whether)\b)[^.;:,\n])*$")
# "The computer read AF; that is incorrect.", "LVH? No."
_RETRACTED = re.compile(
    r"[;.。；,] ?(?:but |however,? )?(?:this|that|which|it) (?:reading |diagnosis |interpretation |label )?"
    r"(?:is|was|seems|proved) (?:\w{1,12}ly )?"
    r"(?:incorrect|wrong|false|erroneous|inaccurate|mistaken|untrue|an? (?:error|mistake|misread\w*|misinterpretation)"
    r"|not (?:correct|true|right|so|the case|supported|confirmed by))"
)
_ANSWERED_NO = re.compile(r"\? ?(?:no|none|nope|negative|absent|unlikely|not (?:here|present|seen|met))(?![a-z])")
_ANSWERED_YES = re.compile(r"\? ?(?:yes|present|definitely|positive|indeed)(?![a-z])")


def groups(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int, bool]]:
    """For each mention (start, end) of the list it stands in, "no LBBB, RBBB and LVH", and whether that has an "or"."""
    found: list[tuple[int, int, bool]] = [(start, end, False) for start, end in spans]
    for i in range(len(spans) - 2, -1, -1):
        gap = text[spans[i][1] : min(spans[i + 1][0], spans[i][1] + REACH)]
        _, end, alternatives = found[i + 1]
        if gap.startswith((" and", ", and")) and _anew(text, spans[i], end):
            continue
        if _JOINED.fullmatch(gap) or ((end > spans[i + 1][1] or text[end : end + 1] == ")") and _LISTED.fullmatch(gap)):
            found[i] = spans[i][0], end, alternatives or _ALTERNATIVE.search(gap) is not None
    for i in range(1, len(found)):
        if found[i - 1][1] == found[i][1]:
            found[i] = found[i - 1]
    return found


def _anew(text: str, span: tuple[int, int], end: int) -> bool:
    """Whether the "and" behind a mention begins a new sentence: "this is AF, and sinus rhythm can be excluded"."""
    return _FINITE.match(text, end) is not None and _BEGUN.search(text, max(0, span[0] - REACH), span[0]) is not None


@lru_cache(maxsize=REMEMBERED)
def _read(sentence: str) -> list[tuple[str, Polarity, int, int]]:
    found = list(mentions(sentence))
    if len(found) == 1:
        ((name, start, end),) = found
        return [(name, polarity(sentence, (start, end), start, end, False), start, end)]
    lists = groups(sentence, [(start, end) for _, start, end in found])
    return [
        (name, polarity(sentence, (first, last), start, end, alternatives), start, end)
        for (name, start, end), (first, last, alternatives) in zip(found, lists, strict=True)
    ]


def _taken_back(text: str, sense: Polarity, alone: bool, last: int, end: int) -> Polarity:
    """What is said next of the last mention of the sentence that ends at `end`.

    alone: the mention is the sentence; last: where the mention ends.
    """
    if sense != "negated" and (m := _RETRACTED.search(text, last, end + REACH)) and m.start() <= end:
        return "negated"
    if alone and sense == "uncertain":
        return "negated" if _ANSWERED_NO.match(text, end) else "asserted" if _ANSWERED_YES.match(text, end) else sense
    return sense


def read_statements(text: str) -> Iterator[tuple[str, Polarity, int, int]]:
    """(name, polarity, start, end) of every mention in a text that `characters.readable` has made plain, in order."""
    begun = 0
    for start, end in sentences(text):
        if start and text[start - 1] == "?" and not text[begun : start - 1].strip():
            start -= 1  # "? AF"
        begun = start
        sentence = text[start : end + 1]  # with the question mark
        found = _read(sentence) if end - start <= SHORT else _read.__wrapped__(sentence)
        if not found:
            continue
        *others, (name, sense, a, b) = found
        for other, its, x, y in others:
            yield other, its, start + x, start + y
        alone = sentence[:a].strip(" \n>#*-") + sentence[b:] == "?"
        yield name, _taken_back(text, sense, alone, start + b, end), start + a, start + b
