"""Completions as they were in training, with each reward's score and what was verified in them, in the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
        InspectError: no completions, no such step, or no such reward; the message names those there are.
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
        rows = parquet.read_table(files[-1]).to_pylist()
        step = max(row["step"] for row in rows)
    else:
        rows = [row for file in files for row in parquet.read_table(file, filters=[("step", "=", step)]).to_pylist()]
    rows = [row for row in rows if row["step"] == step]
    if not rows:
        raise InspectError(f"{run / layout.COMPLETIONS}: no completions of step {step}; there are {_steps(files)}")
    return rows


def _steps(files: list[Path]) -> str:
    """`1 to 40, 45`: the steps that were saved."""
    steps = sorted({step for file in files for step in parquet.read_table(file, columns=["step"])["step"].to_pylist()})
    spans: list[list[int]] = []
    for step in steps:
        if spans and step == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], step]
        else:
            spans.append([step])
    return ", ".join(" to ".join(map(str, span)) for span in spans)


def _panel(row: Mapping[str, Any], rewards: list[str]) -> Panel:
    evidence = judgements(json.loads(row["evidence"]))
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
