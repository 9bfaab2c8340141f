"""Quantities are read as a clinician would read them."""

import pytest
from held_out import HELD_OUT
from phrasings import PHRASINGS

from ecg_r1.scoring import Completion
from ecg_r1.scoring.quantities import Quantity

CASES = [(category, text, reading) for category, rows in (PHRASINGS | HELD_OUT).items() for text, reading in rows]
SHORT = {"heart_rate_bpm": "rate", "atrial_rate_bpm": "atrial_rate"}


def written(q: Quantity) -> str:
    """The reading of one quantity, as the table writes it."""
    name = SHORT.get(q.name) or q.name.rsplit("_", 1)[0]
    if q.kind == "reference":
        return f"{name}~"
    if q.kind == "absent":
        return f"{name}?"
    if q.kind == "range":
        return f"{name}={q.low:g}..{q.high:g}"
    if q.kind == "bound":
        return f"{name}<{q.high:g}" if q.low is None else f"{name}>{q.low:g}"
    return f"{name}={q.value:g}"


def reading(text: str) -> str:
    return " ".join(written(q) for q in Completion.parse(text).quantities)


def test_there_are_at_least_200_phrasings() -> None:
    assert len(CASES) >= 200


@pytest.mark.parametrize(("category", "text", "expected"), CASES)
def test_phrasing(category: str, text: str, expected: str) -> None:
    assert reading(text) == expected
