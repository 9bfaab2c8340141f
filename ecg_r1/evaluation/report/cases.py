"""Every case of the split as the report shows it: its page, what is true, and each model's answer with its evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ecg_r1.corpus.store import RecordStore
from ecg_r1.datasets.example import Example
from ecg_r1.ecg.findings import NOT_MEASURED
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.ecg.quantities import LEAD_QUANTITIES, QUANTITIES, TABLE
from ecg_r1.evaluation.metrics import Judged
from ecg_r1.evaluation.report.calipers import Strip, shown_beat, strips
from ecg_r1.evaluation.report.practised import Practised, practised
from ecg_r1.evaluation.report.trace import Trace, traces
from ecg_r1.runs.read import Run
from ecg_r1.scoring.judgement import FINDING, LOOKS, VERDICTS, Judgement

UNCHECKED = "unchecked"  # a statement of the reasoning that nothing was held against
TAG = "tag"  # <think> and the like
_TAGS = re.compile("(</?(?:think|answer)>)")


@dataclass(frozen=True)
class Piece:
    """A part of an answer's text.

    kind: a verdict, `UNCHECKED`, `TAG`, or "" for plain text. mark: beside a claim. beside: the measured value.
    why: one line.
    """

    text: str
    kind: str = ""
    mark: str = ""
    beside: str = ""
    why: str = ""


@dataclass(frozen=True)
class Evidence:
    """One judged claim as a line."""

    verdict: str
    line: str


@dataclass(frozen=True)
class Column:
    """One model's answer to a case.

    Attributes:
        name: of the model.
        colour: its number among the models.
        judged: the answer.
        pieces: its text.
        counts: in words, how many claims have each verdict.
        unverified: the share of its claims that nothing verified; None without a claim.
        strips: the calipers.
        rows: each judged claim in a line.
    """

    name: str
    colour: int
    judged: Judged
    pieces: tuple[Piece, ...]
    counts: str
    unverified: float | None
    strips: tuple[Strip, ...]
    rows: tuple[Evidence, ...]


@dataclass(frozen=True)
class Shown:
    """One record of a case."""

    record: str
    traces: Sequence[Trace]
    measured: Sequence[tuple[str, str, bool]]  # title, value or reason, whether there is a value
    beat: Any


@dataclass(frozen=True)
class Case:
    """One example.

    flags: what the filter goes by: verdicts, and how the last model did beside the one before. practised: what the
    models wrote about it in their own training.
    """

    number: int
    example: Example
    truth: Sequence[str]
    records: Sequence[Shown]
    columns: Sequence[Column]
    flags: Sequence[str]
    search: str
    practised: Sequence[Practised] = ()


def cases(judged: Mapping[str, Sequence[Judged]], store: RecordStore, runs: Sequence[Run] = ()) -> Iterator[Case]:
    """Every example of the split in its order, with each model's first answer; of `runs`, what they practised on it."""
    first: dict[str, dict[str, Judged]] = {}
    for name, rows in judged.items():
        for row in rows:
            first.setdefault(row.example_id, {}).setdefault(name, row)
    before = practised(runs, list(first))
    for number, (example_id, answers) in enumerate(first.items(), start=1):
        case = _case(number, store.example(example_id), answers, store)
        yield replace(case, practised=before.get(example_id, ()))


def _case(number: int, example: Example, answers: Mapping[str, Judged], store: RecordStore) -> Case:
    records, measured = [store.record(r) for r in example.records], [store.measurements(r) for r in example.records]
    beats = [shown_beat(record) for record in records]
    shown = [
        Shown(name, traces(record), measured_rows(values), beat)
        for name, record, values, beat in zip(example.records, records, measured, beats, strict=True)
    ]
    columns = [
        Column(
            name=name,
            colour=i % 6,
            judged=answer,
            pieces=tuple(pieces(answer)),
            counts=_counts(answer),
            unverified=unverified(answer),
            strips=tuple(strips(records[0], measured[0], beats[0], answer.evidence)),
            rows=tuple(_row(row) for row in (*answer.evidence, *answer.findings)),
        )
        for i, (name, answer) in enumerate(answers.items())
    ]
    truth = sorted(next(iter(answers.values())).truth)
    said = [name for answer in answers.values() for name in sorted(answer.answered)]
    search = " ".join([example.id, *example.records, *truth, *said]).lower()
    return Case(number, example, truth, shown, columns, flags(list(answers.values())), search)


def _counts(answer: Judged) -> str:
    values, findings = (
        ", ".join(f"{count(verdict)} {verdict}" for verdict in VERDICTS if count(verdict))
        for count in (answer.count, answer.count_findings)
    )
    return (values or "no value quoted") + (f"; findings: {findings}" if findings else "")


def flags(answers: Sequence[Judged]) -> list[str]:
    """What the filter can ask for.

    `contradicted`, `unverifiable`: an answer has such a value or finding. `wrong`, `right`: the last model's diagnosis.
    `win`, `loss`: the last model has more, or fewer, of its values supported than the one before, or is right where
    that one was wrong, or the other way round. `disagree`: the models give different diagnoses.
    """
    found = [
        verdict
        for verdict in ("contradicted", "unverifiable")
        if any(row.count(verdict) + row.count_findings(verdict) for row in answers)
    ]
    *earlier, last = answers
    found.append("right" if last.correct else "wrong")
    if earlier:
        before = earlier[-1]
        more = last.count("supported") - before.count("supported")
        if more > 0 or last.correct > before.correct:
            found.append("win")
        if more < 0 or last.correct < before.correct:
            found.append("loss")
        if len({answer.answered for answer in answers}) > 1:
            found.append("disagree")
    return found


def measured_rows(measurements: Measurements) -> list[tuple[str, str, bool]]:
    """Of each quantity that somebody measured: its title, its value or why it has none, and which of both."""
    rows = []
    for name, quantity in QUANTITIES.items():
        measured = measurements[name]
        if not measured.unknown:
            value = measured.value
            rows.append(
                (quantity.title, measured.reason or "" if value is None else quantity.written(value), value is not None)
            )
    return rows


def pieces(judged: Judged) -> Iterator[Piece]:
    """The text of an answer in order: each judged claim, each statement that nothing was held against, and the rest.

    Of claims that overlap, the first is marked.
    """
    text, at = judged.completion.text, 0
    claims: list[tuple[tuple[int, int], Judgement | None]] = [
        (row.span, row) for row in (*judged.evidence, *judged.findings) if row.span is not None
    ]
    claims += [(span, None) for span in _unchecked(judged)]
    for (start, end), row in sorted(claims, key=lambda claim: (claim[0], claim[1] is None)):
        if start < at:
            continue
        yield from _plain(text[at:start])
        said = text[start:end]
        if row is None:
            yield Piece(said, UNCHECKED, why="not held against the signal")
        else:
            yield Piece(said, row.verdict, LOOKS[row.verdict].mark, beside(row), row.reason)
        at = end
    yield from _plain(text[at:])


def _plain(text: str) -> Iterator[Piece]:
    """A text without claims, its tags apart."""
    for part in _TAGS.split(text):
        if part:
            yield Piece(part, TAG if _TAGS.fullmatch(part) else "")


def _unchecked(judged: Judged) -> list[tuple[int, int]]:
    """Statements of the reasoning that are no judged finding; the answer's own are held against the labels."""
    held = [row.span for row in judged.findings if row.span is not None]
    return [
        m.span
        for m in judged.completion.statements
        if m.where != "answer"
        and m.polarity == "asserted"
        and not any(start < m.span[1] and m.span[0] < end for start, end in held)
    ]


def unverified(judged: Judged) -> float | None:
    """The share of the claims (values, findings, other statements) that nothing verified; None without any."""
    claims = len(judged.evidence) + len(judged.findings) + len(_unchecked(judged))
    verified = sum(judged.count(v) + judged.count_findings(v) for v in ("supported", "contradicted"))
    return 1 - verified / claims if claims else None


def beside(row: Judgement) -> str:
    """What stands beside a claim: the measured value, or why it could not be measured.

    Nothing beside a finding whose value has no unit (a ratio, a share of the beats): the number alone tells no reader.
    """
    if row.kind == FINDING:
        if row.measured is None:
            return "not measurable"
        return f"{row.measured:.3g} {row.unit}" if row.unit else ""
    if row.measured is not None and row.quantity is not None:
        return TABLE[row.quantity].written(row.measured)
    if row.quantity in LEAD_QUANTITIES:
        return row.reason
    return NOT_MEASURED if row.reason.startswith(NOT_MEASURED) else "not measurable"


def _row(row: Judgement) -> Evidence:
    if row.kind == FINDING:
        return Evidence(row.verdict, f"“{row.text}”, {row.reason}: {row.verdict}")
    title = TABLE[row.quantity].title if row.quantity in TABLE else row.claim
    lead = f", {(row.lead or '').upper().replace('AV', 'aV')}" if row.lead else ""
    return Evidence(row.verdict, f"{title}{lead}: “{row.text}”, {beside(row)}: {row.verdict}")
