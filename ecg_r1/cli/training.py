"""Commands from a corpus to a comparison: corpus, train, predict, compare, inspect."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()
Overrides = Annotated[list[str] | None, typer.Argument(help="key=value, over the recipe's own", show_default=False)]


class Engine(StrEnum):
    VLLM = "vllm"
    HF = "hf"


@app.command()
def corpus(recipe: str, overrides: Overrides = None) -> None:
    """Build a corpus: records, measurements, pages, target texts."""
    from ecg_r1.corpus.build import build
    from ecg_r1.corpus.summary import summary
    from ecg_r1.recipe import CorpusRecipe, RecipeError, read_recipe

    read = read_recipe(recipe, overrides or [])
    if not isinstance(read, CorpusRecipe):
        raise RecipeError(f"{recipe}: stage is {read.stage!r}; `ecg-r1 train` runs it")
    for folder in build(read):
        typer.echo(summary(folder), err=True)
        typer.echo(folder)


@app.command()
def train(
    recipe: str,
    overrides: Overrides = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, print the resolved recipe")] = False,
) -> None:
    """Run a training recipe; repeat the command to resume it."""
    from ecg_r1.recipe import read_recipe, to_yaml
    from ecg_r1.train.launch import train as launch

    folder = launch(recipe, overrides or [], dry_run=dry_run)
    typer.echo(to_yaml(read_recipe(recipe, overrides or [])) if dry_run else folder)


@app.command()
def predict(
    runs: list[Path],
    engine: Annotated[Engine, typer.Option(help="Who generates")] = Engine.VLLM,
    max_tokens: Annotated[int, typer.Option(help="Tokens a completion may have")] = 128,
) -> None:
    """Greedy completions of each run's model on its held-out split."""
    from ecg_r1.evaluation.predict import predict as run

    for path in run(runs, engine=engine.value, max_tokens=max_tokens):
        typer.echo(path)


@app.command()
def compare(
    runs: list[Path],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of compare.json and report.html")] = Path("runs"),
    seeds: Annotated[list[Path] | None, typer.Option(help="compare.json of other seeds")] = None,
    engine: Annotated[Engine, typer.Option(help="Who generates, where predictions are missing")] = Engine.VLLM,
    max_tokens: Annotated[int, typer.Option(help="Tokens a completion may have")] = 128,
) -> None:
    """Compare runs on the same held-out records: table, compare.json, report.html."""
    from ecg_r1.evaluation.comparable import check_splits
    from ecg_r1.evaluation.compare import compare as run
    from ecg_r1.evaluation.compare import read_seeds
    from ecg_r1.evaluation.predict import predict

    read_seeds(seeds or ())
    check_splits(runs)
    predict(runs, engine=engine.value, max_tokens=max_tokens)
    run(runs, out=out, seeds=seeds or ())


@app.command()
def inspect(
    run: Path,
    step: Annotated[int | None, typer.Option(help="A training step; the last saved one unless given")] = None,
    by: Annotated[str | None, typer.Option(help="A reward's name or `advantage`: its lowest first")] = None,
    count: Annotated[int, typer.Option("--count", "-n", help="How many completions")] = 4,
) -> None:
    """Completions of a GRPO run, with their scores and what was verified in them."""
    from ecg_r1.evaluation.inspect import inspect as show

    show(run, step=step, by=by, count=count)
