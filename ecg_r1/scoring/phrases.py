"""Whether a text says what a phrase says, in other words or with a number a little off, and does not deny it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.quantities import Quantity
from ecg_r1.scoring.verify import TOLERANCES, distance

SHARE = 0.75  # of a phrase's content words that one clause must hold
RELATIVE = 0.1  # tolerance of a quantity that has none of its own
_WORD = re.compile(r"[a-z]+\d?|[\u4e00-\u9fff]")
_CLAUSE = re.compile(
    r"[;!?\n。；！？，]|,(?! ?(?:and )?(?:av[rlf]|v[1-6]|i{1,3})(?![a-z]))|\.(?!\d)|\b(?:but|however|whereas|while)\b"
)
_NEGATION = re.compile(
    r"\b(?:no|not|without|absent|absence|never|neither|nor|cannot|n't|lacks?|denies|ruled out|exclud\w{1,4})\b"
    r"|n't|无|未|没有|排除|不"
)
_STOP = frozenset((
    "a", "about", "absence", "absent", "an", "and", "any", "approximately", "are", "around", "as", "at", "be",
    "been", "bpm", "by", "deg", "evidence", "for", "from", "in", "is", "it", "its", "mm", "ms", "mv", "no",
    "not", "noted", "observed", "of", "on", "or", "present", "s", "sec", "seen", "show", "showing", "shows",
    "that", "the", "there", "this", "to", "was", "were", "which", "with", "without",
))  # fmt: skip


def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ing", "ed", "es", "s", "al", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


@dataclass(frozen=True)
class Clause:
    """One clause: its content words by their stems, and whether it is negated."""

    words: frozenset[str]
    negated: bool


def clauses(text: str) -> list[Clause]:
    """The clauses of a readable text."""
    found = []
    for part in _CLAUSE.split(text):
        words = frozenset(_stem(w) for w in _WORD.findall(part) if w not in _STOP)
        if words:
            found.append(Clause(words, bool(_NEGATION.search(part))))
    return found


@lru_cache(maxsize=4096)  # the phrases of a case are asked for once for each of its completions
def _phrase(phrase: str) -> tuple[Completion, Clause]:
    parsed = Completion.parse(phrase)
    words = frozenset(_stem(w) for w in _WORD.findall(parsed.readable) if w not in _STOP)
    return parsed, Clause(words, bool(_NEGATION.search(parsed.readable)))


def says(text: Completion, phrase: str) -> bool:
    """Whether the text says what the phrase says.

    A quantity of the phrase must be quoted within its tolerance, and nowhere outside it. A diagnosis must be mentioned
    with the same polarity, and nowhere with another. Any other phrase needs three quarters of its content words in one
    clause that is negated as it is, and in no clause that is not. Linear in the text for each phrase.
    """
    parsed, wanted = _phrase(phrase)
    claims = [q for q in parsed.quantities if q.kind != "reference"]
    if claims:
        return all(_quoted(text, claim) for claim in claims)
    if parsed.statements:
        return all(
            {m.polarity for m in text.statements if m.name == wanted_mention.name} == {wanted_mention.polarity}
            for wanted_mention in parsed.statements
        )
    if not wanted.words:
        return False
    near = [c.negated for c in clauses(text.readable) if len(c.words & wanted.words) >= SHARE * len(wanted.words)]
    return bool(near) and all(negated == wanted.negated for negated in near)


def _quoted(text: Completion, claim: Quantity) -> bool:
    quotes = [q for q in text.quantities if q.name == claim.name and q.kind != "reference"]
    if claim.value is None or any(q.value is None for q in quotes):
        return bool(quotes) and all((q.kind, q.low, q.high) == (claim.kind, claim.low, claim.high) for q in quotes)
    tolerance = TOLERANCES.get(claim.name, RELATIVE * abs(claim.value))
    return bool(quotes) and all(
        distance(claim.name, q.value, claim.value) <= tolerance for q in quotes if q.value is not None
    )
