"""What sort of claim a number makes: of this ECG, or none, as a limit of normal or another ECG's value."""

from __future__ import annotations

import re

from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.reading.claims import references
from ecg_r1.reading.claims.scopes import scope
from ecg_r1.reading.quantities import cues
from ecg_r1.reading.quantities.sentence import Sentence

ROUND = 5  # of what textbooks call normal or long; what is measured ends as it likes
REACH = 90  # characters before a number that may say what sort of number it is
Said = tuple[str, str, int, float]  # quantity, kind, end and value (or first end) of a number read before


def elsewhere(sentence: Sentence, i: int, after: str) -> bool:
    """Whether number i is of another ECG, asked or supposed, or what one would expect."""
    aside = scope(sentence.text, sentence.tokens[i].start)
    if aside in ("elsewhere", "then") and references.NOW_AFTER.match(after):
        return False
    if aside == "typical" and references.HERE_AFTER.search(after):
        return False
    if aside in ("elsewhere", "then", "person", "supposed", "typical") or references.OTHER_AFTER.match(after):
        return True
    return sentence.asked or (sentence.doubted and not after.strip())


def general(
    sentence: Sentence,
    said: list[Said],
    i: int,
    name: str,
    named: int,
    ends: tuple[float, float],
    after: str,
    then: str,
) -> bool:
    """Whether a range or bound is of ECGs in general: a criterion, a limit of normal, a finding that is denied.

    named: where its name stands, or else the number itself. after, then: the text after the number, and after its name.
    """
    text, start = sentence.text, sentence.tokens[i].start
    aside = scope(text, start)
    if aside == "general":
        return True
    measured = ends[0] < ends[1] and any(end % ROUND for end in ends)
    if (references.GENERAL_AFTER.match(after) or references.GENERAL_AFTER.match(then)) and not (
        (references.OF_THIS.search(text, max(0, named - 40), named) and "(" not in text[named:start])
        or references.HERE_AFTER.search(after)
        or measured
    ):
        return True
    before_name = text[max(0, named - 40) : named]
    if cues.DENIED_NAME.search(before_name) or references.EQUALS.search(before_name):
        return True
    if name in QUANTITIES and QUANTITIES[name].limits.issuperset(ends):
        so_far = text[max(0, start - REACH) : start]
        beside = bool(said) and said[-1][:2] == (name, "value")  # as what the value lies within
        normal = references.NORMAL.search(so_far)
        return (
            aside == "normal"
            or bool(normal and cues.OPENED.search(so_far))
            or _enclosed(text, start, ends)
            or (ends[0] < ends[1] and bool(beside or normal))
        )
    return False


def _enclosed(text: str, start: int, ends: tuple[float, float]) -> bool:
    """Whether both ends of a range are limits and it stands in a bracket or as an item of a list: "(60 - 100 bpm)"."""
    return ends[0] < ends[1] and cues.ALONE.search(text, 0, start) is not None


def denied(text: str, named: int, start: int) -> bool:
    """Whether the quantity named at this place is denied or aimed at: "no PR of 164 ms", "LBBB requires a QRS of …"."""
    return "(" not in text[named:start] and (
        cues.DENIED_HERE.search(text, max(0, named - 40), named) is not None
        or cues.AIMED.search(text, max(0, named - 40), named) is not None
    )


def beside(text: str, said: list[Said], start: int) -> re.Match[str] | None:
    """How a number at `start` is set beside the value before it, as its limit: "PR 172 ms [120-200]", "(N < 450)"."""
    if not said or said[-1][1] != "value" or start - said[-1][2] > REACH:
        return None
    m = references.BESIDE.fullmatch(text, said[-1][2], start)
    return m if m and (m["bracket"] or m["marked"]) else None


def unsaid(name: str, kind: str) -> bool:
    """Voltage criteria ("R in aVL over 11 mm", "P over 2.5 mm") are of waves without limits of normal: no reference."""
    return (kind == "reference" and name in ("r_mv", "s_mv")) or (kind != "value" and name == "p_mv")


def downward(text: str, name: tuple[int, int], number: tuple[int, int]) -> bool:
    """Whether the ST level or T wave that is named and quoted at these places goes down."""
    start, end = number
    if m := cues.DIRECTION_NEXT.match(text, end):
        return m["down"] is not None
    low = max(0, start - REACH, min(name[0], start) - 24)
    said = [*cues.DIRECTION.finditer(text, low, start)]
    said = said or [*cues.DIRECTION.finditer(text, end, end + 40)]
    return bool(said) and said[-1]["down"] is not None


def compares(text: str, said: list[Said], name: str, start: int, bound: str | None, limit: float) -> bool:
    """Whether a bound is a limit that a value before it is held against: "92 ms (<120 ms)", "134 ms > 120 ms"."""
    if bound is None or not said:
        return False
    if name in QUANTITIES and limit in QUANTITIES[name].limits and any(each[:2] == (name, "value") for each in said):
        return True
    if said[-1][:2] != (name, "value"):
        return False
    between, value = text[said[-1][2] : start].strip(), said[-1][3]
    if between.startswith(("(", "[")):
        return value > limit if bound == "high" else value < limit
    return between.strip("<>≤≥=") == ""
