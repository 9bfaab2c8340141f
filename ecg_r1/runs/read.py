"""Run directories as they are read: what was trained and how it went, from any folder and after they were moved."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ecg_r1.corpus.store import COMPLETE, FACTS, split_facts
from ecg_r1.errors import UserError, did_you_mean
from ecg_r1.files import read_json, read_json_lines
from ecg_r1.runs import layout


class RunError(UserError):
    """A run directory is missing, not finished, or lacks what is asked of it."""


@dataclass(frozen=True)
class Run:
    """A finished run, or a checkpoint by itself.

    Attributes:
        name: of its folder, after the run's where it is a checkpoint of one; tables tell models apart by it.
        folder: the run directory, or the checkpoint.
        checkpoint: folder of the weights; a run may have been stored without them.
        recipe: as the run resolved it; empty for a checkpoint, like the rest.
        environment: versions, commit, hardware, and the folder where the command ran.
        log: what was logged, one mapping a step.
    """

    name: str
    folder: Path
    checkpoint: Path
    recipe: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    log: tuple[Mapping[str, Any], ...] = ()


def existing(folder: Path) -> Path:
    """The folder, if it is there.

    Raises:
        RunError: there is no such folder; the message names the nearest one.
    """
    if folder.is_file():
        raise RunError(f"{folder}: is a file; name a run's folder, or give a recipe to `ecg-r1 evaluate`")
    if not folder.is_dir():
        beside = [str(path) for path in folder.parent.glob("*/") if path.is_dir()]
        raise RunError(f"{folder}: no such run{did_you_mean(folder, beside)}")
    return folder


def read_run(folder: Path) -> Run:
    """Read a finished run, or take a checkpoint folder as it is.

    Raises:
        RunError: there is no such folder, it is neither, the run is not finished, or a file of it is damaged.
    """
    recipe, name = existing(folder) / layout.RECIPE, folder.resolve().name
    if not recipe.is_file() and (folder / "config.json").is_file():
        return Run(_checkpoint_name(folder.resolve()), folder, checkpoint=folder)
    if not recipe.is_file() or not (folder / layout.FINISHED).is_file():
        raise RunError(f"{folder}: no finished run; repeat `ecg-r1 train` with its recipe to go on with it")
    try:
        values = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError):
        values = None
    if not isinstance(values, dict):
        raise RunError(f"{recipe}: cut short or damaged")
    log = folder / layout.METRICS
    return Run(
        name=name,
        folder=folder,
        checkpoint=folder / layout.MODEL,
        recipe=values,
        environment=read_json(folder / layout.ENVIRONMENT) or {},
        log=tuple(row for _, row in read_json_lines(log, RunError)) if log.is_file() else (),
    )


def _checkpoint_name(folder: Path) -> str:
    """Of RUN/best and RUN/checkpoints/checkpoint-20 the run's name is a part, so that those of two runs differ."""
    above = folder.parent.parent if folder.parent.name == layout.CHECKPOINTS else folder.parent
    return f"{above.name}-{folder.name}" if (above / layout.RECIPE).is_file() else folder.name


def held_out(run: Run) -> Path:
    """The split that a run is evaluated on.

    Raises:
        RunError: its recipe names none, or the folder is not found.
    """
    recipe = run.folder / layout.RECIPE
    named = (run.recipe.get("corpus") or {}).get("evaluate")
    if named is None:
        raise RunError(f"{recipe}: no `corpus.evaluate`; name the split with `corpus:` (or `--corpus`)")
    found = find(named, run)
    if found is None:
        raise RunError(
            f"{recipe}: corpus.evaluate: no folder {named}, neither beside the run nor where it was trained; name the "
            "split with `corpus:` (or `--corpus`)"
        )
    return found


def trained_on(run: Run) -> dict[str, Any]:
    """How a run's training split was made and how many records it holds; empty where it is not on this machine."""
    named = (run.recipe.get("corpus") or {}).get("train")
    split = None if named is None else find(named, run)
    if split is None or not (split / FACTS).is_file():
        return {}
    return split_facts(split) | (read_json(split / COMPLETE) or {})


def stages(run: Run) -> list[Run]:
    """A run, the run that it was trained from, and so on, as far as they are on this machine."""
    line = [run]
    while (named := line[-1].recipe.get("model")) and (folder := find(named, line[-1])):
        if any(folder.samefile(stage.folder) for stage in line):  # a recipe edited by hand
            break
        try:
            line.append(read_run(folder))
        except RunError:
            break
    return line


def find(named: str, run: Run) -> Path | None:
    """A folder that a run's recipe names, whatever folder one is in now.

    A relative path counts from the folder where the command ran. If the run was moved together with what it names,
    both lie to each other as they did then, so that is tried first.

    Args:
        named: as the recipe has it.

    Returns:
        The folder; None where it is missing.
    """
    began = run.environment.get("folder", "")  # runs of older versions do not say
    then = os.path.join(began, str(run.recipe.get("run", "")))
    wanted = os.path.join(began, named)
    if os.path.isabs(then) == os.path.isabs(wanted):
        beside = Path(os.path.normpath(run.folder.resolve() / os.path.relpath(wanted, then)))
        if beside.is_dir():
            return beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside
    return Path(wanted) if Path(wanted).is_dir() else None
