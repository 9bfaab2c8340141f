"""Whether a clause tells of ECGs in general: what a finding is, looks like or does, and when it is diagnosed.

"First-degree AV block is defined by a PR above 200 ms" says of no ECG that it has one. No single word tells such a
clause from one on this ECG, so its words are weighed: those of a rule, of what is often so, and of what always holds,
against those that point at a patient, a tracing or a day (`generality` in data/vocabulary.<language>.yaml), its
subject (a finding without an article) and its numbers (nothing but bounds and ranges). A text with no word on this
ECG is a textbook.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple

from ecg_r1.reading.languages import entries, han, joined
from ecg_r1.reading.mentions import mentions
from ecg_r1.reading.wordings import Wordings

NEAR = 80  # characters before a mention in which what stands right before it begins
WEIGHT = {"rule": 3, "often": 2, "perhaps": 1, "named": 0, "seen": -1, "ours": -3}
VALUE = -2  # a measured number: "162 ms"
BACK = 4  # clauses that are looked at: one on ECGs in general may go on in the next
LEAST = 2  # from which on a clause is general
CUES = Wordings(entries("generality"))
CLAUSE_END = re.compile(
    r"(?<!m\.i)\.(?![a-z\d]| grad)|[;\n!?•|](?!\d)| - |,? (?:but|whereas|while|however|hence|so|since|because)\b"
    r"|,?(?= (?:which|indicating|although|though|that (?:may|can|will|is|are|does|do))\b)"
)
HAN = re.compile(han("general"))
_SENTENCE = re.compile(r"\n|(?<!m\.i)\.(?![a-z\d])")
_BRACKET = re.compile(r"\([^()]*\)")
_WORDS = joined("clauses")
_FINITE = re.compile(rf"\b(?:{_WORDS['finite']})\b")
# Before a finding that is the subject of its clause and has no article of this ECG …
_SUBJECT = re.compile(
    r"(?:^|[.;:\n>•|,)-]|\b(?:and|that|although|while|because|since|though|but|as)) ?(?:\d{1,2}[.)] ?)?"
    rf"(?:the (?:diagnosis|presence|development|treatment|management) of )?(?:(?:{_WORDS['grade']})[ -])*$"
)
_DEFINITE = re.compile(r"\b(?:the|der|die|das) (?:[a-z-]{3,12} )?$")
_REPORTED = re.compile(
    r"(?:pr|pq|qrs|qtc?|rr?|r-r|p|st|t|axis|(?:heart |ventricular |atrial )?rate|rhythm|intervals?)\b"
)
# … and a clause on any quantity, and not that of this ECG: "A PR interval over 200 ms suggests …" …
_ANY = re.compile(
    r"[ \n>#*•(,-]*(?:an?|any|every) (?:[a-z-]{3,12} ){0,2}?(?:pr|pq|qrs|qtc?|p[- ]wave|axis|(?:heart "
    r"|ventricular )?rate"
    r"|values?)\b"
)
_WHEN = re.compile(r"[ \n>#*•(,-]*(?:when(?:ever)?|if|once|wenn) ")
# … and a finding right behind "in": "In bifascicular block two of three fascicles are blocked".
_IN_FRONT = re.compile(
    r"(?:^ ?|[.;:\n>(•] ?|, )(?:(?:that|and|while|whereas|normally|usually|typically),? )?(?:in|bei) "
    rf"(?!(?:{_WORDS['here']})\b)[a-z]"
)
# "162 ms", but no bound and no end of a range.
_MEASURED = re.compile(
    r"(?<![-–<>≤≥+\d.])(?<![<>≤≥] )(?<!uber )(?<!unter )(?<!als )(?<!over )(?<!under )(?<!above )(?<!below )(?<!than )"
    r"(?<!least )(?<!most )(?<!beyond )(?<!and )(?<!to )(?<!exceeds )(?<!exceed )(?<!reach )"
    r"[+-]?\b\d[\d.,]*+ ?(?:ms|msec|bpm|/ ?min|beats|seconds?|s\b|°|degrees)"
    r"(?! ?(?:or (?:more|less|longer|above)|- ?\d|to |and [-+]?\d))"
)
# "the 200 ms that first-degree AV block demands".
_THAT, _NEEDS = (
    re.compile(r"\b(?:that|which|what) (?:an? |true )?$"),
    re.compile(r" (?:demands?|requires?|needs?|calls for)\b"),
)
# "PR > 200 ms = first-degree AV block", "first-degree AV block = PR > 200 ms".
_EQUALS = re.compile(r"[<>≤≥]=? ?\d[^.;\n=]{0,24}= ?(?:an? )?$")
_DEFINED = re.compile(r" ?= ?[^.;,\n]{0,60}[<>≤≥]")
_BOUND = re.compile(
    r"[<>≤≥=]|\b(?:above|below|under|over|(?:less|more|greater|longer|shorter) than|between|to) [-+]?\d"
)
# A line of a glossary: "Sinus tachycardia: sinus rhythm, but above 100 bpm".
_ENTRY = re.compile(
    r"[ \n>#*•-]*(?:\d{1,2}[.)] )?(?:an? )?[a-z' /-]{4,40}(?: \([a-z0-9]{2,6}\))?: [^\n.\d]{0,80}?"
    r"(?:[<>≤≥]|\b(?:below|above|under|over|(?:less|more|greater) than) )"
)


# A finding that is quoted in leads, or graded, is one of this ECG: "Some ST depression in V5 may suggest ischemia".
_IN_LEADS = re.compile(r"(?: waves?)? (?:in|over|across|of|at|from) (?:leads? )?(?:v[1-6]|av[rlf]|i{1,3})\b")
_GRADED = re.compile(r"(?:non-?specific|mild|slight|minimal|moderate|minor|some|subtle) ")

_start = attrgetter("start")


class _Clause(NamedTuple):
    """[start, end) of a clause and what its words weigh."""

    start: int
    end: int
    weight: int
    finite: bool
    measured: bool  # with a number of this ECG


@lru_cache(maxsize=4096)
def _clauses(text: str) -> tuple[_Clause, ...]:
    """The clauses of a readable sentence, in order; none where no word is general. What stands in brackets is aside."""
    plain = _BRACKET.sub(lambda m: " " * len(m[0]), text) if "(" in text else text
    cues = list(CUES.scan(plain, 0, len(plain)))
    if not any(WEIGHT[kind] > 0 for kind, _, _ in cues) and not _IN_FRONT.search(text):
        return ()
    found, start, i = [], 0, 0
    for end in [*(m.end() for m in CLAUSE_END.finditer(text)), len(text)]:
        kinds, verbs = list[str](), list[int]()
        while i < len(cues) and cues[i][1] < end:
            kind, at, _ = cues[i]
            kinds.append(kind)
            if WEIGHT[kind] > 0 and not text.endswith(("that ", "which "), 0, at):
                verbs.append(at)
            i += 1
        weight = sum(WEIGHT[kind] for kind in kinds) - max(0, kinds.count("perhaps") - 1)
        if weight > 0 and (
            _ANY.match(text, start, end) or _WHEN.match(text, start, end) or _led(text, start, end, verbs)
        ):
            weight += 1
        finite = "perhaps" in kinds or _FINITE.search(text, start, end) is not None
        found.append(_Clause(start, end, weight, finite, _MEASURED.search(text, start, end) is not None))
        start = end
    return tuple(found)


def _led(text: str, start: int, end: int, verbs: list[int]) -> bool:
    """Whether a finding without an article of this ECG is the subject of one of these verbs of a clause."""
    for _, a, b in mentions(text[start:end]):
        verb = bisect_left(verbs, b + start)
        near = verb < len(verbs) and verbs[verb] < b + start + NEAR
        if near and _SUBJECT.search(text, max(start - 1, a + start - NEAR, 0), a + start):
            return True
    return False


def _evidence(text: str, clause: _Clause, start: int, end: int) -> int:
    """How much the words of a clause say that it is general, and what stands at [start, end) in it."""
    weight = clause.weight + VALUE * clause.measured
    low = max(clause.start - 1, start - NEAR, 0)
    front = _IN_FRONT.search(text, low, min(clause.end, start + NEAR))
    if front and front.end() - 1 <= start:
        weight += 2
    if _DEFINITE.search(text, low, start) and not _REPORTED.match(text, start):
        weight -= 2
    if _GRADED.match(text, start) or _IN_LEADS.match(text, end):
        weight -= 1
    return weight if clause.finite else min(weight, 1)


def general(text: str, start: int, end: int) -> bool:
    """Whether a readable sentence speaks in general of what it names at [start, end).

    Args:
        text: the sentence, in lower case.
        start: of a mention, or of a list of mentions that one predicate is said of.
        end: its end.

    Returns:
        False where it speaks of this ECG, or where that is not told.
    """
    if not text.isascii() and HAN.search(text):
        return True
    if _NEEDS.match(text, end) and _THAT.search(text, max(0, start - NEAR), start):
        return True
    if "=" in text and (_EQUALS.search(text, max(0, start - NEAR), start) or _DEFINED.match(text, end)):
        return True
    before, clauses = False, _clauses(text)
    last = bisect_right(clauses, start, key=_start)
    for clause in clauses[max(0, last - BACK) : last]:
        before = _evidence(text, clause, min(start, clause.end), end) >= (LEAST - 1 if before else LEAST)
    return before


def textbook(text: str) -> bool:
    """Whether more sentences of a readable text are on ECGs in general than not, and none names this one."""
    kinds = {kind for kind, _, _ in CUES.scan(text, 0, len(text))}
    if "ours" in kinds or kinds.isdisjoint(("rule", "often")) or "<answer>" in text:
        return False
    balance = 0
    for sentence in _SENTENCE.split(text):
        first = next(iter(_clauses(sentence)), None)
        if first and first.finite and first.weight >= LEAST and not first.measured:
            balance += 1
        elif sentence.strip() and not _BOUND.search(sentence):
            balance -= 1
    return balance > 0


def entry(sentence: str) -> bool:
    """Whether a readable sentence is like a line of a glossary; where several are, none is of this ECG."""
    return ": " in sentence and _ENTRY.match(sentence) is not None


def continued(text: str, end: int, start: int) -> bool:
    """Whether what is named at `start` belongs to the clause that has named something in general up to `end`."""
    return 0 <= end <= start and not CLAUSE_END.search(text, end, start)
