"""Whether a text speaks of ECGs in general where it names a diagnosis or quotes a number, or of this ECG.

"First-degree AV block is defined by a PR above 200 ms" says of no ECG that it has one. No word tells such a clause from
one on this ECG, so the signs of both are weighed: words of a rule, of what is often so, of a patient or a tracing
(`generality` in data/vocabulary.<language>.yaml), by where they stand; articles, verbs, bounds, round numbers, a value
of the same quantity beside it. The weights (data/generality.yaml) are fitted to labelled passages:
benchmarks/generality.py fits them anew.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from math import fsum
from operator import attrgetter
from typing import NamedTuple

from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.reading.quote import Quote
from ecg_r1.reading.text.sentences import sentences
from ecg_r1.reading.words.languages import entries, han, joined
from ecg_r1.reading.words.wordings import Wordings
from ecg_r1.shipped import shipped_table

MARGIN = 0.69  # log 2: a claim that is lost costs as much as two references that are read as claims
NEAR = 60  # characters before and after a reading in which its article and its verb stand
MOST = 12  # cues and quantities before and after a reading that are looked at
LONG = 500  # characters of a long text
LINES = 5  # sentences back to the line that heads a list
# How much the cues of a clause, a measured number in it, and what stands before a reading say that it is general,
# without any fit; from PLAIN on they settle it.
OF_CUE = {"rule": 3, "often": 2, "perhaps": 1, "seen": -1, "ours": -3}
OF_VALUE = -2
OF_PLACE = {"subject verb": 1, "definite": -1, "owned": -2}
PLAIN = 2
# The cues without which a clause without a number is not weighed.
GENERAL = ("rule", "often", "perhaps", "norm", "other", "wrong", "condition", "modal", "habit")
_CUES = Wordings(entries("generality"), [("rule", han("general"))])
_WEIGHED = Wordings(entries("weighed"), han("weighed").items())
_CLAUSE_END = re.compile(
    r"(?<!m\.i)\.(?![a-z\d]| grad)|[;\n!?•|](?!\d)| - |,? (?:but|whereas|while|however|hence|so|since|because)\b"
    r"|,?(?= (?:which|indicating|although|though|that (?:may|can|will|is|are|does|do))\b)"
)
_WORDS = joined("clauses")
_FINITE = re.compile(rf"\b(?:{_WORDS['finite']})\b|=")
# What is so "in bifascicular block" or is set equal to a bound, and a clause on no quantity of this ECG: "A PR over …".
_FRONT = re.compile(
    rf"(?:^ ?|[.;:\n>(•] ?|, )(?:in|bei) (?!(?:{_WORDS['here']})\b)[a-z]|[<>≤≥]=? ?\d[^.;\n=]{{0,24}}= ?[a-z]"
)
_OPENING = re.compile(
    r"[ \n>#*•(,-]*(?:(?:that|and|while|whereas|normally|usually|typically),? )?"
    r"(?:(?:an?|any|every) (?:[a-z-]{3,12} ){0,2}?"
    r"(?:pr|pq|qrs|qtc?|p[- ]wave|axis|(?:heart |ventricular )?rate|values?)\b|(?:when(?:ever)?|if|once|wenn) )"
)
_NUMBER = r"[+-]?\d[\d.,]* ?(?:ms|msec|bpm|/ ?min|beats|seconds?|sec|s\b|°|degrees)"
_CUE = joined("cues")
_BOUND = re.compile(
    rf"[<>≤≥]|\b(?:{_CUE['low']}|{_CUE['high']}|(?:{_CUE['more']}|{_CUE['less']}) than|between|ab)\b"
    r"(?=[^.;,\d]{0,12}\d)|超过|大于|小于|以上|以下"
)
# Signs of a clause or a sentence, by what is searched in it …
_IN_CLAUSE = {
    "measured": re.compile(
        rf"(?<![-–<>≤≥+\d.])(?<![<>≤≥] )(?<!than )(?<!ber )(?<!ter )(?<!to ){_NUMBER}"
        r"(?! ?(?:or |- ?\d|to |and [-+]?\d))"
    ),
    "bound": _BOUND,
    "past": re.compile(r"\b(?:was|were|had|did|[a-z]{3,}ed)\b"),
}
_IN_SENTENCE = {
    "percent": re.compile(r"%|\bpercent|±|\+/-"),
    "numbered": re.compile(r"\(1\).{0,200}\(2\)|\b1[.)] .{0,200}\b2[.)] "),
    "item": re.compile(r"\A[ \n>|]*(?:[-•*·]|\d{1,2}[.)]|[a-e]\.) "),
    "asked": re.compile(r"\?"),
}
# … what stands right before the reading …
_BEFORE = {
    "indefinite": re.compile(r"\b(?:an?|any|every|each|eine?[mnr]?) (?:[a-z-]{2,14} ){0,2}$"),
    "definite": re.compile(r"\b(?:the|der|die|das) (?:[a-z-]{2,14} ){0,2}$"),
    "owned": re.compile(r"\b(?:this|these|his|her|our|my|your|their|patient's) (?:[a-z-]{2,14} ){0,2}$"),
    "subject": re.compile(
        rf"(?:^|[.;:\n>•|,)-]|\b(?:and|that|as|because|since|{_WORDS['contrast']})) ?(?:\d{{1,2}}[.)] ?)?"
        rf"(?:(?:{_WORDS['grade']})[ -])*$"
    ),
    "within": re.compile(
        r"(?:^|[.;:\n•>-]|, |\b(?:that|and|while|but)) ?(?:in|with|for|during|bei|mit) (?:an? |any |most |eine[mnr] )?"
        r"(?:[a-z-]{3,14} ){0,2}$"
    ),
    "example": re.compile(
        r"\b(?:such as|like|including|e\.g\.|i\.e\.|for example|versus|vs\.?) (?:[a-z-]{2,14} ){0,3}$"
    ),
    "line": re.compile(r"(?:^|\n|\|)[ >#*|]*(?:[-•*·] ?|\d{1,2}[.)] ?)?(?:an? )?(?:[a-z-]{3,14} )?$"),
    "aside": re.compile(r"[(\[][^)\]]{0,30}$"),
}  # fmt: skip
# … and behind it.
_BEHIND = {
    "verb": re.compile(
        rf"[a-z]* ?(?:\([^)]{{1,30}}\) ?)?(?:\w{{2,10}}ly |also |often )?(?:{_WORDS['finite']}|{_WORDS['tells']})\b"
        rf"(?! (?:\w+ly )?(?:{_WORDS['there']})\b)"
    ),
    "defined": re.compile(r"(?: \([^)\n]{1,12}\))? ?(?::|=|- |\||→|➔)"),
    "finite": re.compile(rf".*\b(?:{_WORDS['finite']})\b"),
}  # fmt: skip


class _Clause(NamedTuple):
    """[start, end) of a clause in its sentence, its signs, and how much it is general without any fit."""

    start: int
    end: int
    signs: tuple[str, ...]
    weight: int


class _Sentence(NamedTuple):
    """A sentence of a passage: where it begins, its text, and its cues in order.

    kinds: of its first cues, for each number of them from none to all. starts: of the cues.
    """

    start: int
    text: str
    cues: tuple[str, ...]
    starts: tuple[int, ...]
    kinds: tuple[frozenset[str], ...]


class Passage(NamedTuple):
    """What is known of a whole text, readable. kinds: of its cues."""

    sentences: tuple[_Sentence, ...]
    kinds: frozenset[str]
    signs: frozenset[str]


@lru_cache(maxsize=4096)
def _cues(said: str) -> tuple[tuple[str, ...], tuple[int, ...], tuple[frozenset[str], ...]]:
    """(kinds in order, where they start, the kinds of the first n for each n) of the cues of a sentence."""
    found = [(start, kind) for words in (_CUES, _WEIGHED) for kind, start, _ in words.scan(said, 0, len(said))]
    found.sort()
    kinds = [frozenset[str]()]
    for _, kind in found:
        kinds.append(kinds[-1] if kind in kinds[-1] else kinds[-1] | {kind})
    return tuple(kind for _, kind in found), tuple(start for start, _ in found), tuple(kinds)


@lru_cache(maxsize=4096)
def _clauses(said: str) -> tuple[_Clause, ...]:
    """The clauses of a sentence, in order."""
    kinds, starts, _ = _cues(said)
    ends = [*(m.end() for m in _CLAUSE_END.finditer(said)), len(said)]
    found = []
    fronted = _FRONT.search(said) is not None
    for start, end in zip([0, *ends], ends, strict=False):
        signs = [f"clause {sign}" for sign, each in _IN_CLAUSE.items() if each.search(said, start, end)]
        own = kinds[bisect_left(starts, start) : bisect_left(starts, end)]
        weight = sum(OF_CUE.get(kind, 0) for kind in set(own))
        weight += 2 * (fronted and _FRONT.search(said, max(0, start - 1), end) is not None)
        weight += weight > 0 and _OPENING.match(said, start, end) is not None
        if "clause measured" in signs and "clause bound" not in signs:
            weight += OF_VALUE
        if weight > 0 and "perhaps" not in own and said.isascii() and not _FINITE.search(said, start, end):
            weight = 0
        found.append(_Clause(start, end, tuple(signs), weight))
    return tuple(found)


@lru_cache(maxsize=64)
def passage(text: str) -> Passage:
    """The sentences of a readable text with their cues."""
    found = []
    for start, end in sentences(text):
        said = text[start : end + 1]
        found.append(_Sentence(start, said, *_cues(said)))
    kinds = frozenset[str]().union(*(each.kinds[-1] for each in found))
    signs = {f"text {kind}" for kind in kinds}
    signs |= {f"text {sign}" for sign, held in (
        ("mostly general", 2 * sum(not each.kinds[-1].isdisjoint(("rule", "often")) for each in found) >= len(found)),
        ("nothing ours", "ours" not in kinds),
        ("answer", "<answer>" in text or "<think>" in text),
        ("measured", _IN_CLAUSE["measured"].search(text) is not None),
        ("bound", _BOUND.search(text) is not None),
        ("long", len(text) > LONG),
        ("one", len(found) == 1),
        ("front", _FRONT.search(text) is not None),
    ) if held}  # fmt: skip
    return Passage(tuple(found), kinds, frozenset(signs))


def _of(whole: Passage, at: int) -> int:
    """The number of the sentence that a place lies in."""
    return max(0, bisect_right(whole.sentences, at, key=attrgetter("start")) - 1)


def _around(text: str, start: int, end: int) -> Iterator[str]:
    """The signs of a reading that lie in its passage, its sentence, its clause and beside it."""
    whole = passage(text)
    i = _of(whole, start)
    own = whole.sentences[i]
    said, at = own.text, start - own.start
    to = min(end - own.start, len(said))
    clauses = _clauses(said)
    first = max(0, bisect_right(clauses, at, key=attrgetter("start")) - 1)
    last = max(first, bisect_left(clauses, to, key=attrgetter("start")) - 1)
    low, here, high = (bisect_left(own.starts, x) for x in (clauses[first].start, at, clauses[last].end))
    yield from whole.signs
    yield from (f"{kind} before its clause" for kind in own.kinds[low])
    yield from (f"{kind} before" for kind in own.cues[max(low, here - MOST) : here])
    yield from (f"{kind} behind" for kind in own.cues[here : min(high, here + MOST)])
    yield from (f"{kind} behind its clause" for kind in own.cues[high : high + MOST])
    yield from (f"{kind} last" for kind in (whole.sentences[i - 1].kinds[-1] if i else ()))
    yield from (f"{kind} next" for kind in (whole.sentences[i + 1].kinds[-1] if i + 1 < len(whole.sentences) else ()))
    heads = own.kinds[bisect_left(own.starts, said.rfind(":", 0, at))]
    above = (each for each in whole.sentences[max(0, i - LINES) : i][::-1] if each.text.rstrip().endswith(":"))
    yield from (f"{kind} head" for kind in heads | next((each.kinds[-1] for each in above), frozenset()))
    yield from clauses[first].signs
    yield from (f"sentence {sign}" for sign, pattern in _IN_SENTENCE.items() if pattern.search(said))
    before = [sign for sign, pattern in _BEFORE.items() if pattern.search(said, max(0, at - NEAR), at)]
    behind = [sign for sign, pattern in _BEHIND.items() if pattern.match(said, to, to + NEAR)]
    beside = [*before, *behind, *(f"{a} {b}" for a in before for b in behind)]
    yield from beside
    if clauses[first].weight >= PLAIN:
        yield "plain clause"
    if clauses[first].weight + sum(OF_PLACE.get(sign, 0) for sign in beside) >= PLAIN:
        yield "plain"


def _numbers(text: str, quote: Quote, others: Sequence[Quote]) -> Iterator[str]:
    """The signs of a quantity that lie in its numbers, and in what else the text quotes of it."""
    kind = quote.kind
    ends = {x for x in (quote.value, quote.low, quote.high) if x is not None}
    yield kind
    if all(x % 10 == 0 for x in ends):
        yield f"{kind} round"
    if any(x % 5 for x in ends):
        yield f"{kind} exact"
    if quote.name in QUANTITIES and QUANTITIES[quote.name].limits.issuperset(ends):
        yield f"{kind} limit"
    for other in others:
        if other.name != quote.name or other.span == quote.span or other.kind not in ("value", "range"):
            continue
        if other.kind == "value" and other.value in ends:
            continue
        apart = _of(passage(text), other.span[0]) != _of(passage(text), quote.span[0])
        place = ("before" if other.span < quote.span else "behind") + (" its sentence" if apart else "")
        yield f"{kind} another {place}"
        if other.value is not None and other.value % 10:
            yield f"{kind} exact {place}"


def near(quotes: Sequence[Quote], i: int) -> Sequence[Quote]:
    """The quantities of a text around the i-th, among which another value of the same may stand."""
    return quotes[max(0, i - MOST) : i + MOST]


def signs(text: str, start: int, end: int, quote: Quote | None = None, others: Sequence[Quote] = ()) -> frozenset[str]:
    """The signs of a reading; empty where nothing makes it worth to be weighed.

    Args:
        text: readable.
        start: of the reading in it.
        end: its end.
        quote: the quantity, where it is one; None for a diagnosis.
        others: quantities of the text.

    Returns:
        The names of the signs, as in data/generality.yaml.
    """
    whole = passage(text)
    general = not whole.kinds.isdisjoint(GENERAL) or "text front" in whole.signs
    if quote is None:
        return frozenset(_around(text, start, end)) if general or "text bound" in whole.signs else frozenset()
    numbers = frozenset(_numbers(text, quote, others))
    if not general and numbers <= {"value", "value exact"}:
        return frozenset()
    around = frozenset(_around(text, start, end))
    return around | numbers | {f"{quote.kind}: {sign}" for sign in around}


@cache
def weights() -> dict[str, dict[str, float]]:
    """sign -> weight, of quantities and of diagnoses."""
    found: dict[str, dict[str, float]] = shipped_table("generality.yaml")
    return found


def general(text: str, start: int, end: int, quote: Quote | None = None, others: Sequence[Quote] = ()) -> bool:
    """Whether what is read at [start, end) of a text is of ECGs in general; arguments as of `signs`.

    The words of its clause may settle it; else the fitted weights of all its signs do.
    """
    found = signs(text, start, end, quote, others)
    table = weights()["diagnoses" if quote is None else "quantities"]
    if "plain" in found if quote is None else quote.kind != "value" and "plain clause" in found:
        return True
    return bool(found) and fsum((table["bias"], *(table.get(sign, 0.0) for sign in found))) > MARGIN  # in any order
