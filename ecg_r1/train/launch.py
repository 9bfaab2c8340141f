"""Recipe -> processes -> trained model. Repeating the command resumes the run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ecg_r1.recipe import CorpusRecipe, EvaluateRecipe, RecipeError, read_recipe
from ecg_r1.train.extensions import release_dead_locks
from ecg_r1.train.processes import launched, meet_on_cpu, set_environment, spawn


def train(path: str, overrides: list[str], *, dry_run: bool = False) -> Path:
    """Run a recipe, in this process or, where it asks for several, under torchrun.

    Args:
        dry_run: check everything that can be checked, and stop before anything is started or written.

    Returns:
        The run's folder.

    Raises:
        UserError: the recipe, or something it names, is wrong.
        SystemExit: one of several processes failed; its error has been printed.
    """
    recipe = read_recipe(path, overrides)
    if isinstance(recipe, CorpusRecipe):
        raise RecipeError(f"{path}: a corpus is built with `ecg-r1 corpus`, not trained")
    if isinstance(recipe, EvaluateRecipe):
        raise RecipeError(f"{path}: models are compared with `ecg-r1 evaluate`, not trained")
    folder = Path(recipe.run)
    if recipe.processes > 1 and not launched() and not dry_run:
        spawn(recipe, path, overrides)
        return folder
    set_environment()
    if recipe.deepspeed:
        release_dead_locks(Path(os.environ["TORCH_EXTENSIONS_DIR"]))
    from ecg_r1.train.preflight import check

    if not dry_run:
        meet_on_cpu(recipe)
    checked = check(recipe, path, dry_run=dry_run, try_rewards=not launched())
    if dry_run:
        return folder
    if not checked.run.finished:
        from ecg_r1.runs.disk import disk_may_fill
        from ecg_r1.train.fit import fit

        with disk_may_fill(folder):
            fit(recipe, checked)
    elif os.environ["RANK"] == "0":
        print(f"{folder}: is finished; nothing to do", file=sys.stderr)
    return folder
