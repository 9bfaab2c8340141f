"""Recipe -> processes -> trained model. Repeating the command resumes the run."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, redirect_stdout
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecg_r1.disk import writing
from ecg_r1.locks import TOKEN, FolderLock
from ecg_r1.recipe import CorpusRecipe, EvaluateRecipe, ProbeRecipe, RecipeError, RunRecipe, read_recipe, to_yaml
from ecg_r1.runs.directory import RunDirectory
from ecg_r1.runs.held_out import Measure
from ecg_r1.terminal import say
from ecg_r1.train.extensions import release_dead_locks
from ecg_r1.train.processes import (
    check_launcher,
    check_once,
    end_with_parent,
    launched,
    meet_on_cpu,
    set_environment,
    spawn,
)

if TYPE_CHECKING:
    from ecg_r1.train.meeting import Meeting
    from ecg_r1.train.preflight import Checked


def train(path: str, overrides: list[str], *, dry_run: bool = False, measure: Measure | None = None) -> Path:
    """Run a recipe, in this process or, where it asks for several, under torchrun.

    Args:
        path: the recipe's file.
        overrides: `key=value`, over the recipe's own.
        dry_run: check everything that can be checked, and stop before anything is started or written.
        measure: what held-out answers are worth, for recipes with `held_out`; `evaluation.watched.HeldOutMetrics`.

    Returns:
        The run's folder.

    Raises:
        UserError: the recipe, or something it names, is wrong; or another process writes the run, or its folder cannot
            be written to.
        SystemExit: one of several processes failed; its error has been printed.
    """
    recipe = read_recipe(path, overrides)
    if isinstance(recipe, CorpusRecipe):
        raise RecipeError(f"{path}: a corpus is built with `ecg-r1 corpus`, not trained")
    if isinstance(recipe, EvaluateRecipe | ProbeRecipe):
        raise RecipeError(f"{path}: models are compared with `ecg-r1 evaluate`, not trained")
    folder = Path(recipe.run)
    if recipe.processes > 1 and not launched() and not dry_run:
        check_once(path, overrides)
        if RunDirectory(recipe, folder).finished:
            say(f"{folder}: is finished; nothing to do", err=True)
            return folder
        with FolderLock(folder) as lock:
            spawn(recipe, path, overrides, lock.share())
        return folder
    if launched():
        check_launcher(recipe, path)
        end_with_parent()
    set_environment(errors_alone=dry_run)
    with redirect_stdout(sys.stderr):  # of the libraries: stdout is the command's
        if dry_run:
            from ecg_r1.train.preflight import check

            check(recipe, path, dry_run=True, measure=measure)
        else:
            _train(recipe, path, measure)
    return folder


def _train(recipe: RunRecipe, path: str, measure: Measure | None) -> None:
    from ecg_r1.train.meeting import Meeting
    from ecg_r1.train.preflight import check

    if recipe.deepspeed:
        release_dead_locks(Path(os.environ["TORCH_EXTENSIONS_DIR"]))
    meet_on_cpu(recipe)
    meeting = Meeting()
    calling = meeting.rank == 0 and TOKEN not in os.environ  # `check_once` has called the rewards
    with meeting.agreed():
        checked = check(recipe, path, calling=calling, measure=measure)
    if meeting.world > 1:
        with meeting.agreed():
            meeting.same(_facts(recipe, checked))
    if meeting.told("finished" if checked.run.finished else "")[0]:
        if meeting.rank == 0:
            say(f"{recipe.run}: is finished; nothing to do", err=True)
        return
    with writing(recipe.run, "the run goes on from its last whole checkpoint"), _lock(recipe.run, meeting):
        _fit(recipe, checked)


def _facts(recipe: RunRecipe, checked: Checked) -> dict[str, str]:
    """What must be equal on all nodes: the first process of each of them looks."""
    if os.environ["LOCAL_RANK"] != "0" or TOKEN in os.environ:  # `spawn` starts processes of one node
        return {}
    facts = {f"the version of {name}": metadata.version(name) for name in ("torch", "transformers", "trl")}
    written = sha256(to_yaml(recipe).encode()).hexdigest()
    return facts | {"the recipe's fingerprint": written, "the corpus's fingerprint": checked.run.corpus}


def _fit(recipe: RunRecipe, checked: Checked) -> None:
    from ecg_r1.train.fit import fit

    if not checked.run.finished:  # by another process, since it was checked
        fit(recipe, checked)


def _lock(folder: str, meeting: Meeting) -> AbstractContextManager[Any]:
    """The lock of the run: of the command that started this process, or of all that another launcher started."""
    token = os.environ.get(TOKEN)
    return FolderLock(folder, token) if token else meeting.lock(Path(folder))
