"""Commands on models: convert, push."""

from __future__ import annotations

from itertools import groupby
from math import prod
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecg_r1.terminal import say

if TYPE_CHECKING:
    from ecg_r1.model.convert.plan import Plan

app = typer.Typer()


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(help="A GEM, PULSE or LLaVA folder, a language model's or its .gguf, or ECG-CoCa's .pt")
    ],
    destination: Annotated[Path, typer.Argument(help="A new folder")],
    ecg_tower: Annotated[
        str | None,
        typer.Option(
            help="ECG-CoCa's .pt, a checkpoint of ours, or the size of a random tower: tiny, small or gem-7b. "
            "By default random, in the size that fits the language model"
        ),
    ] = None,
    vision_tower: Annotated[
        Path | None,
        typer.Option(
            help="A CLIP's folder, or a checkpoint of ours, if the source has none. A language model without it reads "
            "signals only"
        ),
    ] = None,
    gem_compat: Annotated[
        bool, typer.Option("--gem-compat", help="GEM's own preprocessing: the page's centre, signals as they come")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Of the parts that no source holds; 0 unless given")
    ] = None,
) -> None:
    """Convert released weights to a checkpoint that transformers and vLLM open. See docs/gem.md."""
    from ecg_r1.console import track
    from ecg_r1.model.convert.gguf import folder_of
    from ecg_r1.model.convert.plan import plan
    from ecg_r1.model.convert.shards import check_destination, write

    check_destination(destination)
    with folder_of(source, destination) as opened:
        planned = plan(opened, ecg_tower=ecg_tower, vision_tower=vision_tower, gem_compat=gem_compat, seed=seed)
        for _ in track(write(planned, destination), "", len(planned.used) + len(planned.random)):
            pass
    _print_report(planned)
    say(destination)


@app.command()
def push(
    run: Annotated[Path, typer.Argument(help="A finished run's folder")],
    repository: Annotated[str, typer.Argument(metavar="REPO", help="OWNER/NAME on the Hub, or a folder: ./NAME")],
    comparison: Annotated[
        Path | None,
        typer.Option(help="Folder whose RL card goes into the model card; by default the run's parent"),
    ] = None,
    licence: Annotated[str | None, typer.Option(help="As the Hub names it, such as apache-2.0")] = None,
    public: Annotated[bool, typer.Option("--public", help="A new repository is private unless you say this")] = False,
) -> None:
    """Publish a run: weights, processor and a model card with the RL card in it."""
    from ecg_r1.evaluation.push import push as publish

    say(publish(run, repository, comparison, licence, public=public))


def _print_report(planned: Plan) -> None:
    from rich.table import Table

    from ecg_r1.console import cell, console

    table = Table(box=None, pad_edge=False)
    for title, justify in (
        ("part", "left"),
        ("tensors", "right"),
        ("parameters", "right"),
        ("from, or reason", "left"),
    ):
        table.add_column(title, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for part in planned.parts:
        table.add_row(part.name, str(part.tensors), f"{part.parameters:,}", cell(part.origin))
    for reason, tensors in groupby(sorted(planned.dropped, key=itemgetter(1)), key=itemgetter(1)):
        sizes = [prod(tensor.shape) for tensor, _ in tensors]
        table.add_row("dropped", str(len(sizes)), f"{sum(sizes):,}", cell(reason))
    console().print(table)
