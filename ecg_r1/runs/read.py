"""Run directories as they are read: what was trained, how it went, and what it said about each held-out record."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ecg_r1.corpus.store import RecordStore, split_facts
from ecg_r1.errors import UserError, did_you_mean
from ecg_r1.files import read_json, read_json_lines


class RunError(UserError):
    """A run directory is missing, not finished, or lacks what is asked of it."""


@dataclass(frozen=True)
class Run:
    """A trained model's run directory. `predictions` and `shuffled`: example id -> completion, in the split's order."""

    name: str
    folder: Path
    recipe: Mapping[str, Any]
    environment: Mapping[str, Any]
    log: tuple[Mapping[str, Any], ...]
    predictions: Mapping[str, str]
    shuffled: Mapping[str, str] | None
    decoding: Mapping[str, Any]
    store: RecordStore
    trained_on: Mapping[str, Any]


def existing(folder: Path) -> Path:
    """
    Raises:
        RunError: there is no such folder; the message names the nearest one.
    """
    if not folder.is_dir():
        beside = [str(path) for path in folder.parent.glob("*/") if path.is_dir()]
        raise RunError(f"{folder}: no such run{did_you_mean(folder, beside)}")
    return folder


def held_out(run: Path) -> RecordStore:
    """The split that a finished run is evaluated on.

    Raises:
        RunError: there is no such run, it is not finished, or its recipe names no `corpus.evaluate`.
    """
    recipe = existing(run) / "recipe.yaml"
    if not (run / "finished.json").is_file() or not recipe.is_file():
        raise RunError(f"{run}: no finished run; repeat `ecg-r1 train` with its recipe to go on with it")
    split = yaml.safe_load(recipe.read_text(encoding="utf-8"))["corpus"].get("evaluate")
    if split is None:
        raise RunError(f"{recipe}: no `corpus.evaluate`, so there is nothing to predict")
    return RecordStore(split)


def read_run(folder: Path, split: str) -> Run:
    """Read `recipe.yaml`, `environment.json`, `metrics.jsonl` and `predictions/<split>.jsonl` of a run directory.

    Raises:
        RunError: a file is missing or malformed, or the recipe does not say on which split it is evaluated.
    """
    recipe_path = existing(folder) / "recipe.yaml"
    if not recipe_path.is_file():
        raise RunError(f"{recipe_path}: missing; a run directory is written by `ecg-r1 train`")
    recipe = yaml.safe_load(recipe_path.read_text()) or {}
    corpus = recipe.get("corpus") or {}
    if not corpus.get("evaluate"):
        raise RunError(f"{recipe_path}: no `corpus: {{evaluate: …}}`, so the held-out records are unknown")
    split_folder = Path(corpus["evaluate"])
    if not split_folder.is_dir():
        raise RunError(
            f"{recipe_path}: corpus.evaluate: no folder {split_folder} (paths are relative to where you run)"
        )
    path = folder / "predictions" / f"{split}.jsonl"
    if not path.is_file():
        raise RunError(f"{path}: missing; make it with `ecg-r1 predict {folder}`")
    shuffled = path.with_name(f"{split}-shuffled.jsonl")
    decoding = path.with_name(f"{split}.json")
    environment = folder / "environment.json"
    log = folder / "metrics.jsonl"
    return Run(
        name=folder.resolve().name,
        folder=folder,
        recipe=recipe,
        environment=json.loads(environment.read_text()) if environment.is_file() else {},
        log=tuple(row for _, row in read_json_lines(log, RunError)) if log.is_file() else (),
        predictions=_predictions(path),
        shuffled=_predictions(shuffled) if shuffled.is_file() else None,
        decoding=_decoding(decoding),
        store=RecordStore(split_folder),
        trained_on=_trained_on(corpus.get("train")),
    )


def _trained_on(split: str | None) -> dict[str, Any]:
    """How the training split was made and how many records it holds; empty where it is not on this machine."""
    if split is None or not (Path(split) / "split.json").is_file():
        return {}
    return split_facts(Path(split)) | (read_json(Path(split) / "complete.json") or {})


def _decoding(path: Path) -> dict[str, Any]:
    """How the predictions were decoded. Not which folder held the records: they are compared for themselves."""
    facts = json.loads(path.read_text()) if path.is_file() else {}
    return {key: value for key, value in facts.items() if key != "corpus"}


def _predictions(path: Path) -> dict[str, str]:
    predictions: dict[str, str] = {}
    for where, row in read_json_lines(path, RunError):
        if not {"example", "completion"} <= row.keys():
            raise RunError(f"{where}: a prediction needs `example` and `completion`, has {sorted(row)}")
        if row["example"] in predictions:
            raise RunError(f"{where}: example {row['example']} is predicted twice")
        predictions[row["example"]] = row["completion"]
    if not predictions:
        raise RunError(f"{path}: no predictions in it")
    return predictions
