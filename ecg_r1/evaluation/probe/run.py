"""A probe from its recipe to the page: make the records, predict what is missing, see whether the text follows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecg_r1.corpus.store import RecordStore
from ecg_r1.corpus.writer import QUARANTINE
from ecg_r1.disk import writing
from ecg_r1.errors import UserError
from ecg_r1.evaluation.comparable import check_cut, check_names, check_out, check_whole
from ecg_r1.evaluation.conditions import OWN
from ecg_r1.evaluation.metrics import Judged, judge
from ecg_r1.evaluation.models import open_models
from ecg_r1.evaluation.predict import missing, predict
from ecg_r1.evaluation.preparation import Plan, make_plan
from ecg_r1.evaluation.probe.follow import follow, series
from ecg_r1.evaluation.probe.hearts import WHOLE, build_hearts
from ecg_r1.evaluation.probe.moves import chosen
from ecg_r1.evaluation.probe.page import print_probe, probe_page
from ecg_r1.files import read_json_lines, write_labelled
from ecg_r1.locks import FolderLock
from ecg_r1.recipe import EvaluateRecipe, ProbeRecipe, to_yaml
from ecg_r1.runs import layout
from ecg_r1.runs.predictions import read_predictions

ANSWERS = "answers"  # folder of the answers of a checkpoint by itself, in the probe's


def probe(recipe: ProbeRecipe, *, dry_run: bool = False) -> ProbeRecipe:
    """Run a probe. Records and answers that fit the recipe are kept, so that repeating it compares at once.

    Args:
        recipe: as it was read.
        dry_run: check what can be checked before the records are made, and stop.

    Returns:
        The recipe.

    Raises:
        UserError: something that the recipe names is wrong, or a folder is locked or cannot be written to.
    """
    chosen(recipe.moves, recipe.hearts.simulate is not None)
    check_out(Path(recipe.out), ProbeRecipe)
    check_names([run.name for run in open_models(recipe)])
    if dry_run:
        return recipe
    out = Path(recipe.out)
    with writing(out, "the answers that are there are kept"):
        out.mkdir(parents=True, exist_ok=True)
    with FolderLock(out):
        store = build_hearts(recipe)
        plan = make_plan(_evaluation(recipe, store))
        predict(plan, [task for task in missing(plan) if task.condition is OWN])
        answers = {run.name: _answers(plan, plan.path(run)) for run in plan.runs}
        result = probed(recipe, store, answers)
        with writing(out, "the answers that are there are kept"):
            files = {
                out / f"{layout.PROBE}.html": probe_page(result),
                out / f"{layout.PROBE}.json": json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
            }
            write_labelled(out / layout.RECIPE, to_yaml(recipe), files)
    print_probe(result)
    return recipe


def probed(recipe: ProbeRecipe, store: RecordStore, answers: Mapping[str, Sequence[Judged]]) -> dict[str, Any]:
    """What `probe.json` holds.

    Args:
        recipe: of the probe.
        store: its records.
        answers: of each model, one to each example, in the split's order.
    """
    found = series(store, next(iter(answers.values())))
    return {
        "models": list(answers),
        "hearts": recipe.hearts.model_dump(exclude_none=True),
        "records": len(store),
        "moves": {one.move.name: follow(one, answers, recipe.resamples, recipe.seed) for one in found},
        "refused": _refused(store),
        "bootstrap": {"resamples": recipe.resamples, "seed": recipe.seed, "level": 0.95},
    }


def _evaluation(recipe: ProbeRecipe, store: RecordStore) -> EvaluateRecipe:
    return EvaluateRecipe(
        stage="evaluate",
        models=recipe.models,
        corpus=str(store.folder),
        decoding=recipe.decoding,
        style=recipe.style,
        max_cut=recipe.max_cut,
        out=str(Path(recipe.out) / ANSWERS),
        resamples=recipe.resamples,
        seed=recipe.seed,
    )


def _answers(plan: Plan, path: Path) -> list[Judged]:
    said = read_predictions(path)
    check_whole(path, said, plan.store, plan.recipe.decoding.n)
    rows = [row for example in plan.store.examples for row in said[example.id]]
    check_cut(path, rows, plan.recipe)
    return judge(rows, plan.store, plan.recipe.style)


def _refused(store: RecordStore) -> dict[str, Any]:
    """How many records were asked for and made, by move; and the commonest reasons why an edit was refused."""
    kept: Counter[str] = Counter(example.extra["move"] for example in store.examples)
    refused, reasons = Counter[str](), Counter[str]()
    path = store.folder / QUARANTINE
    for _, row in read_json_lines(path, UserError) if path.is_file() and path.stat().st_size else ():
        move = next((move for move in store.facts["moves"] if f"_{move}_" in row["record"]), WHOLE)
        refused[move] += 1
        reasons[row["quarantined"]] += 1
    asked = kept + refused
    return {
        "moves": {
            move: {"asked": asked[move], "held": kept[move]} for move in (WHOLE, *store.facts["moves"]) if asked[move]
        },
        "reasons": dict(reasons.most_common(20)),
    }
