"""The value of a written number in the unit of its quantity."""

from __future__ import annotations

from ecg_r1.reading.quantities import cues
from ecg_r1.reading.quantities.lexicon import ANGLE, BOX, DIMENSIONS, ENTITIES, RATE, TIME, VOLT, WEAK
from ecg_r1.reading.quantities.numerals import LARGEST
from ecg_r1.reading.quantities.tokens import Token

PLAUSIBLE = {TIME: (20.0, 3000.0), RATE: (10.0, 400.0), ANGLE: (-180.0, 360.0)}  # of a number without a unit
TYPICAL = {TIME: (50.0, 700.0), RATE: (20.0, 400.0), ANGLE: (5.0, 180.0)}  # … however the sentence goes on behind it
FEWEST_RR = 200.0
SECONDS = (0.02, 3.0)  # a time without a unit in this range is in seconds
PER_BOX = {TIME: 40.0, VOLT: 0.1}  # ms along the paper at 25 mm/s, mV across it at 10 mm/mV


def typical(name: str, number: float) -> bool:
    """Whether a number without a unit right behind a name is one that its interval, or the rate, mostly has."""
    dimension = next(iter(ENTITIES[name]), None)
    low, high = TYPICAL.get(dimension or "", (0.0, -1.0))
    in_seconds = dimension == TIME and number < 1.0
    return name not in WEAK and low <= number * (1000.0 if in_seconds else 1.0) <= high


def value_of(text: str, token: Token, unit: Token, name: str) -> float | None:
    """The number in the unit of its name; None where no unit is written and none is plausible."""
    dimension, value, start = DIMENSIONS[name], token.number, token.start
    if dimension in (ANGLE, VOLT) and (token.negative or cues.NEGATIVE.search(text, max(0, start - 10), start)):
        value = -value
    if unit.dimension:
        factor = unit.factor * (PER_BOX[dimension] if unit.dimension == BOX else 1.0)
        return max(-LARGEST, min(LARGEST, value * factor))
    if dimension not in PLAUSIBLE:
        return None
    if dimension == TIME and SECONDS[0] <= value <= SECONDS[1]:
        if value == int(value) and text[start : token.end].isdecimal():  # "PR 5 boxes, QRS 2"
            return None
        value *= 1000.0
    if name == "rr_ms" and value < FEWEST_RR:  # vitals: "HR 112, RR 24" counts breaths
        return None
    low, high = PLAUSIBLE[dimension]
    if low <= value <= high or cues.DIRECTLY.search(text, max(0, start - 40), start):
        return min(value, LARGEST)
    return None
