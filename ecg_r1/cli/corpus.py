"""Commands on corpora: build one from a recipe, check a data set, audit and export a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ecg_r1.cli.parameters import Overrides, RecipeArgument
from ecg_r1.terminal import say, say_json


class _Corpus(TyperGroup):
    """`ecg-r1 corpus RECIPE` is short for `ecg-r1 corpus build RECIPE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["build", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_Corpus, no_args_is_help=True, help="Build a corpus from a recipe; check, audit, export.")
Workers = Annotated[int, typer.Option(min=1, help="Processes")]
Dataset = Annotated[
    str | None, typer.Option(help="A data set's card: a name that `ecg-r1 corpus cards` lists, or a file")
]


@app.command()
def build(recipe: RecipeArgument, overrides: Overrides = None) -> None:
    """Build a corpus: records, measurements, pages, target texts. The word `build` may be left out."""
    from ecg_r1.corpus.build import build as run
    from ecg_r1.corpus.summary import summary
    from ecg_r1.recipe import CorpusRecipe, RecipeError, read_recipe

    read = read_recipe(recipe, overrides or [])
    if not isinstance(read, CorpusRecipe):
        raise RecipeError(f"{recipe}: stage is {read.stage!r}; `ecg-r1 train` runs it")
    for folder in run(read):
        say(summary(folder), err=True)
        say(folder)


@app.command()
def cards(name: Annotated[str | None, typer.Argument(help="One of them, in full")] = None) -> None:
    """List the data sets that have a card; or show one: labels, split, licence, how to download it."""
    from ecg_r1.datasets.card import find_card, shipped_cards
    from ecg_r1.recipe.text import dump

    if name is not None:
        say(dump(find_card(name).model_dump(mode="json", by_alias=True, exclude_defaults=True)), end="")
        return
    width = max(map(len, shipped_cards()))
    for card in shipped_cards().values():
        count = f"{card.records:,} records; " if card.records else ""
        say(f"{card.name:<{width}}  {count}{card.labels.about}; {card.licence or 'your own licence'}")


@app.command()
def check(
    card: Annotated[str, typer.Argument(help="A name that `ecg-r1 corpus cards` lists, or a card's file")],
    root: Annotated[Path, typer.Argument(help="The data set's folder")],
    labels: Annotated[Path | None, typer.Option(help="Your own table, CSV or parquet")] = None,
    json: Annotated[bool, typer.Option("--json", help="Everything, as one JSON object")] = False,
    workers: Workers = 1,
) -> None:
    """Compare a data set on disk with its card: missing, unreadable, labels that are not read. Exit code 1 if any."""
    from ecg_r1.corpus.check import check as run
    from ecg_r1.corpus.check import report

    found = run(card, root, labels=labels, workers=workers)
    if json:
        say_json(found.to_json())
    else:
        say(report(found))
    raise typer.Exit(0 if found.is_sound else 1)


@app.command()
def export(
    split: Annotated[Path, typer.Argument(help="A split that `ecg-r1 corpus` wrote")],
    out: Annotated[Path, typer.Argument(help="The file: .json, .jsonl or .parquet")],
    to: Annotated[str, typer.Option(help="A format, such as gem, ecg-r1, ecg-qa, llava, messages, jsonl")],
    media: Annotated[bool, typer.Option(help="Write signals (WFDB) and pages (PNG) beside the file")] = True,
    key_steps: Annotated[bool, typer.Option("--key-steps", help="Add each response's key steps (jsonl only)")] = False,
) -> None:
    """Write the examples of a split in another project's format, with their signals and pages."""
    from ecg_r1.corpus.export import export as run

    say(f"{run(split, out, to, media=media, key_steps=key_steps)} examples in {out}", err=True)
    say(out)


@app.command()
def audit(
    paths: Annotated[list[Path], typer.Argument(help="Splits, or files of examples in any format")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of audit.json and audit.html")] = Path("runs/audit"),
    records: Annotated[Path | None, typer.Option(help="The folder of the records that files are about")] = None,
    dataset: Dataset = None,
    workers: Workers = 1,
) -> None:
    """Check a corpus: quoted values against the signals, duplicates, patients in several splits, labels."""
    from ecg_r1.corpus.audit.audit import PAGE
    from ecg_r1.corpus.audit.audit import audit as run
    from ecg_r1.corpus.audit.page import summary
    from ecg_r1.corpus.audit.terminal import print_tables

    found = run(paths, out, records=records, dataset=dataset, workers=workers)
    print_tables(found)
    for note in summary(found):
        say(note)
    say(out / PAGE)
