"""Whether runs can be compared: the same records, questions and decoding."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecg_r1.corpus.store import RecordStore
from ecg_r1.runs.read import Run, RunError, held_out


class CompareError(RunError):
    """Runs that cannot be compared."""


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


def _prompts(run: Run) -> dict[str, tuple[str, str]]:
    """As `truths`, of the records that were predicted."""
    known = truths(run.store)
    if missing := run.predictions.keys() - known.keys():
        raise CompareError(
            f"{run.folder}: predicts {len(missing)} records that {run.store.folder} does not hold, e.g. {min(missing)}"
        )
    return {record: known[record] for record in run.predictions}


def truths(store: RecordStore) -> dict[str, tuple[str, str]]:
    """Example id -> its question, and what is held to be true of it."""
    return {
        example.id: (example.question, json.dumps([_truth(store.row(record)) for record in example.records]))
        for example in store.examples
    }


def _truth(row: Mapping[str, Any]) -> list[Any]:
    return [row["diagnoses"], row["measurements"]]
