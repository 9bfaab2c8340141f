"""Whether the answer agrees with the numbers and the reasoning that the completion itself gives for it."""

import math
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import combinations, pairwise
from typing import NamedTuple

from ecg_r1.ecg.criteria import Criterion, criteria
from ecg_r1.ecg.quantities import EXPECTED
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.reading.quote import Quote
from ecg_r1.scoring import Case, Completion, Score, reward
from ecg_r1.scoring.judgement import Judgement, Verdict

NEEDS_P = ("pr_ms", "p_ms")  # what cannot be measured on an ECG without P waves
# Statements that their criterion defines: a value that meets it makes a denial, or a normal ECG, a contradiction. Other
# criteria are only implied: a rate above 100 bpm does not make it ventricular tachycardia.
DEFINED = ("first-degree AV block", "long QT interval")
NOT_NORMAL = (*DEFINED, "left bundle branch block")  # whose criterion is a wide QRS
# Rates of the whole ECG; a run of ventricular tachycardia may stand beside them.
_WHOLE_ECG = {"bradycardia", "sinus bradycardia", "sinus tachycardia"}


class Implied(NamedTuple):
    """What a statement says of one quantity: it meets a criterion, does not, or has no wave to be measured (None)."""

    quantity: str
    criterion: Criterion | None
    meets: bool
    wording: str


@reward
def consistency(completion: Completion, case: Case) -> Score | None:
    """0 where anything contradicts, 1 where the answer's diagnoses agree with what is quoted for them, else None.

    What is held together, for each diagnosis of the answer: its criterion in the vocabulary and every value, range or
    bound quoted for that quantity (first-degree AV block with a quoted PR of 160 ms contradicts; a range that reaches
    over the limit says nothing); the waves it lacks and the quantities that need them (atrial fibrillation with a
    quoted PR); and what the reasoning says of it: asserted, then denied. A normal ECG contradicts a quoted PR > 200,
    QRS >= 120 or QTc >= 460 ms, or none, as does denying what such a value defines. Two diagnoses of the answer
    contradict where no value meets what both imply (sinus bradycardia and sinus tachycardia; a normal ECG and left
    bundle branch block).

    Repeating or denying a diagnosis is no agreement, and agreements make up for no contradiction. None where nothing
    can be held against anything, and where a quantity of `EXPECTED` that the answer implies something about is not
    quoted: else leaving out the one quote that contradicts would pay. Nothing is measured here: a consistent
    completion may be wrong. A text too long to be read to its end is worth 0.
    """
    if completion.flooded:
        return Score(0.0, explanation="more names and numbers than are read")
    answered = dict.fromkeys(
        (m.name, m.polarity == "asserted")
        for m in completion.statements
        if m.where == "answer" and m.polarity != "uncertain"
    )
    rows = [*_denials(completion, answered), *_exclusions(completion, answered)]
    quoted: dict[str, list[Quote]] = {}
    for q in completion.quantities:
        quoted.setdefault(q.name, []).append(q)
    earned, missing = False, set[str]()
    for name, asserted in answered:
        for implied in implications(name, asserted):
            judged = [
                _judgement(name, implied, q, agrees, completion.text[slice(*q.span)])
                for q in quoted.get(implied.quantity, ())
                if (agrees := _agrees(q, implied, asserted)) is not None
            ]
            rows += judged
            earned |= asserted and bool(judged)
            if not judged and implied.quantity in EXPECTED:
                missing.add(implied.quantity)
    bad = [row for row in rows if row.verdict == "contradicted"]
    if not bad and (missing or not earned):
        return None
    explanation = "; ".join(row.reason for row in bad) or f"{len(rows)} agree"
    return Score(float(not bad), extracted=len(rows), explanation=explanation, evidence=tuple(rows))


def _denials(completion: Completion, answered: dict[tuple[str, bool], None]) -> Iterator[Judgement]:
    """Where the reasoning, or the answer itself, denies what the answer asserts, or the other way round."""
    for said in completion.statements:
        denied = said.polarity == "negated"
        if said.where != "outside" and said.polarity != "uncertain" and (said.name, denied) in answered:
            reason = f"{said.name} is {said.polarity} here, and not so in the answer"
            yield Judgement(said.name, "contradicted", span=said.span, reason=reason)


def _exclusions(completion: Completion, answered: dict[tuple[str, bool], None]) -> Iterator[Judgement]:
    """Where the answer asserts two diagnoses that no value of a quantity allows together."""
    asserted = [name for name, said in answered if said]
    spans = {m.name: m.span for m in completion.statements if m.where == "answer"} if len(asserted) > 1 else {}
    for first, second in combinations(asserted, 2):
        if quantity := _excluded(first, second):
            reason = f"{first} and {second} allow no {quantity} together"
            yield Judgement(second, "contradicted", span=spans[second], reason=reason)


@lru_cache(maxsize=4096)
def _excluded(first: str, second: str) -> str | None:
    """The quantity of which no value meets what both diagnoses imply."""
    for a in implications(first, True):
        for b in implications(second, True):
            lacking = a.criterion is None or b.criterion is None
            passing = a.quantity == "heart_rate_bpm" and not {first, second} <= _WHOLE_ECG
            if lacking and not {first, second} & {*DEFINED, "normal ECG"}:  # atrial fibrillation with WPW
                continue
            if a.quantity == b.quantity and not passing and not _compatible(a, b):
                return a.quantity
    return None


def _compatible(a: Implied, b: Implied) -> bool:
    if a.criterion is None or b.criterion is None:  # no PR at all meets no criterion of it
        return a.criterion is b.criterion
    limits = sorted(limit for criterion in (a.criterion, b.criterion) for _, limit in criterion.relations)
    between = [(low + high) / 2 for low, high in pairwise(limits)]
    tried = (*limits, *between, limits[0] - 1, limits[-1] + 1)  # one value of every part of the axis
    return any(a.criterion.holds(x) == a.meets and b.criterion.holds(x) == b.meets for x in tried)


@cache
def implications(name: str, asserted: bool) -> tuple[Implied, ...]:
    """All that a statement of the answer says of quantities."""
    known = criteria()

    def breaks(other: str) -> Implied:
        wording = f"{name}{'' if asserted else ' denied'}: not {known[other]}"
        return Implied(known[other].quantity, known[other], False, wording)

    if not asserted:
        return (breaks(name),) if name in DEFINED else ()
    found = [Implied(known[name].quantity, known[name], True, f"{name}: {known[name]}")] if name in known else []
    if name == "normal ECG":
        found += [breaks(other) for other in NOT_NORMAL]
    if "P" in vocabulary().get(name).absent_waves:
        found += [Implied(quantity, None, True, f"{name} has no P waves") for quantity in NEEDS_P]
    return tuple(found)


def _agrees(q: Quote, implied: Implied, asserted: bool) -> bool | None:
    """Whether a quote agrees with what a statement, asserted or denied, implies of it; None where it says nothing."""
    if q.kind == "reference":
        return None
    if implied.criterion is None:
        return q.kind == "absent"
    if q.kind == "absent":  # no PR at all is no first-degree AV block either
        return not asserted
    low, high = (-math.inf if q.low is None else q.low), (math.inf if q.high is None else q.high)
    if q.value is not None:
        inside = q.value
    elif any(low < limit < high for _, limit in implied.criterion.relations):
        return None
    else:
        inside = low + 1 if q.high is None else high - 1 if q.low is None else (low + high) / 2
    return implied.criterion.holds(inside) == implied.meets


def _judgement(name: str, implied: Implied, q: Quote, agrees: bool, text: str) -> Judgement:
    reason = f"{implied.wording}, quoted {text}"
    verdict: Verdict = "supported" if agrees else "contradicted"
    return Judgement(name, verdict, span=q.span, reason=reason, quantity=q.name, quoted=q.value, unit=q.unit)
