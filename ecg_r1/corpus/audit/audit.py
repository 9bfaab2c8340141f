"""`ecg-r1 corpus audit`: one or several splits, or a file of examples, as a table, a JSON and a page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecg_r1.console import track
from ecg_r1.corpus.audit.criteria import Criteria
from ecg_r1.corpus.audit.duplicates import duplicates
from ecg_r1.corpus.audit.page import page
from ecg_r1.corpus.audit.shares import profile
from ecg_r1.corpus.audit.values import Values
from ecg_r1.corpus.build import build
from ecg_r1.corpus.profile import stated
from ecg_r1.corpus.store import FACTS, RecordStore
from ecg_r1.datasets.item import FormatError
from ecg_r1.disk import writing
from ecg_r1.ecg.measurements import Measurements
from ecg_r1.files import write_atomically
from ecg_r1.recipe import CorpusRecipe
from ecg_r1.scoring.cases import case_from

JSON, PAGE, PROFILE = "audit.json", "audit.html", "profile.json"
SHOWN = 20


@dataclass(frozen=True)
class _Splits:
    """The splits that are audited together, their records in one order."""

    stores: dict[str, RecordStore]

    @property
    def records(self) -> list[tuple[str, str]]:
        return [(name, record) for name, store in self.stores.items() for record in store.ids]

    def signals(self) -> Iterator[np.ndarray]:
        for store in self.stores.values():
            yield from (store.signal(record) for record in store.ids)


def audit(
    paths: Sequence[Path],
    out: Path,
    *,
    records: Path | None = None,
    dataset: str | None = None,
    workers: int = 1,
) -> dict[str, Any]:
    """Audit splits, or files of examples about records on disk.

    Args:
        paths: splits that `ecg-r1 corpus` wrote, or files of examples in any format.
        out: folder of `audit.json`, `audit.html` and, where responses quote values, `profile.json`, which a recipe's
            `corruption` takes; and of the splits that are built of files, so that their records are measured once.
        records: the folder that the records of files lie in.
        dataset: their data set's card.
        workers: processes that build such a split.

    Returns:
        What `audit.json` holds.

    Raises:
        CorpusError: a split is incomplete.
        FormatError: a file is given without `records`, has another shape, or is about none of them.
    """
    splits = _Splits({name: RecordStore(folder) for name, folder in _folders(paths, out, records, dataset, workers)})
    responses = _responses(splits)
    measured = profile(responses.quantities, ", ".join(map(str, paths)))
    found = {
        "splits": {name: _counts(store) for name, store in splits.stores.items()},
        "responses": responses.to_json(),
        "reports": _reports(splits).to_json(),
        "profile": stated(measured),
        "duplicates": _duplicates(splits),
        "patients": _patients(splits),
        "criteria": _criteria(splits),
    }
    with writing(out, "repeat the command"):
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(out / JSON, json.dumps(found, indent=1, ensure_ascii=False))
        write_atomically(out / PAGE, page(found))
        if measured.quantities:
            write_atomically(out / PROFILE, measured.model_dump_json(indent=1))
    return found


def _folders(
    paths: Sequence[Path], out: Path, records: Path | None, dataset: str | None, workers: int
) -> Iterator[tuple[str, Path]]:
    """The splits by their names; a file's is built."""
    taken = set[str]()
    for path in paths:
        if (path / FACTS).is_file():
            folder, name = path, path.name
        elif records is None:
            raise FormatError(f"{path}: no split; of a file of examples, name the records' folder: --records DIR")
        else:
            name = path.stem.replace(".", "-") or "examples"
            source = {"records": str(records), "examples": str(path)} | ({"dataset": dataset} if dataset else {})
            values = {"stage": "corpus", "out": str(out), "pages": "drawn", "workers": workers}
            (folder,) = build(CorpusRecipe.model_validate(values | {"splits": {name: [source]}}))
        while name in taken:
            name += "'"
        taken.add(name)
        yield name, folder


def _counts(store: RecordStore) -> dict[str, Any]:
    return {"folder": str(store.folder), "records": len(store), "examples": len(store.examples)}


def _responses(splits: _Splits) -> Values:
    values = Values()
    for store in splits.stores.values():
        for example in track(store.examples, "responses", len(store.examples)):
            said = [response for _, response in example.turns] + [example.response or ""]
            if len(example.records) > 1:
                values.several += 1
                continue
            values.read(example.id, "\n".join(said), store.case(example.id))
    return values


def _reports(splits: _Splits) -> Values:
    """The records' own reports."""
    values = Values()
    for store in splits.stores.values():
        for row in store.rows("record", "diagnoses", "measurements", "report"):
            if row["report"]:
                case = case_from(row["record"], row["diagnoses"], Measurements.from_json(row["measurements"]))
                values.read(row["record"], row["report"], case)
    return values


def _duplicates(splits: _Splits) -> dict[str, Any]:
    records = splits.records
    signals = track(splits.signals(), "signals", len(records))

    def signal(place: int) -> np.ndarray:
        name, record = records[place]
        return splits.stores[name].signal(record)

    pairs = duplicates(signals, signal)
    rows: list[dict[str, Any]] = [
        {
            "a": "/".join(records[pair.a]),
            "b": "/".join(records[pair.b]),
            "correlation": round(pair.correlation, 4),
            "exact": pair.exact,
            "across": records[pair.a][0] != records[pair.b][0],
        }
        for pair in pairs
    ]
    return {
        "records": len(records),
        "pairs": len(rows),
        "exact": sum(row["exact"] for row in rows),
        "across_splits": sum(row["across"] for row in rows),
        "examples": sorted(rows, key=lambda row: (not row["across"], -row["correlation"]))[: 5 * SHOWN],
    }


def _patients(splits: _Splits) -> dict[str, Any]:
    places: dict[str, dict[str, int]] = {}
    unnamed = 0
    for name, store in splits.stores.items():
        for row in store.rows("patient"):
            if row["patient"] is None:
                unnamed += 1
                continue
            counts = places.setdefault(row["patient"], {})
            counts[name] = counts.get(name, 0) + 1
    shared = {patient: counts for patient, counts in places.items() if len(counts) > 1}
    return {
        "patients": len(places),
        "records_without_a_patient": unnamed,
        "in_several_splits": len(shared),
        "examples": [{"patient": patient, "records": counts} for patient, counts in list(shared.items())[:SHOWN]],
    }


def _criteria(splits: _Splits) -> list[dict[str, Any]]:
    found = Criteria()
    for store in splits.stores.values():
        for row in store.rows("record", "diagnoses", "measurements"):
            found.read(row["record"], row["diagnoses"], Measurements.from_json(row["measurements"]))
    return found.to_json()
