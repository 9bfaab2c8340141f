"""Whether models can be compared: names, records and questions before anything is generated, whole answers after."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecg_r1.corpus.store import RecordStore
from ecg_r1.recipe import EvaluateRecipe, ProbeRecipe, RecipeError, read_recipe
from ecg_r1.runs import layout
from ecg_r1.runs.predictions import Prediction
from ecg_r1.runs.read import Run, RunError

LOOP = 64  # characters of an end that repeats itself; four long words said again are not enough


class CompareError(RunError):
    """Models that cannot be compared."""


def check_names(names: Sequence[str]) -> None:
    """Check that tables can tell the models apart.

    Raises:
        CompareError: two have one name.
    """
    for name in names:
        if names.count(name) > 1:
            raise CompareError(f"two models are named {name!r}; tables tell models apart by their folder's name")


def check_out(out: Path, kind: type[EvaluateRecipe | ProbeRecipe] = EvaluateRecipe) -> None:
    """Check that a comparison, or a probe, can be written into a folder.

    Args:
        out: the folder.
        kind: the recipe's.

    Raises:
        CompareError: it is a file, or a run's own folder, whose recipe would be overwritten.
    """
    if out.is_file():
        raise CompareError(f"{out}: is a file; choose another `out:` (or `--out`)")
    recipe = out / layout.RECIPE
    if recipe.is_file() and not _is_of(recipe, kind):
        raise CompareError(f"{recipe}: belongs to something else; choose another `out:` (or `--out`)")


def _is_of(recipe: Path, kind: type) -> bool:
    try:
        return isinstance(read_recipe(recipe), kind)
    except RecipeError:
        return False


def check_splits(evaluated_on: Sequence[tuple[Run, RecordStore]]) -> None:
    """Check that the runs' recipes name the same records and questions.

    Raises:
        CompareError: naming two runs with different splits.
    """
    (first, store), *others = evaluated_on
    for run, other in others:
        if other is not store and truths(other) != truths(store):
            raise CompareError(
                f"{first.folder} and {run.folder}: evaluated on different records, {store.folder} and {other.folder}; "
                "name one split with `corpus:` (or `--corpus`); nothing was predicted"
            )


def truths(store: RecordStore) -> dict[str, tuple[str, str]]:
    """Example id -> its question, and what is held to be true of it."""
    return {
        example.id: (example.question, json.dumps([_truth(store.row(record)) for record in example.records]))
        for example in store.examples
    }


def _truth(row: Mapping[str, Any]) -> list[Any]:
    return [row["diagnoses"], row["unlabelled"], row["measurements"]]


def check_whole(path: Path, answers: Mapping[str, Sequence[Prediction]], store: RecordStore, n: int) -> None:
    """Check that a predictions file holds `n` answers to each example of the split and to nothing else.

    Raises:
        CompareError: naming an example.
    """
    wanted = {example.id for example in store.examples}
    for what, examples in (
        (f"of which {store.folder} has none", answers.keys() - wanted),
        ("without an answer", wanted - answers.keys()),
        (f"with another number of answers than {n}", {key for key, rows in answers.items() if len(rows) != n}),
    ):
        if examples:
            raise CompareError(f"{path}: {len(examples)} examples {what}, e.g. {min(examples)}; predict again")


def check_cut(path: Path, answers: Sequence[Prediction], recipe: EvaluateRecipe | ProbeRecipe) -> None:
    """Check that the answers are whole: what was cut off is judged as malformed, and as saying less.

    An answer that repeats itself would not end with any limit; it is judged as it is.

    Raises:
        CompareError: more than `recipe.max_cut` of them were cut off.
    """
    cut = sum(answer.cut and not repeats_itself(answer.completion) for answer in answers)
    if cut > recipe.max_cut * len(answers):
        share = cut / len(answers)
        raise CompareError(
            f"{path}: {cut} of {len(answers)} answers ({share:.1%}) were cut off at {recipe.decoding.max_tokens} "
            "tokens; raise `decoding.max_tokens` (or `--max-tokens`), or, where answers do not end, compare with "
            f"`max_cut: {math.ceil(100 * share) / 100}` in the recipe"
        )


def repeats_itself(text: str) -> bool:
    """Whether a text ends in one passage over and over: at least four times, and for at least `LOOP` characters."""
    for period in range(1, len(text) // 4 + 1):
        end = text[-max(4 * period, LOOP) :]
        if len(end) >= LOOP and end[period:] == end[:-period]:
            return True
    return False


def read_seeds(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Read the same comparison as it was trained from other seeds.

    Args:
        paths: `compare.json` files, or the folders they lie in.

    Raises:
        CompareError: a file is missing, or is not a comparison.
    """
    return [_seed(path / layout.COMPARISON if path.is_dir() else path) for path in paths]


def _seed(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CompareError(f"{path}: missing; a seed is the compare.json of the same comparison, or its folder")
    try:
        other = json.loads(path.read_text(encoding="utf-8"))
        return {"name": path.parent.name, "records": other["records"], "paired": dict(other["paired"])}
    except (ValueError, KeyError, TypeError):
        raise CompareError(f"{path}: no compare.json; `ecg-r1 compare … --out DIR` writes one") from None
