"""Holds every quoted quantity against what was measured on the signal: one judgement for rewards and evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.reading.values import Quote
from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import Case

WIDEST = 2.0  # times the tolerance, where the leads disagree
LOOSE = 0.5  # what a range or a bound is worth beside a value as near
TOO_WIDE = 4.0  # tolerances; a true range or bound that reaches further says too little to be called supported
VARY = ("heart_rate_bpm", "rr_ms")  # from beat to beat: a mean beside their range is a value like any other
NOT_MEASURED = "not measured"  # the reason of a quantity nobody tried to measure: no claim about it can be judged


def graded(error: float, tolerance: float) -> float:
    """exp(-error / tolerance): 1 at no error, 0.37 at the tolerance, and a slope wherever the quote stands."""
    return math.exp(-abs(error) / tolerance)


def tolerance_of(case: Case, name: str) -> float:
    """The tolerance of a quantity, widened to the spread of its measurement, at most to twice itself.

    The spread is over leads, of the rate over beats: what half of them contradict cannot be held against a quote.
    """
    tolerance, spread = QUANTITIES[name].tolerance, case.measurements[name].spread or 0.0
    return min(max(tolerance, spread), WIDEST * tolerance)


def physiological(case: Case, name: str) -> bool:
    """Whether the ECG itself has no such quantity (no P waves, so no PR), as opposed to a noisy signal."""
    reason = case.measurements.reason(name)
    return reason is not None and "no p wave" in reason.lower()


def judge(quantity: Quote, case: Case) -> dict[str, Any]:
    """The evidence row of one quote; see `verify`."""
    measured, reason = case.measurements.value(quantity.name), case.measurements.reason(quantity.name)
    tolerance = tolerance_of(case, quantity.name)
    verdict, score, why = "unverifiable", None, ""
    if quantity.kind == "absent":
        if measured is not None:
            verdict, score, why = "contradicted", 0.0, f"measured {measured:.0f} {quantity.unit}"
        elif reason != NOT_MEASURED:
            verdict, score, why = "supported", 1.0, reason or ""
        else:
            why = NOT_MEASURED
    elif measured is None:
        why = reason or NOT_MEASURED
        if physiological(case, quantity.name):
            verdict, score = "contradicted", 0.0
    elif quantity.kind == "value" and quantity.value is not None:
        error = QUANTITIES[quantity.name].distance(quantity.value, measured)
        score = graded(error, tolerance)
        verdict = "supported" if error <= tolerance else "contradicted"
        why = f"{error:.0f} {quantity.unit} from the measured {measured:.0f}"
    else:
        verdict, score, why = _loose(quantity, measured, tolerance)
    return {
        "quantity": quantity.name, "kind": quantity.kind, "quoted": quantity.value, "low": quantity.low,
        "high": quantity.high, "unit": quantity.unit, "lead": quantity.lead, "measured": measured,
        "tolerance": tolerance, "verdict": verdict, "score": score, "span": list(quantity.span), "reason": why,
    }  # fmt: skip


def _loose(quantity: Quote, measured: float, tolerance: float) -> tuple[str, float, str]:
    """A range or a bound: worth half a value as far off as its furthest end."""
    ends = [end for end in (quantity.low, quantity.high) if end is not None]
    furthest = max(QUANTITIES[quantity.name].distance(end, measured) for end in ends)
    score = LOOSE * graded(furthest, tolerance)
    low = -math.inf if quantity.low is None else quantity.low
    high = math.inf if quantity.high is None else quantity.high
    if not low - tolerance <= measured <= high + tolerance:
        return "contradicted", score, f"measured {measured:.0f} {quantity.unit}"
    if furthest > TOO_WIDE * tolerance:
        return "unverifiable", score, "too wide to say anything"
    return "supported", score, f"holds the measured {measured:.0f} {quantity.unit}"


def verify(completion: Completion, case: Case) -> tuple[dict[str, Any], ...]:
    """One evidence row for each claim of a quantity that neurokit2 measures, in the order of the text.

    A row is JSON-able: quantity, kind, quoted (None for a range, bound or absence), low, high, unit, lead, measured,
    tolerance, verdict ("supported", "contradicted", "unverifiable"), score (0..1 or None where it cannot be judged),
    span ([start, end) characters of the completion), text (those characters), reason.
    Reference ranges and quantities that are not measured on the signal (amplitudes) make no row.
    """
    return tuple(
        judge(q, case) | {"text": completion.text[q.span[0] : q.span[1]]}
        for q in completion.quantities
        if q.kind != "reference" and q.name in QUANTITIES
    )


def settle(rows: Iterable[dict[str, Any]]) -> float | None:
    """What all rows of one quantity are worth together: the worst value; 0 where any of several is contradicted.

    So a repeated quote pays once, and no quantity is won by naming several values. A bound beside a value ("212 ms,
    > 200 ms") adds nothing. A range beside it ("164 ms, 95 % CI 104-224") says how sure the value is: it is worth no
    more than the range where that is wider than the tolerance, unless it is the mean of what varies. Each row's score
    falls with its distance, so this too can only fall when a quote moves away. None where no row can be judged.
    """
    judged = [row for row in rows if row["score"] is not None]
    if not judged:
        return None
    if len(judged) > 1 and any(row["verdict"] == "contradicted" for row in judged):
        return 0.0
    exact = [row for row in judged if row["kind"] in ("value", "absent")]
    exact += [row for row in judged if exact and row["kind"] == "range" and _unsure(row)]
    return float(min(row["score"] for row in exact or judged))


def _unsure(row: dict[str, Any]) -> bool:
    """Whether a range says more than how exactly one can measure, and not how far beats differ."""
    return bool(row["quantity"] not in VARY and row["high"] - row["low"] > 2 * row["tolerance"])
