"""Whether a text says what a phrase says, in other words or with a number a little off, and does not deny it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.reading.diagnoses.statements import Polarity
from ecg_r1.reading.leads.quoted_leads import LEAD
from ecg_r1.reading.quote import Quote
from ecg_r1.reading.text.sentences import SENTENCE_END
from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contraries import Stance, contrary, named, quoted, remainder, worded

SHARE = 0.75  # of a phrase's content words that one clause must hold
RELATIVE = 0.1  # tolerance of a quantity without a tolerance in the table
MOST_DIAGNOSES = 10  # asserted by one text; a longer list commits to none of them
_WORD = re.compile(r"[a-z]+\d?|[\u4e00-\u9fff]")
_SENTENCE = re.compile(rf"{SENTENCE_END.pattern}|\b(?:but|however|whereas|while)\b")
_CLAUSE = re.compile(
    rf"，|,(?! ?(?:and )?(?:leads? )?{LEAD}(?![a-z]))|[()]"
    r"|(?=\b(?:without|(?:with|and|but) (?:no|not)|except|excluding|other than|apart from|rather than|instead of)\b)"
)
_NEGATION = re.compile(
    r"\b(?:no|not|none|nothing|nowhere|without|absent|absence|never|neither|nor|cannot|lack(?:s|ing)?|denies|devoid"
    r"|unlike|hardly|scarcely|far from|false|untrue|rul(?:e|es|ed|ing) out|exclud\w{1,4}|except|other than|apart from"
    r"|rather than|instead of|free of|rejected|spar(?:ed|es|ing))\b|n't|无|未|没有|排除|不"
)
# What denies a whole list after it, or before it; "no A, B or C" does so too.
_LIST_DENIED = re.compile(
    r"(?:excluded|ruled out|absent|negatives?|rejected|denied|not (?:seen|present|found)) ?:"
    r"|\b(?:lacks?|lacking|devoid of|free of)\b"
)
_TAKEN_BACK = re.compile(r"\W*(?:not?|none|false|absent|excluded|denied)\W*")  # "normal axis (not)"
_OR = re.compile(r"\b(?:n?or)\b|或")
_DOUBT = re.compile(
    r"\b(?:possibl[ey]|perhaps|maybe|might|may|could be|questionable|equivocal|unclear|uncertain|either)\b|可能|疑似"
)
_STOP = frozenset((
    "a", "about", "absence", "absent", "an", "and", "any", "approximately", "are", "around", "as", "at", "be",
    "been", "bpm", "by", "deg", "evidence", "for", "from", "in", "is", "it", "its", "mm", "ms", "mv", "no",
    "not", "noted", "observed", "of", "on", "or", "present", "s", "sec", "seen", "show", "showing", "shows",
    "that", "the", "there", "this", "to", "was", "were", "which", "with", "without",
))  # fmt: skip


def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ing", "ed", "es", "s", "al", "ly", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def content(text: str) -> list[str]:
    """The content words of a readable text, by their stems."""
    return [_stem(word) for word in _WORD.findall(text) if word not in _STOP]


@dataclass(frozen=True)
class Clause:
    """One clause: its text and place in the readable text, its content words by their stems, and its polarity."""

    text: str
    start: int
    words: frozenset[str]
    polarity: Polarity


@lru_cache(maxsize=1024)
def clauses(text: str) -> tuple[Clause, ...]:
    """The clauses of a readable text, in order."""
    found, at = list[Clause](), 0
    for end in [*(m for m in _SENTENCE.finditer(text)), None]:
        found += _clauses_of(text[at : end.start() if end else len(text)], at)
        at = end.end() if end else at
    return tuple(found)


def _clauses_of(sentence: str, offset: int) -> Iterator[Clause]:
    cuts = [(0, 0), *(m.span() for m in _CLAUSE.finditer(sentence)), (len(sentence), len(sentence))]
    parts = [(end, sentence[end:start]) for (_, end), (start, _) in pairwise(cuts) if sentence[end:start].strip()]
    until = _denied_until([part for _, part in parts])
    reach = -1
    for i, (start, part) in enumerate(parts):
        reach = max(reach, until[i])
        taken_back = i + 1 < len(parts) and _TAKEN_BACK.fullmatch(parts[i + 1][1])
        denied = i <= reach or taken_back
        sense: Polarity = "negated" if denied else "uncertain" if _DOUBT.search(part) else "asserted"
        yield Clause(part, offset + start, frozenset(content(part)), sense)


def _denied_until(parts: list[str]) -> list[int]:
    """For each part of a sentence the last part that it denies, itself at least; -1 where it denies none."""
    until, last_or = [-1] * len(parts), -1
    for i in reversed(range(len(parts))):
        last_or = i if _OR.search(parts[i]) else last_or
        if _NEGATION.search(parts[i]):
            until[i] = len(parts) if _LIST_DENIED.search(parts[i]) else max(i, last_or)
            last_or = -1  # "no A or B, C, no D or E": the second "or" belongs to the second "no"
    return until


def undenied(text: str) -> str:
    """A readable text without its denied clauses."""
    kept, at = "", 0
    for clause in clauses(text):
        if clause.polarity == "negated":
            kept, at = kept + text[at : clause.start], clause.start + len(clause.text)
    return kept + text[at:]


@lru_cache(maxsize=4096)  # the phrases of a case are asked for once for each of its completions
def _phrase(phrase: str) -> tuple[Completion, Clause, set[Stance]]:
    parsed = Completion.parse(phrase)
    text = parsed.readable
    sense: Polarity = "negated" if _NEGATION.search(text) else "uncertain" if _DOUBT.search(text) else "asserted"
    return parsed, Clause(text, 0, frozenset(content(text)), sense), _said(parsed)


def _said(text: Completion) -> set[Stance]:
    return named(text) | quoted(text) | _worded(text, "asserted")


def _worded(text: Completion, polarity: Polarity) -> set[Stance]:
    said = (worded(clause.text) for clause in clauses(text.readable) if clause.polarity == polarity)
    return set[Stance]().union(*said)


def says(text: Completion, phrase: str) -> bool:
    """Whether a text says what a phrase says, and nothing that excludes it. Linear in the text for each phrase.

    A finding of `contraries` counts where the text names no other of its group. A quantity of the phrase must be quoted
    within its tolerance, and nowhere outside it. A diagnosis must be mentioned with the same polarity, never another,
    and not among more than MOST_DIAGNOSES. Any other phrase needs three quarters of its content words in one clause of
    its polarity, in none of another, and no clause that denies words of it.

    Args:
        text: of a step or an answer; what it does not claim of this ECG is left out before (`unclaimed.claimed`).
        phrase: a finding, a diagnosis, or a quantity with its value.
    """
    parsed, wanted, stances = _phrase(phrase)
    if stances and contrary(stances, _said(text)):
        return False
    found = clauses(text.readable)
    near = {c.polarity for c in found if len(c.words & wanted.words) >= SHARE * len(wanted.words)}
    claims = [q for q in parsed.quantities if q.kind != "reference"]
    if claims:
        present = "asserted" in near and any(claim.kind == "absent" for claim in claims)
        return not present and all(_quoted(text, claim) for claim in claims)
    if parsed.statements:
        asserted = {m.name for m in text.statements if m.polarity == "asserted"}
        return len(asserted) <= MOST_DIAGNOSES and all(
            {m.polarity for m in text.statements if m.name == wanted_mention.name} == {wanted_mention.polarity}
            for wanted_mention in parsed.statements
        )
    if stances and not content(remainder(wanted.text)):  # "narrow QRS complex", said as "the QRS is narrow"
        return stances <= _worded(text, "asserted") - _worded(text, "negated") or near == {wanted.polarity}
    denied = (c.words for c in found if c.polarity == "negated" and len(c.words) > 1)
    if not wanted.words or (wanted.polarity == "asserted" and any(words <= wanted.words for words in denied)):
        return False
    return near == {wanted.polarity}


def _quoted(text: Completion, claim: Quote) -> bool:
    quotes = [q for q in text.quantities if q.name == claim.name and q.kind != "reference"]
    if claim.value is None or any(q.value is None for q in quotes):
        return bool(quotes) and all((q.kind, q.low, q.high) == (claim.kind, claim.low, claim.high) for q in quotes)
    known, wanted = QUANTITIES.get(claim.name), claim.value
    if known is None:  # an amplitude
        agree = (abs(q.value - wanted) <= RELATIVE * abs(wanted) for q in quotes if q.value is not None)
    else:
        agree = (known.distance(q.value, wanted) <= known.tolerance for q in quotes if q.value is not None)
    return bool(quotes) and all(agree)
