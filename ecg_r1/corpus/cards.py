"""Folders of WFDB records -> paths and labels; PTB-XL's tables where they stand beside the records."""

from __future__ import annotations

import ast
import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..ecg.diagnosis import UnknownDiagnosis, vocabulary
from ..ecg.record import RecordError, find_records

PTBXL_TABLE = "ptbxl_database.csv"


@dataclass(frozen=True)
class Card:
    """One record of a data set before it is read.

    `diagnoses` None: take those of the record's own header. `fault`: why the table makes the record unusable.
    """

    path: Path
    diagnoses: tuple[str, ...] | None = None
    report: str | None = None
    fold: int | None = None
    fault: str | None = None


def record_cards(folder: str | Path, folds: list[int] | None = None) -> list[Card]:
    """The records of a folder, in the order of their names.

    Args:
        folder: holds WFDB records, also in sub-folders; with PTB-XL's `ptbxl_database.csv` the diagnoses, reports and
            folds are taken from there (all statements: rhythms and forms have likelihood 0, which means "not given").
            A record without a readable row there comes with its `fault`, so that it is not lost in silence.
        folds: keep only these `strat_fold`s, and what has none for its fault; 10 is PTB-XL's test fold.

    Raises:
        RecordError: the folder is missing or empty, the table lacks a column, no record is in `folds`, or `folds` is
            asked for without the table.
    """
    folder = Path(folder)
    paths = find_records(folder)
    table = next((p for p in (folder / PTBXL_TABLE, folder.parent / PTBXL_TABLE) if p.is_file()), None)
    if table is None:
        if folds is not None:
            raise RecordError(f"{folder}: `folds` needs {PTBXL_TABLE} in the folder or above it")
        return [Card(path) for path in paths]
    rows = _ptbxl_rows(table)
    by_id: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: path.name):  # 00001_hr before 00001_lr, the same ECG at 100 Hz
        by_id.setdefault(path.name.split("_")[0], path)
    cards = [_ptbxl_card(path, rows.get(ecg_id), table) for ecg_id, path in by_id.items()]
    chosen = [card for card in cards if card.fault or folds is None or card.fold in folds]
    if all(card.fault for card in chosen):
        raise RecordError(f"{folder}: no record of {table.name}" + (f" in folds {folds}" if folds else ""))
    return chosen


def _ptbxl_rows(table: Path) -> dict[str, dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        for column in ("ecg_id", "scp_codes", "strat_fold"):
            if column not in (reader.fieldnames or ()):
                raise RecordError(f"{table}: no column {column!r}; is it PTB-XL's table?")
        return {row["ecg_id"].split(".")[0].zfill(5): row for row in reader}


def _ptbxl_card(path: Path, row: dict[str, str] | None, table: Path) -> Card:
    if row is None:
        return Card(path, fault=f"{path}: no row in {table.name}")
    try:
        codes = dict(ast.literal_eval(row["scp_codes"]))  # a Python dict, code -> likelihood; this runs no code
        return Card(path, _statements(map(str, codes)), row.get("report"), int(float(row["strat_fold"])))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return Card(path, fault=f"{path}: scp_codes or strat_fold of its row in {table.name} cannot be read")


def _statements(codes: Iterable[str]) -> tuple[str, ...]:
    names = []
    for code in codes:
        try:
            names.append(vocabulary().get(code).name)
        except UnknownDiagnosis:
            continue  # codes outside the vocabulary are no label; the report keeps them
    return tuple(dict.fromkeys(names))
