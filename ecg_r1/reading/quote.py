"""A quantity as a text quotes it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["value", "range", "bound", "absent", "reference"]


class Quote(NamedTuple):
    """One quoted quantity, in the unit of its name (ms, bpm, °, mV).

    kind: "value" (value), "range" (low, high), "bound" (low or high), "absent" ("not measurable"), or "reference":
    a normal range, a criterion, a denied or supposed value, or one of another ECG, which is no claim about this one.
    lead: the lead it is quoted for, or the leads as written ("v2-v4"), in lower case; None where none is named.
    span: [start, end) characters of the completion.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    lead: str | None
    kind: Kind
    span: tuple[int, int]
