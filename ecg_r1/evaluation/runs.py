"""Run directories, read for comparison: what was trained, how it went, and what it said about each held-out record."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ecg_r1.corpus.store import RecordStore
from ecg_r1.errors import UserError


class CompareError(UserError):
    """Runs that cannot be compared, or a run directory that lacks what comparing needs."""


@dataclass(frozen=True)
class Run:
    """A trained model's run directory. `predictions` and `shuffled`: record id -> completion, in the split's order."""

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
        CompareError: there is no such folder; the message names the nearest one.
    """
    if not folder.is_dir():
        beside = {path.name: path for path in folder.parent.glob("*/") if path.is_dir()}
        near = difflib.get_close_matches(folder.name, beside, 1, cutoff=0.5)
        raise CompareError(f"{folder}: no such run" + "".join(f" — did you mean {beside[name]}?" for name in near))
    return folder


def held_out(run: Path) -> RecordStore:
    """The split that a finished run is evaluated on.

    Raises:
        CompareError: there is no such run, it is not finished, or its recipe names no `corpus.evaluate`.
    """
    recipe = existing(run) / "recipe.yaml"
    if not (run / "finished.json").is_file() or not recipe.is_file():
        raise CompareError(f"{run}: no finished run; repeat `ecg-r1 train` with its recipe to go on with it")
    split = yaml.safe_load(recipe.read_text(encoding="utf-8"))["corpus"].get("evaluate")
    if split is None:
        raise CompareError(f"{recipe}: no `corpus.evaluate`, so there is nothing to predict")
    return RecordStore(split)


def check_splits(folders: Sequence[Path]) -> None:
    """Before anything is predicted: that the runs are evaluated on the same records.

    Raises:
        CompareError: as `held_out`, or naming two runs with different splits.
    """
    _check_names([folder.resolve().name for folder in folders])
    stores = [held_out(folder) for folder in folders]
    first = truths(stores[0])
    for folder, store in zip(folders[1:], stores[1:], strict=True):
        if truths(store) != first:
            raise CompareError(
                f"{folders[0]} and {folder}: evaluated on different records, {stores[0].folder} and {store.folder}; "
                "nothing was predicted"
            )


def read_run(folder: Path, split: str) -> Run:
    """Read `recipe.yaml`, `environment.json`, `metrics.jsonl` and `predictions/<split>.jsonl` of a run directory.

    Raises:
        CompareError: a file is missing or malformed, or the recipe does not say on which split it is evaluated.
    """
    recipe_path = existing(folder) / "recipe.yaml"
    if not recipe_path.is_file():
        raise CompareError(f"{recipe_path}: missing; a run directory is written by `ecg-r1 train`")
    recipe = yaml.safe_load(recipe_path.read_text()) or {}
    corpus = recipe.get("corpus") or {}
    if not corpus.get("evaluate"):
        raise CompareError(f"{recipe_path}: no `corpus: {{evaluate: …}}`, so the held-out records are unknown")
    split_folder = Path(corpus["evaluate"])
    if not split_folder.is_dir():
        raise CompareError(
            f"{recipe_path}: corpus.evaluate: no folder {split_folder} (paths are relative to where you run)"
        )
    path = folder / "predictions" / f"{split}.jsonl"
    if not path.is_file():
        raise CompareError(f"{path}: missing; make it with `ecg-r1 predict {folder}`")
    shuffled = path.with_name(f"{split}-shuffled.jsonl")
    decoding = path.with_name(f"{split}.json")
    environment = folder / "environment.json"
    log = folder / "metrics.jsonl"
    return Run(
        name=folder.resolve().name,
        folder=folder,
        recipe=recipe,
        environment=json.loads(environment.read_text()) if environment.is_file() else {},
        log=tuple(_lines(log)) if log.is_file() else (),
        predictions=_predictions(path),
        shuffled=_predictions(shuffled) if shuffled.is_file() else None,
        decoding=_decoding(decoding),
        store=RecordStore(split_folder),
        trained_on=split_facts(Path(corpus["train"])) if corpus.get("train") else {},
    )


def check_comparable(runs: Sequence[Run]) -> None:
    """Same records, prompts and decoding in every run, and a name for each.

    Raises:
        CompareError: naming the two runs and what differs.
    """
    first = runs[0]
    prompts = _prompts(first)
    _check_names([run.name for run in runs])
    for run in runs[1:]:
        pair = f"{first.folder} and {run.folder}"
        if extra := first.predictions.keys() ^ run.predictions.keys():
            raise CompareError(
                f"{pair}: predictions are of different records ({len(extra)} in only one, e.g. {min(extra)}); "
                "predict both on the same split"
            )
        differing = [record for record, prompt in _prompts(run).items() if prompts[record] != prompt]
        if differing:
            raise CompareError(
                f"{pair}: different prompts or records behind one id (e.g. {differing[0]}); use one corpus"
            )
        if first.decoding != run.decoding:
            raise CompareError(f"{pair}: different decoding, {first.decoding} and {run.decoding}; predict both alike")


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise CompareError(f"two runs are named {name!r}; the report tells models apart by their directory's name")


def _decoding(path: Path) -> dict[str, Any]:
    """How the predictions were decoded. Not which folder held the records: they are compared for themselves."""
    facts = json.loads(path.read_text()) if path.is_file() else {}
    return {key: value for key, value in facts.items() if key != "corpus"}


def split_facts(folder: Path) -> dict[str, Any]:
    """How a corpus split was made and how many records it holds; empty where the split is not on this machine."""
    files = [folder / "split.json", folder / "complete.json"]
    return {key: value for file in files if file.is_file() for key, value in json.loads(file.read_text()).items()}


def _prompts(run: Run) -> dict[str, tuple[str, str]]:
    """As `truths`, of the records that were predicted."""
    known = truths(run.store)
    if missing := run.predictions.keys() - known.keys():
        raise CompareError(
            f"{run.folder}: predicts {len(missing)} records that {run.store.folder} does not hold, e.g. {min(missing)}"
        )
    return {record: known[record] for record in run.predictions}


def truths(store: RecordStore) -> dict[str, tuple[str, str]]:
    """Record id -> its question, and what is held to be true of it."""
    rows = ((example["question"], store.row(example["record"])) for example in store.examples)
    return {row["record"]: (question, json.dumps([row["diagnoses"], row["measurements"]])) for question, row in rows}


def _predictions(path: Path) -> dict[str, str]:
    predictions: dict[str, str] = {}
    for number, row in enumerate(_lines(path), start=1):
        if not {"record", "completion"} <= row.keys():
            raise CompareError(f"{path}:{number}: a prediction needs `record` and `completion`, has {sorted(row)}")
        if row["record"] in predictions:
            raise CompareError(f"{path}:{number}: record {row['record']} is predicted twice")
        predictions[row["record"]] = row["completion"]
    if not predictions:
        raise CompareError(f"{path}: no predictions in it")
    return predictions


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise CompareError(f"{path}: missing")
    rows = []
    with path.open() as lines:
        for number, line in enumerate(lines, start=1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise CompareError(f"{path}:{number}: not JSON ({error.msg})") from error
    return rows
