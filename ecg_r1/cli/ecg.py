"""Commands on records: measure, render, simulate."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ecg_r1.terminal import say, say_json

app = typer.Typer()
Workers = Annotated[int, typer.Option(min=0, help="Processes; 0: one for each core")]


@app.command()
def measure(
    paths: Annotated[list[str], typer.Argument(help="Records, or folders of them")],
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a record, in input order")] = False,
    workers: Workers = 1,
    plot: Annotated[Path | None, typer.Option(help="A folder for a page of each record with its delineation")] = None,
    refuse_doubtful: Annotated[
        bool,
        typer.Option("--refuse-doubtful", help="An error for a record whose checksum or gain says its signal is wrong"),
    ] = False,
) -> None:
    """Measure intervals, rate and axis. Exit code 1 where a record cannot be read; the others are still measured."""
    from ecg_r1.ecg.batch import listed, measure_paths

    records = listed(paths)
    measured = measure_paths(records, workers=workers, plots=plot, refuse_doubtful=refuse_doubtful)
    failed = False
    if jsonl:
        for row in measured:
            failed |= "error" in row
            say_json(row)
    else:
        from ecg_r1.console import track

        rows = list(track(measured, "", len(records)))
        failed = any("error" in row for row in rows)
        _print_table(rows)
    raise typer.Exit(1 if failed else 0)


@app.command()
def render(
    record: Path,
    out: Annotated[Path, typer.Option("--out", "-o", help="The image; its ending says which kind")],
    layout: Annotated[str, typer.Option(help="Rows and columns of the leads: 3x4, 3x4+3, 4x3, 6x2 or 12x1")] = "3x4",
    order: Annotated[str, typer.Option(help="Order of the limb leads: standard or cabrera")] = "standard",
    speed: Annotated[float, typer.Option(help="Paper speed in mm/s: 25 or 50")] = 25.0,
    gain: Annotated[float, typer.Option(help="mm/mV: 5, 10 or 20")] = 10.0,
    grid: Annotated[str, typer.Option(help="Its colour: red, orange, green, blue or grey")] = "red",
    size: Annotated[int | None, typer.Option(min=64, max=4096, help="Side of a square that holds the page")] = None,
    spoil: Annotated[
        int | None, typer.Option(min=0, help="A seed: as if photographed, with folds, shadows and blur")
    ] = None,
) -> None:
    """Draw a record as a 12-lead page."""
    from ecg_r1.ecg.page_file import write_page
    from ecg_r1.ecg.paper import Paper
    from ecg_r1.ecg.record import read_record, require_signal
    from ecg_r1.ecg.render import render as draw

    paper = Paper(layout, order, speed, gain, grid)
    page = draw(require_signal(read_record(record)), paper=paper, size=size)
    if spoil is not None:
        from ecg_r1.ecg.artefacts import distort  # needs OpenCV, which a page without artefacts does not

        page = distort(page, seed=spoil)
    write_page(page, out)


@app.command()
def simulate(
    n: Annotated[int, typer.Option("-n", min=1, help="How many records")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder for the WFDB records and truth.csv")],
    seed: Annotated[int, typer.Option(min=0, help="Record i depends on the seed and i alone")] = 0,
    diagnosis: Annotated[
        list[str] | None,
        typer.Option(help="One of the populations, or several joined by '; '; may be given repeatedly"),
    ] = None,
    workers: Workers = 1,
) -> None:
    """Write simulated records whose intervals and diagnosis are known exactly."""
    from ecg_r1.console import track
    from ecg_r1.ecg.batch import simulate_to

    for _ in track(simulate_to(out, n, seed=seed, diagnoses=diagnosis, workers=workers), "", n):
        pass
    say(out / "truth.csv")


def _print_table(rows: Iterable[Mapping[str, Any]]) -> None:
    from rich.table import Table

    from ecg_r1.console import cell, console
    from ecg_r1.ecg.quantities import QUANTITIES

    columns = [quantity for quantity in QUANTITIES.values() if quantity.column]
    table = Table(box=None, pad_edge=False)
    table.add_column("record", overflow="fold")
    for quantity in columns:
        table.add_column(quantity.column, justify="right")
    table.add_column("")
    for row in rows:
        values = ["–" if row.get(q.name) is None else q.number(row[q.name]) for q in columns]
        remarks = dict.fromkeys([*row.get("unmeasurable", {}).values(), *row.get("quality", ())])
        table.add_row(cell(row["record"]), *values, cell(row.get("error") or "; ".join(remarks)))
    # A file or a pipe has no width.
    console(width=None if sys.stdout.isatty() else 160).print(table)
