"""The comparison as a table in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ecg_r1.console import cell
from ecg_r1.console import console as terminal
from ecg_r1.evaluation.conditions import CONDITIONS, GRIDS, NOTHING
from ecg_r1.evaluation.report.wording import HEADLINE, MIRAGE, PER_QUANTITY, Shown
from ecg_r1.evaluation.report.wording import NOTHING as NO_VALUE

STYLES = {"better": "green", "worse": "red", "changed": "yellow", "unclear": ""}


def print_comparison(result: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the models' metrics, then each pair's differences with their 95% intervals (paired bootstrap)."""
    console = console or terminal()
    models, pairs = result["models"], result["paired"]
    shown = [m for m in (*HEADLINE, *PER_QUANTITY) if any(m.of(model) is not None for model in models.values())]
    title = f"{result['examples']} examples of {result['split']}"
    print_columns(
        console, title, list(models), {m.short: [Text(m.number(m.of(v))) for v in models.values()] for m in shown}
    )
    if rows := _without(models):
        print_columns(console, "with less of the ECG: diagnosis accuracy", list(models), rows)
    if pairs:
        rows = {m.short: [_interval(m, m.of(pair)) for pair in pairs.values()] for m in shown}
        print_columns(console, f"differences, 95% interval over {result['clusters']} clusters", list(pairs), rows)


def _without(models: Mapping[str, Any]) -> dict[str, list[Text]]:
    """The accuracy under each condition, the share right without an ECG, and how often that is said."""
    found = {name: model.get("mirage") or {} for name, model in models.items()}
    right, accuracy, _, abstained = MIRAGE
    rows: dict[str, list[Text]] = {}
    for condition in (*CONDITIONS, *GRIDS):
        of_models = [one.get("conditions", {}).get(condition.name) or {} for one in found.values()]
        if any(of_models):
            examples = max(one.get("examples", 0) for one in of_models)
            rows[f"{condition.title} ({examples})"] = [Text(accuracy.number(accuracy.of(one))) for one in of_models]
    if len(rows) > 1:
        nothing = [one.get("conditions", {}).get(NOTHING.name) or {} for one in found.values()]
        rows |= {
            right.short: [Text(right.number(one.get("right_without"))) for one in found.values()],
            abstained.short: [Text(abstained.number(abstained.of(one))) for one in nothing],
        }
    return rows if len(rows) > 1 else {}


def print_columns(console: Console, title: str, columns: Sequence[str], rows: Mapping[str, Sequence[Text]]) -> None:
    """Print a table, as many columns beside each other as the terminal is wide, the others below.

    Args:
        console: where.
        title: above the table.
        columns: their heads.
        rows: by what stands before each, a cell for each column.
    """
    unlimited = console.options.update(max_width=10_000)
    while columns:
        fits = len(columns)
        while (
            fits > 1 and console.measure(_table(title, columns[:fits], rows), options=unlimited).maximum > console.width
        ):
            fits -= 1
        console.print(_table(title, columns[:fits], rows))
        columns, rows = columns[fits:], {name: cells[fits:] for name, cells in rows.items()}


def _table(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[Text]]) -> Table:
    table = Table(title=cell(title), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    for name in columns:
        table.add_column(cell(name), justify="right", no_wrap=True)
    for name, cells in rows.items():
        table.add_row(cell(name), *cells[: len(columns)])
    return table


def _interval(metric: Shown, interval: Mapping[str, float | None] | None) -> Text:
    if not interval or interval["difference"] is None:
        return Text(NO_VALUE)
    difference, low, high = (
        metric.signed(interval[key]).removesuffix(" points") for key in ("difference", "low", "high")
    )
    return Text(f"{difference} ({low}, {high})", style=STYLES[metric.verdict(interval)])
