"""Whether what the reasoning calculates comes out: QTc, rate and axis, from the numbers it gives itself."""

import math
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any

from ecg_r1.scoring import Case, Completion, Score, reward
from ecg_r1.scoring.formulas import Equation, read_equations

RELATIVE = 0.02  # two numbers agree that differ by no more: a clinician rounds to 5 ms in 400
# lead I, lead aVF -> [low, high] degrees of the axis, by the quadrant rule
QUADRANTS = {(1, 1): (0, 90), (1, -1): (-90, 0), (-1, 1): (90, 180), (-1, -1): (-180, -90)}
_POSITIVE, _NEGATIVE = (
    r"positive|upright|predominantly positive|正向|直立",
    r"negative|inverted|predominantly negative|负向|倒置",
)
_SIGN = re.compile(
    rf"\b(?:(?P<positive>{_POSITIVE})|(?P<negative>{_NEGATIVE})) in (?:leads? )?(?P<leads>i|avf|i and avf)\b"
)


@reward
def arithmetic(completion: Completion, case: Case) -> Score | None:
    """1 where all written calculations come out, halved for each that does not; None where nothing is calculated.

    Checked with SymPy: chains of equations ("QTc = 400/√0.8 = 447 ms", side by side, in ms or s), and formulas against
    the ones there are (Bazett 1920 QT/√RR, Fridericia 1920 QT/∛RR, Framingham 1992 QT + 0.154 (1 - RR), Hodges 1983
    QT + 1.75 (HR - 60), rate = 60/RR). Checked on the quoted values: rate × RR = 60000 ms, QTc = QT/√RR, and the
    quadrant of the axis from the sign of QRS in leads I and aVF. Numbers agree within 2 %. Right ones make up for no
    wrong one; a sum with neither a name nor a unit, and a formula without numbers, can be wrong but earn nothing; of
    more than `formulas.MOST` different chains the rest count as wrong. Whether the numbers are those of the ECG is not
    asked here: that is `intervals`.
    """
    rows = {
        (row["check"], row["text"]): row
        for row in (*_equations(completion), *_relations(completion), *_axis(completion))
    }
    if not rows:
        return None
    wrong = sum(row["verdict"] == "contradicted" for row in rows.values())
    explanation = f"{len(rows) - wrong} of {len(rows)} come out"
    return Score(0.5**wrong, extracted=len(rows), explanation=explanation, evidence=tuple(rows.values()))


def _row(check: str, text: str, span: tuple[int, int], right: bool, reason: str) -> dict[str, Any]:
    verdict = "supported" if right else "contradicted"
    return {"check": check, "text": text, "span": list(span), "verdict": verdict, "reason": reason}


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= RELATIVE * max(abs(a), abs(b), 1e-9)


def _equations(completion: Completion) -> Iterator[dict[str, Any]]:
    text = completion.readable
    for equation in read_equations(text):
        written = text[slice(*equation.span)].strip()
        right, reason = _comes_out(equation)
        if right is not None:
            yield _row("equation", written, completion.span(equation.span), right, reason)


def _comes_out(equation: Equation) -> tuple[bool | None, str]:
    """(whether all sides agree, or None where nothing of an ECG was calculated, reason)."""
    if not equation.sides:
        return False, "one calculation too many"
    formulas = [side for side in equation.sides if side.free_symbols]
    numbers = [(side, _number(side)) for side in equation.sides if not side.free_symbols]
    values = [value for _, value in numbers]
    if any(value is None for value in values):
        return False, "no real number"
    for (side, value), (other, last) in pairwise(numbers):
        scales = (1.0, 1000.0, 1 / 1000.0)  # a side in seconds, the next in milliseconds
        if not any(_close(value * scale, last) for scale in scales):  # type: ignore[operator, arg-type]
            return False, f"{side} is {value:g}, not {other}"
    for formula in formulas[1:]:
        if not _known(formulas[0], formula):
            return False, f"{formulas[0]} is not {formula}"
    return (True, "comes out") if len(numbers) > 1 and equation.named else (None, "")


def _number(side: Any) -> float | None:
    value = complex(side.evalf(15)) if side.is_finite is not False else complex("nan")
    return value.real if value.imag == 0 and math.isfinite(value.real) else None


@lru_cache(maxsize=1024)  # a policy writes the same few formulas over and over
def _known(name: Any, formula: Any) -> bool:
    """Whether `name` = `formula` is a formula there is, in ms, s or mixed units; an unknown name is let be."""
    from sympy import Rational, Symbol, cbrt, nsimplify, sqrt  # here, as it takes half a second to import

    qt, rr, hr = (Symbol(s, positive=True) for s in ("QT", "RR", "HR"))
    milli = rr / 1000
    corrections = [
        qt / sqrt(rr), qt / sqrt(milli), qt / cbrt(rr), qt / cbrt(milli), qt / sqrt(60 / hr), qt * sqrt(hr / 60),
        qt + Rational(154, 1000) * (1 - rr), qt + 154 * (1 - rr), qt + Rational(154, 1000) * (1000 - rr),
        qt + Rational(7, 4) * (hr - 60),
    ]  # fmt: skip
    known = {"QTc": corrections, "HR": [60 / rr, 60000 / rr], "RR": [60 / hr, 60000 / hr]}.get(str(name))
    exact = nsimplify(formula, rational=True, tolerance=1e-4)
    return known is None or any((exact - right).equals(0) for right in known)


def _relations(completion: Completion) -> Iterator[dict[str, Any]]:
    """Relations between values quoted once each; a quantity quoted in two ways takes part in none."""
    quoted: dict[str, list[Any]] = {}
    for q in completion.quantities:
        if q.value is not None and q.kind == "value":
            quoted.setdefault(q.name, []).append(q)
    once = {name: qs[0] for name, qs in quoted.items() if len({q.value for q in qs}) == 1 and qs[0].value > 0}
    rate, rr, qt, qtc = (once.get(n) for n in ("heart_rate_bpm", "rr_ms", "qt_ms", "qtc_ms"))
    if rate and rr:
        given = 60000.0 / rr.value
        yield _row(
            "rate",
            f"{rate.value:g} bpm, RR {rr.value:g} ms",
            rate.span,
            _close(rate.value, given),
            f"60000/RR is {given:.0f} bpm",
        )
    interval = rr.value if rr else 60000.0 / rate.value if rate else None
    if qt and qtc and interval:
        given = qt.value / math.sqrt(interval / 1000.0)
        right = _close(qtc.value, given)
        yield _row("qtc", f"QTc {qtc.value:g} ms, QT {qt.value:g} ms", qtc.span, right, f"QT/√RR is {given:.0f} ms")


def _axis(completion: Completion) -> Iterator[dict[str, Any]]:
    text = completion.readable
    signs: dict[str, int] = {}
    for m in _SIGN.finditer(text):
        for lead in m["leads"].split(" and "):
            signs[lead] = 1 if m["positive"] else -1
    axes = {q.value: q for q in completion.quantities if q.name == "axis_deg" and q.kind == "value"}
    if {"i", "avf"} <= signs.keys() and len(axes) == 1:
        low, high = QUADRANTS[signs["i"], signs["avf"]]
        q = next(iter(axes.values()))
        value = ((q.value or 0.0) + 180) % 360 - 180
        yield _row(
            "axis",
            f"axis {q.value:g}",
            q.span,
            low <= value <= high,
            f"the signs in I and aVF mean {low} to {high}",
        )
