"""What more is said of a value just quoted: how far off it may be, and what other value might stand in its place."""

from __future__ import annotations

import re

from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.reading.quantities.lexicon import OTHER, TIME
from ecg_r1.reading.quantities.tokens import Token
from ecg_r1.reading.quantities.values import PER_BOX
from ecg_r1.reading.quote import Quote
from ecg_r1.reading.words.languages import joined

ORDER, SECONDS = 3.0, 3.0  # another value is of the same order, "590 ms (2)" is a note; a smaller time is in seconds
REACH = 64  # characters between a value and another one of the same quantity that is not named again

_WORDS = joined("cues")
# Between a value and its spread: "160 ± 10 ms", "160 ms, give or take 10".
PLUS_MINUS = re.compile(
    rf" ?[,(]? ?(?:(?:with )?(?:an? |the )?(?:{_WORDS['spread']})(?: margin)? ?(?:of |: ?|is |= ?)?(?:up to |about )?)?"
    rf"(?:±|\+/-|\+-|(?:{_WORDS['plus or minus']}|(?<=of )|(?<=up to )|(?<=: ))) ?"
)
# Between a value and another one without a unit or a name: "164 (maybe 224) ms", "164 ms, sorry, 224".
LINK = re.compile(rf"(?:[ ,/|:=\"'(\[{{*~≈→^&\\-]|95 ?%|(?<![a-z])(?:{_WORDS['another']})(?![a-z]))*")
SAID = re.compile(r"[a-z\u4e00-\u9fff(\[{\"'≈→^&]|vs")  # one of which must stand there: "120, 80" may be anything
# A list in brackets: "[120, 140, 164]", "(164, 224) ms", "∈ {164, 224}".
LISTED = re.compile(r"[\[({][ \"']*(?:\d[\d.]*(?: ?[a-z]{1,4})?[ \"']*[,;] ?[\"']?)+$")


def another(text: str, end: int, said: float, number: Token) -> bool:
    """Whether the words from the end of a value to a number make that another one in its place, no note or count."""
    start, value = number.start, number.number * (1000.0 if number.number < SECONDS else 1.0)
    if start - end > REACH or not said / ORDER <= value <= said * ORDER:
        return False
    between = text[end:start]
    if LINK.fullmatch(between) and SAID.search(between):
        return True
    return LISTED.search(text, max(0, start - REACH), start) is not None


def within(text: str, name: str, value: float, first: Token, spread: Token) -> list[float]:
    """[value], or the two ends of what it may be where its spread is wider than what the signal can tell apart."""
    if spread.dimension == OTHER:
        off = value * spread.number / 100 if text[first.end : spread.end].endswith(("%", "percent")) else 0.0
    else:
        off = abs(spread.number * (spread.factor if spread.dimension else value / (first.number or 1.0)))
    return [value - off, value + off] if name in QUANTITIES and off > QUANTITIES[name].tolerance else [value]


def counted(boxes: Quote, found: list[Quote]) -> bool:
    """Whether boxes counted are how a value beside them was read: within one small box of it, or a fifth."""
    return any(
        q.name == boxes.name
        and (
            boxes.value is None
            or q.value is None
            or abs(q.value - boxes.value) <= max(PER_BOX[TIME], 0.2 * abs(q.value))
        )
        for q in found
    )


def retract(found: list[Quote], place: int) -> None:
    """Turn the last value before a place, and its repetitions, into no claim, where a sentence there takes it back.

    If another value is said for it afterwards, both count, as of any two: nobody is paid for the one that is right.
    """
    taken_back = found[place - 1]
    if any(q.name == taken_back.name and q.kind != "reference" for q in found[place:]):
        return
    for i, q in enumerate(found[:place]):
        if q._replace(lead=None, span=(0, 0)) == taken_back._replace(lead=None, span=(0, 0)):
            found[i] = q._replace(kind="reference")
