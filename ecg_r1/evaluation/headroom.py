"""Should RL be run at all? Samples several answers of a model before a run: `ecg-r1 evaluate … --headroom`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ecg_r1.console import cell
from ecg_r1.console import console as terminal
from ecg_r1.disk import writing
from ecg_r1.ecg.quantities import QUANTITIES
from ecg_r1.evaluation.comparable import check_whole
from ecg_r1.evaluation.conditions import OWN
from ecg_r1.evaluation.metrics import judge
from ecg_r1.evaluation.predict import missing, predict
from ecg_r1.evaluation.preparation import Plan, make_plan
from ecg_r1.evaluation.sampling import sampled, verdict
from ecg_r1.files import write_atomically
from ecg_r1.locks import FolderLock
from ecg_r1.recipe import EvaluateRecipe
from ecg_r1.runs import layout
from ecg_r1.runs.predictions import read_predictions
from ecg_r1.terminal import say

ANSWERS, TEMPERATURE = 8, 1.0  # unless the recipe says how to sample: a group of GRPO, at its temperature


def headroom(recipe: EvaluateRecipe, *, dry_run: bool = False) -> Plan:
    """Sample answers of each model, and write and print Pass@K, Acc@1 and the majority per diagnosis and quantity.

    Args:
        recipe: its `decoding` is used where it samples several answers; else `ANSWERS` at `TEMPERATURE`.
        dry_run: check everything, and stop before anything is generated or written.

    Returns:
        The plan; its recipe is the resolved one.

    Raises:
        UserError: as of `evaluate`.
    """
    if recipe.decoding.n == 1:
        decoding = recipe.decoding.model_copy(update={"n": ANSWERS, "temperature": TEMPERATURE})
        recipe = recipe.model_copy(update={"decoding": decoding})
    plan = make_plan(recipe, "-sampled")
    tasks = [task for task in missing(plan) if task.condition is OWN]
    if dry_run:
        for task in tasks:
            say(f"{task.path}: would be made", err=True)
        return plan
    out = Path(plan.recipe.out)
    with FolderLock(out):
        predict(plan, tasks)
        found = {run.name: _sampled(plan, plan.path(run)) for run in plan.runs}
        with writing(out, "the answers that are there are kept"):
            result = {"decoding": plan.recipe.decoding.model_dump(), "models": found}
            write_atomically(out / layout.HEADROOM, json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    for name, figures in found.items():
        print_headroom(name, figures)
    return plan


def _sampled(plan: Plan, path: Path) -> dict[str, Any]:
    store, recipe = plan.store, plan.recipe
    answers = read_predictions(path)
    check_whole(path, answers, store, recipe.decoding.n)
    rows = [row for example in store.examples for row in answers[example.id]]
    clusters = [store.cluster(example.id) for example in store.examples]
    figures = sampled(judge(rows, store, recipe.style), clusters, recipe.resamples, recipe.seed)
    return figures | {"cut": sum(row.cut for row in rows) / len(rows)}


def print_headroom(name: str, figures: Mapping[str, Any], console: Console | None = None) -> None:
    """Print one model's figures as a table, and what they say.

    Args:
        name: of the model.
        figures: as `sampling.sampled` gives them, with the share of answers that were `cut` off.
        console: the terminal's, unless given.
    """
    console = console or terminal()
    k = figures["k"]
    table = Table(title=cell(f"{name}: {k} answers to each question"), title_justify="left", box=SIMPLE_HEAD)
    for head in ("", "questions", "Acc@1", f"Pass@{k}", "chance", "majority", "mixed", f"Pass@{k} − Acc@1", ""):
        table.add_column(head, justify="left" if not head else "right", no_wrap=bool(head))
    rows = {"diagnosis": figures["diagnosis"]}
    rows |= {QUANTITIES[name].title: row for name, row in figures["quantities"].items()}
    rows |= {f"  {name}": row for name, row in figures["diagnoses"].items()}
    for title, row in rows.items():
        if row["questions"]:
            table.add_row(cell(title), str(row["questions"]), *_shares(row), cell(verdict(row)))
    console.print(table)
    if figures["cut"]:
        console.print(cell(f"{figures['cut']:.1%} of the answers were cut off; raise decoding.max_tokens"))
    console.print(cell(conclusion(figures)))


def _shares(row: Mapping[str, Any]) -> list[str]:
    shares = [row["acc_1"], list(row["pass"].values())[-1], row["chance"], row["majority"], row["mixed"]]
    room = row["headroom"]
    interval = f"{100 * room['difference']:.1f} ({100 * room['low']:.1f}, {100 * room['high']:.1f})"
    return [*(f"{100 * share:.1f}%" for share in shares), interval]


def conclusion(figures: Mapping[str, Any]) -> str:
    """One sentence: whether GRPO has something to sharpen, and in what."""
    rows = {"the diagnosis": figures["diagnosis"]}
    rows |= {QUANTITIES[name].title: row for name, row in figures["quantities"].items()}
    room = [title for title, row in rows.items() if verdict(row) == "room to sharpen"]
    if room:
        return f"GRPO has something to sharpen in {', '.join(room)}."
    if all(verdict(row) in ("little to sharpen", "no question") for row in rows.values()):
        return "GRPO has little to sharpen: the answers to a question are nearly all right or all wrong."
    return "It is unclear whether GRPO has something to sharpen: ask more questions, or sample more answers."
