"""Whether the answer agrees with the numbers and the reasoning that the completion itself gives for it."""

from collections.abc import Iterator
from typing import Any

from ecg_r1.ecg.diagnosis import vocabulary
from ecg_r1.scoring import Case, Completion, Score, reward
from ecg_r1.scoring.criteria import criteria
from ecg_r1.scoring.quantities import Quantity

NEEDS_P = ("pr_ms", "p_ms")  # what cannot be measured on an ECG without P waves


@reward
def consistency(completion: Completion, case: Case) -> Score | None:
    """1 where everything agrees, 0 where anything contradicts, None where nothing can be held against anything.

    What is held together, for each diagnosis of the answer: its criterion in the vocabulary and every value quoted for
    that quantity (first-degree AV block with a quoted PR of 160 ms contradicts); the waves it lacks and the quantities
    that need them (atrial fibrillation with a quoted PR); and what the reasoning says of it (asserted, then denied).
    A normal ECG, and a denied diagnosis, contradict a value that meets a criterion. Nothing is measured here: a consistent
    completion may be wrong, and adding agreements makes up for no contradiction.
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
        for criterion in known.get(name, ()):
            for q in claims:
                if q.name == criterion.quantity:
                    holds = q.value is not None and criterion.holds(q.value)
                    yield _row(name, q, holds == asserted, f"{name}{'' if asserted else ' denied'}: {criterion}")
        if asserted and name == "normal ECG":
            limits = [c for s, cs in known.items() if vocabulary().get(s).superclass for c in cs]
            for q in claims:
                broken = [c for c in limits if q.name == c.quantity and q.value is not None and c.holds(q.value)]
                if any(q.name == c.quantity for c in limits):
                    yield _row(name, q, not broken, f"normal ECG: not {broken[0]}" if broken else "normal ECG")
        if asserted and "P" in vocabulary().get(name).absent_waves:
            for q in claims:
                if q.name in NEEDS_P:
                    yield _row(name, q, q.kind == "absent", f"{name} has no P waves")
        for other in completion.statements:
            if other.where == "think" and other.name == name and other.polarity != "uncertain":
                agrees = other.polarity == mention.polarity
                reason = f"{name} is {mention.polarity} in the answer and {other.polarity} in the reasoning"
                yield {"statement": name, "verdict": "supported" if agrees else "contradicted", "span": list(other.span),
                       "reason": reason}  # fmt: skip


def _row(name: str, q: Quantity, agrees: bool, reason: str) -> dict[str, Any]:
    quoted = "not measurable" if q.value is None else f"{q.value:g} {q.unit}"
    return {
        "statement": name, "quantity": q.name, "quoted": q.value, "unit": q.unit, "span": list(q.span),
        "verdict": "supported" if agrees else "contradicted", "reason": f"{reason}, quoted {quoted}",
    }  # fmt: skip
