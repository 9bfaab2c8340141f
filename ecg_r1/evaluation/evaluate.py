"""An evaluation from its recipe to the report: check, predict what is missing, compare."""

from __future__ import annotations

from ecg_r1.evaluation.compare import compare
from ecg_r1.evaluation.predict import missing, predict
from ecg_r1.evaluation.preparation import Plan, make_plan
from ecg_r1.locks import FolderLock
from ecg_r1.recipe import EvaluateRecipe
from ecg_r1.terminal import say


def evaluate(recipe: EvaluateRecipe, *, dry_run: bool = False) -> Plan:
    """Run an evaluation. Answers that fit the recipe are kept, so that repeating it compares at once.

    Args:
        recipe: as it was read.
        dry_run: check everything, and stop before anything is generated or written.

    Returns:
        The plan; its recipe is the resolved one.

    Raises:
        UserError: something that the recipe names is wrong, the models cannot be compared, or a folder is locked or
            cannot be written to; the message says which.
    """
    plan = make_plan(recipe)
    tasks = missing(plan)
    if dry_run:
        for task in tasks:
            made = f"made with {task.made}; would be made again" if task.made else "missing; would be made"
            say(f"{task.path}: {made}", err=True)
    else:
        with FolderLock(plan.recipe.out):
            predict(plan, tasks)
            compare(plan)
    return plan
