"""Holds every quoted quantity against what was measured on the signal: one judgement for rewards and evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ecg_r1.ecg.measurements import Measured
from ecg_r1.ecg.quantities import LEAD_QUANTITIES, QUANTITIES, TABLE, Quantity
from ecg_r1.reading.leads.quoted_leads import leads_named
from ecg_r1.reading.quote import Quote
from ecg_r1.scoring.completion import Completion
from ecg_r1.scoring.contract import Case
from ecg_r1.scoring.judgement import Judgement, Verdict

WIDEST = 2.0  # times the tolerance, where the leads disagree
LOOSE = 0.5  # what a range or a bound is worth beside a value as near
TOO_WIDE = 4.0  # tolerances; a true range or bound that reaches further says too little to be called supported
ROUNDED = 0.05  # share of the slowest and fastest rate by which a stated range of the beats may differ
VARY = ("heart_rate_bpm", "rr_ms")  # from beat to beat: a mean beside their range is a value like any other
WORST = ("contradicted", "unverifiable", "supported")  # first

Opinion = tuple[Verdict, float | None, str]  # verdict, score, reason


def graded(error: float, tolerance: float) -> float:
    """The score of a quote by its error: exp(-error / tolerance), 1 at no error and 0.37 at the tolerance.

    It falls everywhere, so that a better quote is always worth more.
    """
    return math.exp(-abs(error) / tolerance)


def tolerance_of(quantity: Quantity, measured: Measured) -> float:
    """The tolerance of a quantity, widened to the spread of its measurement, at most to twice itself.

    The spread is over leads, of the rate over beats: what half of them contradict cannot be held against a quote.
    """
    return min(max(quantity.tolerance, measured.spread or 0.0), WIDEST * quantity.tolerance)


def verify(completion: Completion, case: Case) -> tuple[Judgement, ...]:
    """One judgement for each claim of a quantity that is measured, in the order of the text.

    A quantity of single leads is held against each lead that it is quoted for, and judged as the worst of them. It is
    unverifiable where no lead is named, or one that is not shown or not measurable.
    Reference ranges, and quantities that nobody measures on the signal, are not judged.
    """
    return tuple(
        judge(quote, case, completion.text[slice(*quote.span)])
        for quote in completion.quantities
        if quote.kind != "reference" and quote.name in TABLE
    )


def judge(quote: Quote, case: Case, text: str = "") -> Judgement:
    """The judgement of one quote; see `verify`. text: the characters of its span."""
    if quote.name in LEAD_QUANTITIES:
        claim = f"{quote.name} {quote.lead}" if quote.lead else quote.name
        measured, (verdict, score, reason) = _in_leads(quote, case)
    else:
        claim, measured = quote.name, case.measurements[quote.name]
        verdict, score, reason = _opinion(quote, QUANTITIES[quote.name], measured)
    return Judgement(
        claim, verdict, score, quote.span, reason, text, quote.name, quote.kind, quote.value, quote.low, quote.high,
        quote.unit, quote.lead, measured.value, tolerance_of(TABLE[quote.name], measured),
    )  # fmt: skip


def _in_leads(quote: Quote, case: Case) -> tuple[Measured, Opinion]:
    """The measurement in the lead that is furthest from the quote, and what is to be said of all its leads."""
    quantity = LEAD_QUANTITIES[quote.name]
    named = leads_named(quote.lead) if quote.lead else ()
    hidden = [lead for lead in named if lead not in case.leads]
    if not named or hidden:
        reason = f"{', '.join(hidden)} not shown" if hidden else "no lead is named"
        return Measured(reason=reason), ("unverifiable", None, reason)
    if quantity.unsigned:
        quote = _unsigned(quote)
    found = []
    for lead in named:
        measured = case.measurements.in_lead(quote.name, lead)
        verdict, score, reason = _opinion(quote, quantity, measured)
        found.append((measured, (verdict, score, f"{reason} in {lead}")))
    unjudged = [one for one in found if one[1][1] is None]
    return unjudged[0] if unjudged else min(found, key=lambda one: (WORST.index(one[1][0]), one[1][1]))


def _unsigned(quote: Quote) -> Quote:
    """The quote without signs, which only say which way the wave points: "an S wave of -1.4 mV" is 1.4 mV deep."""
    value, low, high = (None if number is None else abs(number) for number in (quote.value, quote.low, quote.high))
    if (quote.low or 0.0) < 0 or (quote.high or 0.0) < 0:
        low, high = high, low
    return quote._replace(value=value, low=low, high=high)


def _opinion(quote: Quote, quantity: Quantity, measured: Measured) -> Opinion:
    """What one measurement says of a quote."""
    why = measured.reason or ""
    if quote.kind == "absent":
        if measured.value is not None:
            return "contradicted", 0.0, f"measured {quantity.written(measured.value)}"
        return ("unverifiable", None, why) if measured.unknown else ("supported", 1.0, why)
    if measured.value is None:
        return ("contradicted", 0.0, why) if measured.absent else ("unverifiable", None, why)
    tolerance = tolerance_of(quantity, measured)
    if quote.kind == "value" and quote.value is not None:
        error = quantity.distance(quote.value, measured.value)
        reason = f"{quantity.written(error)} from the measured {quantity.number(measured.value)}"
        return "supported" if error <= tolerance else "contradicted", graded(error, tolerance), reason
    if quote.kind == "range" and measured.range is not None and _spans(quote, measured.range, tolerance):
        low, high = map(quantity.number, measured.range)
        return "supported", 1.0, f"the beats range from {low} to {high}"
    return _loose(quote, quantity, measured.value, tolerance)


def _spans(quote: Quote, extremes: tuple[float, float], tolerance: float) -> bool:
    """Whether a range is that of the beats: "80 to 130 bpm" in atrial fibrillation. Readers round its ends."""
    ends = zip((quote.low, quote.high), extremes, strict=True)
    return all(end is not None and abs(end - found) <= max(tolerance, ROUNDED * found) for end, found in ends)


def _loose(quote: Quote, quantity: Quantity, measured: float, tolerance: float) -> Opinion:
    """A range or a bound: worth half a value as far off as its furthest end."""
    ends = [end for end in (quote.low, quote.high) if end is not None]
    furthest = max(quantity.distance(end, measured) for end in ends)
    score = LOOSE * graded(furthest, tolerance)
    low = -math.inf if quote.low is None else quote.low
    high = math.inf if quote.high is None else quote.high
    if not low - tolerance <= measured <= high + tolerance:
        return "contradicted", score, f"measured {quantity.written(measured)}"
    if furthest > TOO_WIDE * tolerance:
        return "unverifiable", score, "too wide to say anything"
    return "supported", score, f"holds the measured {quantity.written(measured)}"


def settle(judged: Iterable[Judgement]) -> float | None:
    """What all judgements of one quantity are worth together: the worst value; 0 where any of several is contradicted.

    So a repeated quote pays once, and no quantity is won by naming several values. A bound beside a value ("212 ms,
    > 200 ms") adds nothing. A range beside it ("164 ms, 95 % CI 104-224") says how sure the value is: it is worth no
    more than the range where that is wider than the tolerance, unless it is the mean of what varies. Each score falls
    with its distance, so this too can only fall when a quote moves away. None where nothing can be judged.
    """
    scored = [(one, one.score) for one in judged if one.score is not None]
    if not scored:
        return None
    if len(scored) > 1 and any(one.verdict == "contradicted" for one, _ in scored):
        return 0.0
    exact = [score for one, score in scored if one.kind in ("value", "absent")]
    exact += [score for one, score in scored if exact and one.kind == "range" and _unsure(one)]
    return min(exact or [score for _, score in scored])


def _unsure(one: Judgement) -> bool:
    """Whether a range says more than how exactly one can measure, and not how far beats differ."""
    if one.quantity in VARY or one.low is None or one.high is None or one.tolerance is None:
        return False
    return one.high - one.low > 2 * one.tolerance
