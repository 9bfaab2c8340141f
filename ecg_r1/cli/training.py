"""Commands from a recipe to a comparison: recipes, train, evaluate, predict, compare, inspect."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecg_r1.cli.parameters import Benchmark, Engine, Overrides, RecipeArgument, Style, named_folders
from ecg_r1.terminal import say

if TYPE_CHECKING:
    from ecg_r1.recipe import EvaluateRecipe

app = typer.Typer()


EngineOption = Annotated[Engine, typer.Option(help="Who generates")]
Models = Annotated[
    list[str],
    typer.Argument(help="Earlier first: runs, checkpoints, files of answers, endpoints (a URL, or a YAML file)"),
]
CorpusOption = Annotated[Path | None, typer.Option(help="The split; by default the one that the runs name")]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="Longest answer; by default what the runs need")]


@app.command()
def recipes() -> None:
    """The recipes that come with ecg_r1, for use by name in any folder: ecg-r1 corpus tiny/corpus."""
    from ecg_r1.recipe import read_recipe, shipped_recipes

    shipped = shipped_recipes()
    width = max(map(len, shipped), default=0)
    for name, path in shipped.items():
        words = path.read_text(encoding="utf-8").partition("#   ecg-r1")[0].replace("#", "").split()
        about = " ".join(words).partition(". ")[0].rstrip(".")
        say(f"{name:<{width}}  {read_recipe(name).stage:<8}  {about}")


@app.command()
def train(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, print the resolved recipe")] = False,
) -> None:
    """Run a training recipe; repeat the command to resume it."""
    from ecg_r1.evaluation.watched import HeldOutMetrics
    from ecg_r1.recipe import read_recipe, to_yaml
    from ecg_r1.train.launch import train as launch
    from ecg_r1.train.processes import speaks

    folder = launch(recipe, overrides or [], dry_run=dry_run, measure=HeldOutMetrics())
    if dry_run:
        say(to_yaml(read_recipe(recipe, overrides or [])))
    elif speaks():
        say(folder)


@app.command()
def evaluate(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE", help="A file, or a shipped recipe's name; with --benchmark, a model as in one"
        ),
    ],
    overrides: Overrides = None,
    benchmark: Annotated[
        Benchmark | None, typer.Option(help="Ask a model the questions of a benchmark; its table is written as JSON")
    ] = None,
    records: Annotated[
        list[str] | None, typer.Option(help="DATASET=FOLDER: adds the public records that the benchmark names")
    ] = None,
    headroom: Annotated[
        bool, typer.Option("--headroom", help="Sample answers: Pass@K, Acc@1, majority; is there anything to sharpen?")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, print the resolved recipe")] = False,
) -> None:
    """Compare the models that a recipe names (table, compare.json, report.html), or probe them (stage: probe)."""
    from ecg_r1.evaluation.evaluate import evaluate as compare_models
    from ecg_r1.evaluation.headroom import headroom as sample
    from ecg_r1.recipe import EvaluateRecipe, ProbeRecipe, RecipeError, read_recipe, to_yaml

    if benchmark is not None:
        if headroom:
            raise RecipeError("--headroom is of a recipe, not of a benchmark; leave one of both out")
        _on_benchmark(recipe, overrides or [], records or [], dry_run)
        return
    if records:
        raise RecipeError("--records is of a benchmark; name one with --benchmark, or records in a corpus recipe")
    read = read_recipe(recipe, overrides or [])
    if isinstance(read, ProbeRecipe):
        if headroom:
            raise RecipeError(f"{recipe}: --headroom is for a recipe of stage evaluate, not of stage probe")
        from ecg_r1.evaluation.probe.run import probe

        probe(read, dry_run=dry_run)
        if dry_run:
            say(to_yaml(read))
        return
    if not isinstance(read, EvaluateRecipe):
        raise RecipeError(f"{recipe}: stage is {read.stage!r}; `ecg-r1 evaluate` runs one of stage evaluate or probe")
    plan = sample(read, dry_run=dry_run) if headroom else compare_models(read, dry_run=dry_run)
    if dry_run:
        say(to_yaml(plan.recipe))


def _on_benchmark(model: str, overrides: Sequence[str], records: Sequence[str], dry_run: bool) -> None:
    from ecg_r1.evaluation.benchmarks.leaderboard import print_results
    from ecg_r1.evaluation.benchmarks.measured_claims import measured_claims

    result = measured_claims(model, overrides, named_folders(records), dry_run=dry_run)
    if result is not None:
        print_results([result])


@app.command()
def predict(
    runs: Models,
    corpus: CorpusOption = None,
    engine: EngineOption = Engine.VLLM,
    max_tokens: MaxTokens = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of a bare checkpoint's answers")] = Path("runs"),
) -> None:
    """Answers of each run's model to its held-out examples; `compare` makes them where they are missing."""
    from ecg_r1.evaluation.predict import missing
    from ecg_r1.evaluation.predict import predict as run
    from ecg_r1.evaluation.preparation import make_plan

    plan = make_plan(_recipe(runs, corpus, engine, max_tokens, out))
    run(plan, missing(plan))
    for model in plan.runs:
        say(plan.path(model))


@app.command()
def compare(
    runs: Models,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of compare.json and report.html")] = Path("runs"),
    seeds: Annotated[list[Path] | None, typer.Option(help="compare.json of the same from other seeds")] = None,
    corpus: CorpusOption = None,
    engine: EngineOption = Engine.VLLM,
    max_tokens: MaxTokens = None,
    style: Annotated[Style, typer.Option(help="The form that answers were asked to have")] = Style.DEEPSEEK,
) -> None:
    """Compare models on the same examples: the short way to write a recipe for `evaluate`, kept in --out."""
    from ecg_r1.evaluation.evaluate import evaluate as run

    run(_recipe(runs, corpus, engine, max_tokens, out, seeds or (), style))


def _recipe(
    runs: Sequence[str],
    corpus: Path | None,
    engine: Engine,
    max_tokens: int | None,
    out: Path,
    seeds: Sequence[Path] = (),
    style: Style = Style.DEEPSEEK,
) -> EvaluateRecipe:
    from ecg_r1.recipe import Decoding, EvaluateRecipe

    return EvaluateRecipe(
        stage="evaluate",
        models=list(runs),
        corpus=None if corpus is None else str(corpus),
        decoding=Decoding(engine=engine.value, max_tokens=max_tokens),
        seeds=[str(path) for path in seeds],
        style=style.value,
        out=str(out),
    )


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
