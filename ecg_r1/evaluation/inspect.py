"""Completions as they were in training, with each reward's score and what was verified in them, in the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
from rich.console import Console, Group
from rich.panel import Panel
from rich.text import Text

from ecg_r1.console import cell, marked
from ecg_r1.console import console as terminal
from ecg_r1.ecg.quantities import TABLE
from ecg_r1.errors import UserError
from ecg_r1.runs import layout
from ecg_r1.runs.read import existing
from ecg_r1.scoring.judgement import FINDING, LOOKS, Judgement, judgements

NOT_REWARDS = ("step", "prompt", "completion", "evidence", "advantage", "example", "shown")
EXPLANATION = "/explanation"  # a reward's column of that name says why it scored so


class InspectError(UserError):
    """There are no such completions to look at."""


def inspect(
    run: Path, *, step: int | None = None, by: str | None = None, count: int = 4, console: Console | None = None
) -> None:
    """Print completions of one training step.

    Args:
        run: a run directory with `completions/*.parquet`.
        step: the last one that was saved, unless given.
        by: a reward's name (or `advantage`): show its lowest scores first; otherwise in the order of training.
        count: how many.

    Raises:
        InspectError: no completions, no such step, or no such reward: the message names those there are. Or a file of
            them is damaged.
    """
    rows = _rows(run, step)
    rewards = [name for name in rows[0] if name not in NOT_REWARDS and not name.endswith(EXPLANATION)]
    if by is not None:
        if by not in (*rewards, "advantage"):
            raise InspectError(f"{run}: no reward {by!r} in the completions; there are {', '.join(rewards)}, advantage")
        rows = sorted((row for row in rows if row[by] is not None), key=lambda row: row[by])
    console = console or terminal()
    for row in rows[:count]:
        console.print(_panel(row, rewards))


def _rows(run: Path, step: int | None) -> list[dict[str, Any]]:
    files = sorted((existing(run) / layout.COMPLETIONS).glob("*.parquet"))
    if not files:
        raise InspectError(f"{run / layout.COMPLETIONS}: no completions; GRPO saves them where `log_completions` is on")
    if step is None:
        rows = read_completions(files[-1])
        step = max(row["step"] for row in rows)
        return [row for row in rows if row["step"] == step]
    damaged, rows, others = [], [], set()
    for file in files:
        try:
            found = read_completions(file)
        except InspectError as error:  # it may be of another step
            damaged.append(str(error))
            continue
        rows += [row for row in found if row["step"] == step]
        others |= {row["step"] for row in found}
    if not rows:
        there = f"there are {_spans(others)}" if others else "there are none"
        raise InspectError("; ".join([f"{run / layout.COMPLETIONS}: no completions of step {step}; {there}", *damaged]))
    return rows


def read_completions(file: Path) -> list[dict[str, Any]]:
    """The rows of a file of training completions.

    Raises:
        InspectError: it was cut short, is damaged, or is no file of completions.
    """
    try:
        table = parquet.read_table(file)
    except (pa.ArrowException, OSError) as error:
        said = " ".join(str(error).split())
        raise InspectError(
            f"{file}: cut short or damaged ({said[:80]}); name another step with --step, or repeat `ecg-r1 train`"
        ) from None
    fitting = all(name in table.column_names and holds(table[name].type) for name, holds in COLUMNS.items())
    fitting = fitting and not any(table[name].null_count for name in ("step", "example", "completion"))
    scores = [name for name in table.column_names if name not in NOT_REWARDS and not name.endswith(EXPLANATION)]
    if not (fitting and table.num_rows and all(map(_is_score, (table[name].type for name in scores)))):
        raise InspectError(f"{file}: no completions of GRPO; remove it from the folder")
    return table.to_pylist()


def _is_score(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


COLUMNS = {  # that every file of completions has, and what they hold
    "step": pa.types.is_integer,
    "example": _is_text,
    "completion": _is_text,
    "evidence": _is_text,
    "advantage": _is_score,
}


def _spans(steps: Iterable[int]) -> str:
    """`1 to 40, 45`: the steps that were saved."""
    spans: list[list[int]] = []
    for step in sorted(steps):
        if spans and step == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], step]
        else:
            spans.append([step])
    return ", ".join(" to ".join(map(str, span)) for span in spans)


def _panel(row: Mapping[str, Any], rewards: list[str]) -> Panel:
    try:
        evidence = judgements(json.loads(row["evidence"]))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InspectError(
            f"step {row['step']}, {row['example']}: its evidence is damaged; name another step"
        ) from None
    spans = [(claim.span, LOOKS[claim.verdict].style) for claim in evidence if claim.span]
    claims = [
        cell(f"{claim.verdict:>12}  {claim.text or claim.claim}  ({_why(claim)})", LOOKS[claim.verdict].style)
        for claim in evidence
    ]
    scores = [
        cell(f"{name:>12}  {_score(row[name])}  {row.get(name + EXPLANATION) or ''}", lines=True) for name in rewards
    ]
    title = cell(f"step {row['step']}  {row['example']}")
    subtitle = cell(f"advantage {_score(row['advantage'])}")
    return Panel(Group(marked(row["completion"], spans), Text(), *claims, *scores), title=title, subtitle=subtitle)


def _why(claim: Judgement) -> str:
    if claim.measured is None or claim.kind == FINDING:
        return claim.reason or "nothing measured"
    known = TABLE.get(claim.quantity or "")
    return f"measured: {known.written(claim.measured) if known else f'{claim.measured:.0f} {claim.unit}'}"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"
