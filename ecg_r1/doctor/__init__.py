"""`ecg-r1 doctor`: checks whether this machine can run a recipe, and says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ecg_r1.console import cell
from ecg_r1.console import console as terminal
from ecg_r1.doctor import machine, packages
from ecg_r1.doctor.finding import Finding
from ecg_r1.recipe import CorpusRecipe, EvaluateRecipe, ProbeRecipe, RecipeError, RunRecipe, read_recipe

STYLES = {"ok": "green", "note": "yellow", "blocks": "bold red"}
Check = Callable[[RunRecipe, str], None]


def examine(
    recipe: str | None = None,
    overrides: Sequence[str] = (),
    check: Check | None = None,
    measured: Path | None = None,
    price: float | None = None,
) -> list[Finding]:
    """Look at packages, devices, memory, disk and compiler; with a recipe, at what its run will need of them.

    Args:
        check: looks at a run's options, given its recipe and the recipe's file; raises RecipeError.
        measured, price: as of `pace.pace`; without `measured`, time and cost are not predicted.

    Raises:
        RecipeError: the recipe cannot be read, or nothing was measured there.
    """
    read = None if recipe is None else read_recipe(recipe, overrides)
    run = None if isinstance(read, CorpusRecipe | EvaluateRecipe | ProbeRecipe) else read
    folder = Path(
        read.out if isinstance(read, CorpusRecipe | EvaluateRecipe | ProbeRecipe) else read.run if read else "."
    )
    if measured is not None and run is None:
        raise RecipeError(f"{recipe}: --measured predicts the time of a training recipe, and this is none")
    findings = [*packages.versions(run), *packages.clashes(), *machine.devices(), machine.disk(folder)]
    if run is not None:
        findings.append(machine.compiler(needed=run.deepspeed is not None))
        if not any(f.status == "blocks" for f in findings):  # the model is opened with the packages above
            from ecg_r1.doctor import memory, pace

            findings += [*_options(check, run, str(recipe)), *memory.of_run(run)]
            if measured is not None and not any(
                f.status == "blocks" and f.what in ("model", "recipe") for f in findings
            ):
                findings += pace.pace(run, measured, price)
    return findings


def _options(check: Check | None, run: RunRecipe, path: str) -> Iterator[Finding]:
    try:
        if check is not None:
            check(run, path)
    except RecipeError as error:
        yield Finding("recipe", str(error), "blocks", "correct it")


def show(findings: Iterable[Finding], console: Console | None = None) -> None:
    """As a table: what blocks last, where the eye ends."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0))
    for title in ("", "found", "do"):
        table.add_column(title, overflow="fold")
    for finding in sorted(findings, key=lambda f: f.status == "blocks"):
        style = STYLES[finding.status]
        table.add_row(cell(finding.what, style), cell(finding.found), cell(finding.advice, style))
    (console or terminal()).print(table)
