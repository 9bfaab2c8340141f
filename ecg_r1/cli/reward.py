"""Commands on rewards, which need no model and no GPU: list, score, check."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecg_r1.terminal import say, say_json, visible

if TYPE_CHECKING:
    from ecg_r1.recipe import Reward

app = typer.Typer(help="List rewards, score completions with them, try one of your own.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """The rewards there are: name, options, what it rewards, source."""
    from ecg_r1.scoring.listing import listing

    for row in listing():
        say(visible(f"{row['name']}  {row['options']}".rstrip()))
        say(f"    {visible(row['about'])}\n    {visible(row['source'])}")


@app.command()
def score(
    file: Annotated[Path, typer.Argument(help='Lines {"id", "diagnoses", "measurements" or "record", "completion"}')],
    reward: Annotated[list[str] | None, typer.Option(help="Name, path.py:function or dotted path; repeatable")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A GRPO recipe, for its rewards and weights")] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line, in input order")] = False,
) -> None:
    """Score completions, with the evidence for each claim. The shipped recipes' rewards unless told otherwise."""
    from ecg_r1.console import console
    from ecg_r1.ecg.measure import measure
    from ecg_r1.ecg.record import read_record
    from ecg_r1.scoring import RewardPool, load_reward
    from ecg_r1.scoring.cases import read_samples
    from ecg_r1.scoring.listing import score_samples, view

    wanted = _wanted(reward or [], recipe)
    loaded = [load_reward(each.name, each.options) for each in wanted]
    weights = {function.name: each.weight for function, each in zip(loaded, wanted, strict=True)}
    samples = list(read_samples(file, measure=lambda path: measure(read_record(path))))
    _warn_of_unknown(name for sample in samples for name in sample.case.diagnoses)
    failing = set(weights) if samples else set[str]()
    terminal = console()
    with RewardPool(loaded, workers=1, error_limit=1.0) as pool:  # in a worker, where it has a deadline
        for sample, line in zip(samples, score_samples(samples, pool, weights), strict=True):
            failing &= line.get("errors", {}).keys()
            if jsonl:
                say_json(line)
            else:
                terminal.print(view(sample, line))
    for name in sorted(failing):
        say(f'reward "{name}" failed on every line; `ecg-r1 reward check` says why', err=True)
    raise typer.Exit(1 if failing else 0)


def _warn_of_unknown(diagnoses: Iterable[str]) -> None:
    from ecg_r1.ecg.vocabulary import UnknownDiagnosis, vocabulary
    from ecg_r1.scoring.answers import unread

    for part in dict.fromkeys(part for label in diagnoses for part in unread(label)):
        try:
            vocabulary().get(part)
        except UnknownDiagnosis as error:
            say(f"warning: {visible(error)}; it is compared as it is written", err=True)


@app.command()
def check(spec: Annotated[str, typer.Argument(help="Name, path.py:function or dotted path")]) -> None:
    """Try a reward on right, wrong, empty, huge and hostile completions. Exit code 1 where it fails on one."""
    from ecg_r1.scoring.check import check_reward

    result = check_reward(spec)
    width = max(len(str(sample.id)) for sample in result.samples)
    for sample, given in zip(result.samples, result.scores, strict=True):
        value = "  n/a" if given.value is None else f"{given.value:5.2f}"
        say(f"{sample.id:<{width}}  {value}  {visible(given.explanation)}")
    for finding in result.findings:
        where = f" (sample {finding.sample})" if finding.sample else ""
        say(f"{finding.level}: {visible(finding.message)}{where}")
    say(f"{'passed' if result.passed else 'failed'}, {1000 * result.seconds:.1f} ms a completion")
    raise typer.Exit(0 if result.passed else 1)


def _wanted(names: list[str], recipe: Path | None) -> list[Reward]:
    from ecg_r1.recipe import GRPORecipe, RecipeError, Reward, read_recipe
    from ecg_r1.scoring.adapters import WEIGHTS

    if recipe is None:
        return [Reward(name=name) for name in names] or [Reward(name=n, weight=w) for n, w in WEIGHTS.items()]
    read = read_recipe(recipe)
    if not isinstance(read, GRPORecipe):
        raise RecipeError(f"{recipe}: stage is {read.stage!r}; only a GRPO recipe has rewards")
    return [*read.rewards, *(Reward(name=name) for name in names)]
