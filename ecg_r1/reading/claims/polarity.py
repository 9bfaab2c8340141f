"""Whether a mention is asserted, denied or doubted by the words around it, after NegEx (Chapman et al., J Biomed Inform
2001) and its ConText: cues before the mention reach it through their clause, a predicate after it speaks of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ecg_r1.reading.claims import references
from ecg_r1.reading.claims.predicates import REACH, Polarity, predicate
from ecg_r1.reading.claims.scopes import scope
from ecg_r1.reading.words.languages import either, entries, han, joined, sections
from ecg_r1.reading.words.wordings import Wordings

NEAR = 24  # characters over which "not" reaches a verb: "does not in itself suggest"

_WORDINGS = Wordings(entries("before"), han("before").items())
_WORDS = joined("clauses")
_DOT = r"\.(?!\d|[a-z]\.)" + "".join(rf"(?<!\b{word}\.)" for words in sections("abbreviations") for word in words)
_STOP = re.compile(rf"[;!\n。；！]|[<>](?! ?=? ?\d)|:(?!\d)|{_DOT}|\?(?! ?$)(?![a-z])")
_HEADINGS = either(joined("headings"))
_HEADING = re.compile(rf"(?:^|[^\w])(?:{_HEADINGS})[\"']? ?$")
_ASIDE = re.compile(r"\([^()]*\)")
_QUERIED = re.compile(r"\?[a-z ]{0,20}$")
# Where a clause ends at a comma, and not a list of leads or an infinitive: "no Q waves in II, III, to suggest".
_COMMA = re.compile(
    r"[,、](?! ?(?:(?:and |or )?(?:v\d|av[rlf]|i{1,3}(?![a-z.])|\d)|to (?!the)|nor\b|or\b|such as|including|like\b"
    r"|e\.g))"
)
_TURN_AFTER = re.compile(
    rf"[;:!?\n<>。；！]|\.(?!\d)|\b(?:{_WORDS['contrast']}|{_WORDS['be']}|hence|so|therefore|with|shows?)\b"
)
_OR = re.compile(r"\b(?:or|nor)\b|或|及|和")
# "rules out ACS, pericarditis and electrolyte disturbance": a list of things, known or not, that one verb excludes.
_EXCLUDING = re.compile(_WORDS["excluding"])
_NO_ITEM = re.compile(rf"[.;:()\n]|\b(?:{_WORDS['verb']}|there|but|with|while|which|so|this|that|it)\b")
_AND_OR = re.compile(r"\b(?:and|or)\b")
_ITEMS_END = re.compile(r"s?(?:,? (?:and|or)\b|,[^.;:\n]{2,60}\b(?:and|or)\b|[.;\n)]| ?$)")
_OR_BEFORE = re.compile(r"(?:\b(?:or|vs\.?|versus)|或(?:者|是)?) ?(?:\w{1,12} )?$")
_OR_AFTER = re.compile(r"[ ,]*(?:(?:versus|vs|or)\b|或)")
_MORE = re.compile(r"\b(?:and|with|plus|showing|but)\b")
_AND_BEFORE = re.compile(r"(?:\band|,|\bwith) (?:an? |the )?$")
_ASKED = re.compile(r"(?:(?!, (?:but|and|yet) )[^.;:!\n<>]){0,80}\?(?![a-z])")  # "AF, but where is LVH?"
_FINITE = re.compile(rf"\b(?:{_WORDS['be']}|shows?|has|have)\b")
_COMMANDED = re.compile(r"(?:^|[.;:(\n>,]|\b(?:to|should|must|please|and)) ?$")

_INSERTED = re.compile(rf", ?(?:{_WORDS['inserted']})\b[^,]*")
_DEFLECTION, _DOWN = (
    re.compile(r"[tp](?![a-z])|st[- ]t"),
    re.compile(r"[ ,:-]{1,3}neg(?:ativ\w*)?(?![a-z])"),
)  # "T neg in V1"
_PASSING = {"supposed": REACH, "listed": REACH, "occasion": 8}  # where in its clause one passes a comma
_OTHERS = ("then", "person")  # scopes in which a diagnosis is not of this ECG
_OWN = ("nominal", "verbal", "adjective", "open", "nothing")


# What a wave keeps: an old infarction is seen on this ECG, an old arrhythmia is not.
_LASTING = re.compile(r"infarct|\bmi\b|stemi|梗")
# "The computer reads AF, but this is sinus rhythm."
_BUT = re.compile(
    rf"[\"')]? ?[,;-]? ?(?:(?P<not>{_WORDS['disagrees']})|{_WORDS['contrast']}|yet|actually|in fact)\b,?"
    rf"(?P<contrary> (?:{_WORDS['contrary']})\b)?|(?P<han>{han('but')})"
)


class _Before(NamedTuple):
    """told: of another day or patient; attributed: somebody else says it."""

    polarity: Polarity
    supposed: bool = False
    told: bool = False
    attributed: bool = False


def _listed(text: str, comma: int, start: int, end: int) -> bool:
    """Whether the mention at [start, end) stands in a list that goes on past the comma and has an "or"."""
    if _OR.search(text, comma, start):
        return True
    turn = _TURN_AFTER.search(text, end, end + REACH)
    return _OR.search(text, end, turn.start() if turn else end + REACH) is not None


def _clause(text: str, start: int, floor: int) -> tuple[int, Polarity]:
    """Where the clause of a mention begins, within reach, and what the heading of that clause makes of it."""
    low = max(floor, start - REACH)
    for stop in _STOP.finditer(text, low, start):
        low = stop.end()
    if text[low - 1 : low] == ":":
        heading = _HEADING.search(text, max(0, low - 40), low - 1)
        if heading:
            return low, "negated" if heading["denied"] else "uncertain"
    return low, "asserted"


def _cues(text: str, first: int, start: int, end: int) -> list[tuple[str, int, int]]:
    """(kind, start, end) of the cues that reach the mention at [start, end) from its clause, which begins at `first`.

    A cue passes a comma only in a list that ends with "or": "no LBBB, RBBB or LVH" denies three, or where it tells
    when: "on the old ECG, AF". It does not get out of a bracket.
    """
    cues = list(_WORDINGS.scan(text, first, start))
    if not cues:
        return cues
    for aside in _ASIDE.finditer(text, cues[0][1] - 1 if cues[0][1] else 0, start):
        cues = [cue for cue in cues if not aside.start() < cue[1] < aside.end()]
    excluding = next((cue for cue in cues if _EXCLUDING.match(text, cue[1], cue[2])), None)
    if (
        excluding
        and not _NO_ITEM.search(text, excluding[2], start)
        and _ITEMS_END.match(text, end)
        and (text.startswith(("rul", "excl"), excluding[1]) or _AND_OR.search(text, excluding[2], end + REACH))
    ):
        return cues
    comma = -1
    for m in _COMMA.finditer(text, first, start):
        comma = m.start()
    own = any(cue[1] > comma and cue[0] in _OWN for cue in cues)  # "no LBBB, possible RBBB or LVH"
    if cues and cues[0][2] <= comma and (own or not _listed(text, comma, start, end)):
        cues = [cue for cue in cues if cue[2] > comma or cue[1] - first <= _PASSING.get(cue[0], -1)]
    return cues


def _before(text: str, start: int, end: int, floor: int, *, restated: bool) -> _Before:
    """What the words before a mention make of it. restated: a verb of its own follows it, so an "and" begins anew."""
    first, headed = _clause(text, start, floor)
    cues = _cues(text, first, start, end)
    verbal = maybe = -REACH  # where the last "not" ends, and the last doubt
    denied, doubted = headed == "negated", headed == "uncertain"
    nothing = supposed = told = attributed = False
    for kind, a, b in cues:
        if kind == "turn":
            verbal, denied, doubted, nothing = -REACH, False, False, False
            told, attributed = told and text[a:b] == "with", False
        elif kind == "cause":
            verbal, denied, doubted, nothing = -REACH, False, doubted and a - maybe <= NEAR // 2, False
        elif kind == "reveal":
            if not nothing and a - verbal > NEAR and text[max(0, a - 3) : a] != "to ":
                denied, doubted = False, doubted and a - maybe <= NEAR
        elif kind == "verbal":
            verbal, denied = b, True
        elif kind == "nothing":
            nothing = denied = True
        elif (
            kind == "rule"
            and _COMMANDED.search(text, max(0, a - 8), a)
            and not (text.endswith("and ", 0, a) and _FINITE.search(text, first, a))
        ):
            doubted = True
        elif kind in ("nominal", "rule"):
            doubted = doubted or a - verbal <= NEAR
            denied = True
        elif kind == "open":
            denied = doubted = True
        elif kind == "adjective":
            if not _MORE.search(text, b, start):
                maybe, doubted = b, doubted or not denied
        elif kind in ("doubted", "listed"):
            maybe, doubted = b, doubted or not denied
        elif kind == "supposed":
            supposed = True
        elif kind in ("elsewhere", "occasion"):
            told = True
        elif kind == "now":
            told = False
        elif kind == "attributed":
            attributed = True
    if restated and not doubted and _AND_BEFORE.search(text, first, start):
        denied = False
    result: Polarity = "uncertain" if doubted or supposed else "negated" if denied else "asserted"
    return _Before(result, supposed, told, attributed)


def _subordinate(text: str, start: int, last: int) -> bool:
    """Whether a mention ends a clause set in between commas, behind which the main clause goes on.

    "T waves, while inverted because of the RBBB, are not peaked."
    """
    if not text.startswith(",", last):
        return False
    comma = text.rfind(",", max(0, start - REACH), start)
    return comma >= 0 and _INSERTED.match(text, comma, start) is not None


def _left_open(text: str, start: int, end: int, last: int) -> bool:
    """Whether a mention is asked, or one of two."""
    if "?" in text and (_QUERIED.search(text, max(0, start - 24), start) or _ASKED.match(text, last)):
        return True
    return _OR_BEFORE.search(text, max(0, start - 16), start) is not None or _OR_AFTER.match(text, end) is not None


def polarity(text: str, group: Sequence[int], start: int, end: int, alternatives: bool, floor: int = 0) -> Polarity:
    """Polarity of the mention at [start, end) of a lower-case text.

    group: [start, end) of the list it stands in, whose words around it speak of all; alternatives: it has an "or";
    floor: where what was said of the mention before it ends, where no sign parts the two.
    """
    said = None if _subordinate(text, start, group[1]) else predicate(text, group[1])
    if said and said.polarity == "negated" and _DEFLECTION.match(text, start) and _DOWN.match(text, group[1]):
        said = None
    restated = said is not None and said.polarity == "asserted" and said.singular and end == group[1]
    before = _before(text, start if restated else group[0], end, floor, restated=restated)
    result = before.polarity
    if said is not None and said.polarity != "asserted":
        result = said.denied if before.polarity == "negated" and said.denied != "asserted" else said.polarity
    if before.supposed:
        return "uncertain"
    if (
        result == "asserted"
        and (before.told or references.OTHER_AFTER.match(text, group[1]) or scope(text, group[0]) in _OTHERS)
        and not _LASTING.search(text, start, end)
    ):
        return "uncertain"
    if result == "asserted" and before.attributed and (but := _BUT.match(text, group[1])):
        return "negated" if but["contrary"] or but["han"] or but["not"] else "uncertain"
    if result == "asserted" and (alternatives or _left_open(text, start, end, group[1])):
        return "uncertain"
    return result
