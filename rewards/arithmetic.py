"""Whether what the reasoning calculates comes out: QTc, rate and axis, from the numbers it gives itself."""

import math
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise, product
from typing import Any

from ecg_r1.ecg.qtc import FORMULAE
from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.reading.formulas import Equation, read_equations
from ecg_r1.reading.quote import Quote
from ecg_r1.reading.text.sentences import SENTENCE_END
from ecg_r1.scoring import Case, Completion, Score, reward
from ecg_r1.scoring.contraries import stances_of, worded
from ecg_r1.scoring.judgement import Judgement
from ecg_r1.scoring.phrases import clauses, undenied
from ecg_r1.scoring.unclaimed import claimed

RELATIVE = 0.02  # two numbers agree that differ by no more: a clinician rounds to 5 ms in 400
# lead I, lead aVF -> [low, high] degrees of the axis, by the quadrant rule
QUADRANTS = {(1, 1): (0, 90), (1, -1): (-90, 0), (-1, 1): (90, 180), (-1, -1): (-180, -90)}
_DEVIATIONS = {(1, 1): {"normal"}, (1, -1): {"left"}, (-1, 1): {"right"}, (-1, -1): {"extreme"}}
# A value that a formula may give: RR, rate or QTc in ms, bpm or s, brought to ms.
LOWEST, HIGHEST, SECONDS = 20.0, 3000.0, 5.0
_POSITIVE, _NEGATIVE = "positive|upright|正向|向上|直立", "negative|inverted|负向|向下|倒置"
_LEADS = r"(?:i|ii|avf)(?:(?: and | ?[,、和及] ?(?:and )?)(?:leads? )?(?:ii|avf|i)){0,2}"
_HOW = r"(?:(?:net |predominantly |mainly |mostly |clearly |both |均|呈|为|主波|波群|的|qrs) ?){0,5}"
_SIGNED = rf"(?:({_POSITIVE})|({_NEGATIVE}))"
_QRS_IN = r" (?:(?:deflections?|complex(?:es)?|qrs) ){0,2}in (?:both )?(?:leads? )?"
_IS = r"(?: ?导联|:)? ?(?:(?:is|are|was|were|has|shows?|the|a) ){0,3}"
_SIGN = re.compile(
    rf"(?<![a-z]){_SIGNED}{_QRS_IN}({_LEADS})(?![a-z0-9])|(?<![a-z0-9])({_LEADS}){_IS}{_HOW}{_SIGNED}(?![a-z])"
)
_OTHER_WAVE = re.compile(r"(?<![a-z])(?:[tpu][ -]waves?|[tpu] ?波|st(?: segments?)?|[tpu])(?![a-z])")
_QRS = re.compile(r"qrs|(?<![a-z])r[ -]waves?")
_NOT_SAID = re.compile(r"\b(?:if|when|whenever|would|should|suppose|not|no|neither|means?|criteri\w+)\b|n't|如果|若|不")
_NORMAL = re.compile(r"电轴(?:正常|不偏|无偏移)")


@reward
def arithmetic(completion: Completion, case: Case) -> Score | None:
    """1 halved for each written calculation that is wrong, 0 where none comes out; None where nothing is calculated.

    Checked with SymPy: chains of equations ("QTc = 400/√0.8 = 447 ms", side by side, in ms or s), and formulas against
    the ones there are (Bazett 1920 QT/√RR, Fridericia 1920 QT/∛RR, Framingham 1992 QT + 0.154 (1 - RR), Hodges 1983
    QT + 1.75 (HR - 60), rate = 60/RR). Checked on the quoted values: rate × RR = 60000 ms, QTc by one of these, a
    formula on the values quoted for its names ("RR 800 ms. Rate = 60000/RR = 75 bpm"), and the quadrant of the axis
    from the sign of QRS in leads I and aVF: in degrees, or as normal, left, right or extreme (in I and not in aVF
    positive is left, or normal where II is positive). Numbers agree within 2 %.

    Right ones make up for no wrong one. What comes out pays where it gets a QTc, a rate, an RR or an axis from other
    quantities, or time from boxes or another unit; other sums, and a formula without numbers, can be wrong but earn
    nothing. Of more than `formulas.MOST` different chains the rest count as wrong. Whether the numbers are those of the
    ECG is not asked here: that is `intervals`.
    """
    quoted = _quoted(completion)
    rows = {
        (row.claim, row.text): row for row in (*_equations(completion, quoted), *_relations(quoted), *_axis(completion))
    }
    if not rows:
        return None
    wrong = sum(row.verdict == "contradicted" for row in rows.values())
    explanation = f"{len(rows) - wrong} of {len(rows)} come out"
    return Score(
        0.5**wrong if wrong < len(rows) else 0.0,
        extracted=len(rows),
        explanation=explanation,
        evidence=tuple(rows.values()),
    )


def _judgement(check: str, text: str, span: tuple[int, int], right: bool, reason: str) -> Judgement:
    return Judgement(check, "supported" if right else "contradicted", span=span, reason=reason, text=text)


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= RELATIVE * max(abs(a), abs(b), 1e-9)


def _equations(completion: Completion, quoted: dict[str, Quote]) -> Iterator[Judgement]:
    text = completion.readable
    for equation in read_equations(text):
        written = text[slice(*equation.span)].strip()
        right, reason = _comes_out(equation, quoted)
        if right is not None:
            yield _judgement("equation", written, completion.span(equation.span), right, reason)


def _comes_out(equation: Equation, quoted: dict[str, Quote]) -> tuple[bool | None, str]:
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
    evaluated = False
    for formula in formulas:
        if numbers and not formula.is_Symbol and (values_of := _evaluated(formula, quoted)):
            evaluated = True
            if not any(_close(value, _in_ms(numbers[0][1] or 0.0)) for value in values_of):
                return False, f"{formula} is {values_of[0]:.0f} on the values quoted, not {numbers[0][0]}"
    calculated = evaluated or (len(numbers) > 1 and equation.derives)
    return (True, "comes out") if calculated else (None, "")


def _in_ms(value: float) -> float:
    return value * 1000.0 if abs(value) < SECONDS else value


def _evaluated(formula: Any, quoted: dict[str, Quote]) -> list[float]:
    """What a formula may give with the quoted values for its names, each in ms or s; none where one is not quoted."""
    names = {"QT": "qt_ms", "RR": "rr_ms", "HR": "heart_rate_bpm", "QTc": "qtc_ms"}
    symbols = sorted(formula.free_symbols, key=str)
    given = [quoted.get(names[str(symbol)]) for symbol in symbols]
    if any(q is None for q in given):
        return []
    units = [(1.0,) if str(symbol) == "HR" else (1.0, 0.001) for symbol in symbols]
    found = list[float]()
    for scales in product(*units):
        values = {s: (q.value or 0.0) * k for s, q, k in zip(symbols, given, scales, strict=True) if q}
        value = _number(formula.subs(values))
        if value is not None and LOWEST <= _in_ms(value) <= HIGHEST:
            found.append(_in_ms(value))
    return found


def _number(side: Any) -> float | None:
    value = complex(side.evalf(15)) if side.is_finite is not False else complex("nan")
    return value.real if value.imag == 0 and math.isfinite(value.real) else None


@lru_cache(maxsize=1024)  # a policy writes the same few formulas over and over
def _known(name: Any, formula: Any) -> bool:
    """Whether `name` = `formula` is a known formula, in ms, s or mixed units; an unknown name is ignored."""
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


def _quoted(completion: Completion) -> dict[str, Quote]:
    """The quantities quoted with one value each; a quantity with two different values is left out."""
    quoted: dict[str, list[Quote]] = {}
    for q in completion.quantities:
        if q.value is not None and q.kind == "value":
            quoted.setdefault(q.name, []).append(q)
    return {name: qs[0] for name, qs in quoted.items() if len({q.value for q in qs}) == 1 and (qs[0].value or 0) > 0}


def _relations(quoted: dict[str, Quote]) -> Iterator[Judgement]:
    """Relations between values quoted once each; a quantity quoted in two ways takes part in none."""
    rate, rr, qt, qtc = (quoted.get(n) for n in ("heart_rate_bpm", "rr_ms", "qt_ms", "qtc_ms"))
    if rate and rr and rate.value and rr.value:
        given = 60000.0 / rr.value
        yield _judgement(
            "rate",
            f"{rate.value:g} bpm, RR {rr.value:g} ms",
            rate.span,
            _close(rate.value, given),
            f"60000/RR is {given:.0f} bpm",
        )
    interval = rr.value if rr else 60000.0 / rate.value if rate and rate.value else None
    if qt and qtc and qt.value and qtc.value and interval:
        corrected = {name: formula(qt.value, interval / 1000.0) for name, formula in FORMULAE.items()}
        right = any(_close(qtc.value, given) for given in corrected.values())
        reason = f"QT/√RR is {corrected['bazett']:.0f} ms, QT/∛RR {corrected['fridericia']:.0f} ms"
        yield _judgement("qtc", f"QTc {qtc.value:g} ms, QT {qt.value:g} ms", qtc.span, right, reason)


def _axis(completion: Completion) -> Iterator[Judgement]:
    """The axis in degrees, and the one deviation that is named, against the signs of QRS in leads I and aVF."""
    text = completion.readable
    signs, place = _signs(text)
    if not signs.keys() >= {"i", "avf"}:
        return
    quadrant = signs["i"], signs["avf"]
    low, high = QUADRANTS[quadrant]
    reason = f"the signs in I and aVF mean {low} to {high}"
    axes = {q.value: q for q in completion.quantities if q.name == "axis_deg" and q.kind == "value"}
    if len(axes) == 1:
        q = next(iter(axes.values()))
        value = QUANTITIES["axis_deg"].difference(q.value or 0.0, 0.0)  # in [-180, 180)
        yield _judgement("axis", f"axis {q.value:g}", q.span, low <= value <= high, reason)
    allowed = _DEVIATIONS[quadrant]
    if quadrant == (1, -1) and signs.get("ii") == 1:  # 0 to -30 degrees
        allowed = {"normal", "left"}
    if len(deviations := _deviations(completion)) == 1:
        (said,) = deviations
        why = f"{reason}: {' or '.join(sorted(allowed))}"
        yield _judgement("axis", f"{said} axis", completion.span(place), said in allowed, why)


def _signs(text: str) -> tuple[dict[str, int], tuple[int, int]]:
    """({lead: 1 or -1}, place of the last) of QRS; a lead with both signs is left out."""
    found: dict[str, set[int]] = {}
    place = (0, 1)
    for m in _SIGN.finditer(text):
        before = SENTENCE_END.split(text[max(0, m.start() - 80) : m.start()])[-1]
        others = [w.start() for w in _OTHER_WAVE.finditer(before)]
        qrs = [w.start() for w in _QRS.finditer(before)]
        if _NOT_SAID.search(before) or (others and others[-1] > (qrs[-1] if qrs else -1)):
            continue
        place = m.span()
        for lead in re.findall(r"avf|ii|(?<![a-z])i", m[3] or m[4]):
            found.setdefault(lead, set()).add(1 if m[1] or m[5] else -1)
    return {lead: next(iter(of)) for lead, of in found.items() if len(of) == 1}, place


def _deviations(completion: Completion) -> set[str]:
    """What the text says of the axis: normal, left, right or extreme."""
    said = undenied(claimed(completion.text).readable)
    stances = {stance for clause in clauses(said) for stance in worded(clause.text)} | {
        stance
        for m in completion.statements
        if m.polarity == "asserted" and m.name.endswith("axis deviation")
        for stance in stances_of(m.name)
    }
    found = {way for group, way in stances if group == "axis"}
    found |= {"normal"} if _NORMAL.search(said) else set()
    return {"extreme"} if "extreme" in found else found  # "extreme right axis deviation"
