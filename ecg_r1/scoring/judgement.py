"""What was judged of one claim, and how verdicts look: the evidence of every reward."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Literal, NamedTuple

Verdict = Literal["supported", "contradicted", "unverifiable", "missing"]


class Look(NamedTuple):
    """How a verdict is shown.

    mark: beside the claim. style: rich's, in the terminal. colour: of the report's style sheet, `--good` and
    `--good-back`. border: CSS, so that a verdict is told without its colour.
    """

    mark: str
    style: str
    colour: str
    border: str


LOOKS: dict[str, Look] = {
    "supported": Look("✓", "green", "good", "solid"),
    "contradicted": Look("✗", "red", "bad", "double"),
    "unverifiable": Look("?", "bright_black", "none", "dotted"),
    "missing": Look("–", "yellow", "none", "dotted"),
}
FINDING = "finding"  # the kind of a judgement of a finding
VERDICTS = ("supported", "contradicted", "unverifiable")  # of what was said; "missing" is what was to be said


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one claim of a completion.

    Attributes:
        claim: what is claimed: the name of a quantity, with its lead where each lead has its own ("st_mv V2"), a
            statement of the vocabulary, a finding ("st_elevation"), a phrase that is expected, or the kind of a
            calculation.
        verdict: one of `LOOKS`.
        score: 0 to 1; None where the claim cannot be judged, or where its reward gives one score for all claims.
        span: [start, end) characters of the completion; None where the claim stands nowhere in it.
        reason: one line for a human. text: the characters of `span`, or what was calculated there.
        quantity: its name, where the claim is about one. kind: as in `reading.quote.Quote`; FINDING for a finding.
        quoted: the value as quoted; None for a range, bound or absence. low, high: of a range or bound.
        unit: of all these and of `measured`. lead: the lead or leads as written, in lower case.
        measured: the value that the quote is held against; of several leads, the one that is furthest from it.
        tolerance: how far the quote may lie from it.
        step: of the reasoning, where the claim belongs to one.
        extra: other fields of a reward's own.
    """

    claim: str
    verdict: Verdict
    score: float | None = None
    span: tuple[int, int] | None = None
    reason: str = ""
    text: str = ""
    quantity: str | None = None
    kind: str | None = None
    quoted: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str | None = None
    lead: str | None = None
    measured: float | None = None
    tolerance: float | None = None
    step: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A flat object of plain JSON types, `extra` beside the other fields.

        What is None is left out, but for claims about a quantity, whose rows all have the same keys.
        """
        row = {name: getattr(self, name) for name in _FIELDS}
        if not self.quantity:
            row = {name: value for name, value in row.items() if value is not None}
        return {**self.extra, **row, **({"span": list(self.span)} if self.span else {})}


_FIELDS = tuple(f.name for f in fields(Judgement) if f.name != "extra")
_VALUES = attrgetter(*_FIELDS)
_PLAIN = {str, float, int, tuple, type(None)}
LARGEST = 2**63  # past it JSON's readers disagree, and Python writes no integer of thousands of digits
_TEXTS = ("claim", "reason", "text", "quantity", "kind", "unit", "lead")
_NUMBERS = ("score", "quoted", "low", "high", "measured", "tolerance")
Evidence = Judgement | Mapping[str, Any]


def judgement_of(row: Evidence) -> Evidence:
    """A mapping with a `verdict` as the Judgement that it is; any other row of evidence as it stands.

    A reward may give plain mappings with the fields of a Judgement and further fields. If a field is invalid, the
    mapping is not a Judgement: it is kept and shown as data.
    """
    if isinstance(row, Judgement) or row.get("verdict") not in LOOKS:
        return row
    span, step = row.get("span"), row.get("step")
    if not (
        all(row.get(name) is None or isinstance(row[name], str) for name in _TEXTS)
        and all(row.get(name) is None or _is_number(row[name]) for name in _NUMBERS)
        and (span is None or _is_span(span))
        and (step is None or isinstance(step, int))
    ):
        return row
    known = {name: row[name] for name in _FIELDS if row.get(name) is not None}
    known.setdefault("claim", row.get("quantity") or row.get("text") or "")
    if span is not None:
        known["span"] = tuple(span)
    return Judgement(**known, extra={key: value for key, value in row.items() if key not in _FIELDS})


def judgements(evidence: Iterable[Evidence]) -> list[Judgement]:
    """The Judgements among rows of evidence, in order."""
    return [row for row in map(judgement_of, evidence) if isinstance(row, Judgement)]


def to_json(row: Evidence) -> dict[str, Any]:
    """A row of evidence as an object for a file or a pipe; `judgement_of` reads it."""
    return row.to_json() if isinstance(row, Judgement) else dict(row)


def claim_of(row: Evidence) -> Judgement | None:
    """The judgement of one quoted value or finding that a row is, which gives its tokens their own advantage.

    It has a quantity, or is of a finding, and has a span, and a score or the kind of a quote. Of a plain mapping its
    quantity, score and span will do. None for others.
    """
    if isinstance(row, Judgement):
        quoted = (row.quantity or row.kind == FINDING) and row.span and (row.kind or row.score is not None)
        return row if quoted else None
    if row.keys() >= {"quantity", "score", "span"}:
        judged = judgement_of({"verdict": "unverifiable", **row})
        return judged if isinstance(judged, Judgement) else None
    return None


def is_plain(judgement: Judgement) -> bool:
    """Whether JSON would give back this very judgement, as it does what our own rewards return."""
    values = _VALUES(judgement)
    numbers = [value for value in (*values, *(judgement.span or ())) if type(value) in (int, float)]
    return (
        not judgement.extra
        and set(map(type, values)) <= _PLAIN
        and (judgement.span is None or _is_span(judgement.span))
        and all(-LARGEST < number < LARGEST for number in numbers)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_span(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(at, int) for at in value)
