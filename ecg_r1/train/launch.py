"""Recipe -> processes -> trained model. Repeating the command resumes the run."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

from ecg_r1.recipe import CorpusRecipe, EvaluateRecipe, RecipeError, RunRecipe, read_recipe
from ecg_r1.terminal import say
from ecg_r1.train.extensions import release_dead_locks
from ecg_r1.train.processes import launched, meet_on_cpu, set_environment, spawn


def train(path: str, overrides: list[str], *, dry_run: bool = False) -> Path:
    """Run a recipe, in this process or, where it asks for several, under torchrun.

    Args:
        path: the recipe's file.
        overrides: `key=value`, over the recipe's own.
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
    set_environment(errors_alone=dry_run)
    with redirect_stdout(sys.stderr):  # of the libraries: stdout is the command's
        _train(recipe, path, dry_run)
    return folder


def _train(recipe: RunRecipe, path: str, dry_run: bool) -> None:
    from ecg_r1.train.preflight import check

    if dry_run:
        check(recipe, path, dry_run=True)
        return
    if recipe.deepspeed:
        release_dead_locks(Path(os.environ["TORCH_EXTENSIONS_DIR"]))
    meet_on_cpu(recipe)
    checked = check(recipe, path, calling=not launched())  # the process that launched this one has tried them
    if not checked.run.finished:
        from ecg_r1.runs.disk import disk_may_fill
        from ecg_r1.train.fit import fit

        with disk_may_fill(Path(recipe.run)):
            fit(recipe, checked)
    elif os.environ["RANK"] == "0":
        say(f"{recipe.run}: is finished; nothing to do", err=True)
