"""Whether the answer agrees with the numbers and the reasoning that the completion itself gives for it."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from ecg_r1.ecg.criteria import criteria
from ecg_r1.ecg.diagnosis import vocabulary
from ecg_r1.scoring import Case, Completion, Score, reward
from ecg_r1.scoring.quantities import Quantity

NEEDS_P = ("pr_ms", "p_ms")  # what cannot be measured on an ECG without P waves
# Statements that their criterion defines: a value that meets it makes a denial, or a normal ECG, a contradiction. Other
# criteria are only implied: a rate above 100 bpm does not make it ventricular tachycardia.
DEFINED = ("first-degree AV block", "long QT interval")
NOT_NORMAL = (*DEFINED, "left bundle branch block")  # whose criterion is a wide QRS


@reward
def consistency(completion: Completion, case: Case) -> Score | None:
    """1 where everything agrees, 0 where anything contradicts, None where nothing can be held against anything.

    What is held together, for each diagnosis of the answer: its criterion in the vocabulary and every value quoted for
    that quantity (first-degree AV block with a quoted PR of 160 ms contradicts); the waves it lacks and the quantities
    that need them (atrial fibrillation with a quoted PR); and what the reasoning says of it (asserted, then denied).
    A normal ECG contradicts a quoted PR > 200, QRS >= 120 or QTc >= 460 ms, as does denying what such a value defines.
    Nothing is measured here: a consistent completion may be wrong, and agreements make up for no contradiction.
    """
    rows = list(_rows(completion))
    if not rows:
        return None
    bad = [row for row in rows if row["verdict"] == "contradicted"]
    explanation = "; ".join(row["reason"] for row in bad) or f"{len(rows)} agree"
    return Score(float(not bad), extracted=len(rows), explanation=explanation, evidence=tuple(rows))


def _rows(completion: Completion) -> Iterator[dict[str, Any]]:
    known = criteria()
    claims = [q for q in completion.quantities if q.kind in ("value", "absent")]
    for mention in completion.statements:
        if mention.where != "answer" or mention.polarity == "uncertain":
            continue
        name, asserted = mention.name, mention.polarity == "asserted"
        if asserted and name in known:
            criterion = known[name]
            for q in claims:
                if q.name == criterion.quantity:
                    met = q.value is not None and criterion.holds(q.value)
                    yield _row(name, q, met, f"{name}: {_wording(name)}")
        excluded = (
            NOT_NORMAL if asserted and name == "normal ECG" else () if asserted or name not in DEFINED else (name,)
        )
        for other in excluded:
            criterion = known[other]
            for q in claims:
                if q.name == criterion.quantity:
                    broken = q.value is not None and criterion.holds(q.value)
                    yield _row(name, q, not broken, f"{name}{'' if asserted else ' denied'}: not {_wording(other)}")
        if asserted and "P" in vocabulary().get(name).absent_waves:
            for q in claims:
                if q.name in NEEDS_P:
                    yield _row(name, q, q.kind == "absent", f"{name} has no P waves")
        for said in completion.statements:
            if said.where == "think" and said.name == name and said.polarity != "uncertain":
                verdict = "supported" if said.polarity == mention.polarity else "contradicted"
                reason = f"{name} is {mention.polarity} in the answer and {said.polarity} in the reasoning"
                yield {"statement": name, "verdict": verdict, "span": list(said.span), "reason": reason}


@cache
def _wording(name: str) -> str:
    return str(criteria()[name])


def _row(name: str, q: Quantity, agrees: bool, reason: str) -> dict[str, Any]:
    quoted = "not measurable" if q.value is None else f"{q.value:g} {q.unit}"
    return {
        "statement": name, "quantity": q.name, "quoted": q.value, "unit": q.unit, "span": list(q.span),
        "verdict": "supported" if agrees else "contradicted", "reason": f"{reason}, quoted {quoted}",
    }  # fmt: skip
