"""Folders of WFDB records -> paths and labels; PTB-XL's tables where they stand beside the records."""

from __future__ import annotations

import ast
import csv
from dataclasses import dataclass
from pathlib import Path

from ..ecg.diagnosis import UnknownDiagnosis, vocabulary
from ..ecg.record import RecordError, find_records

PTBXL_TABLE = "ptbxl_database.csv"


@dataclass(frozen=True)
class Card:
    """One record of a data set before it is read. `diagnoses` None: take those of the record's own header."""

    path: Path
    diagnoses: tuple[str, ...] | None = None
    report: str | None = None
    fold: int | None = None


def record_cards(folder: str | Path, folds: list[int] | None = None) -> list[Card]:
    """The records of a folder, in the order of their names.

    Args:
        folder: holds WFDB records, also in sub-folders; with PTB-XL's `ptbxl_database.csv` the diagnoses, reports and
            folds are taken from there (all statements: rhythms and forms have likelihood 0, which means "not given").
        folds: keep only these `strat_fold`s; 10 is PTB-XL's test fold.

    Raises:
        RecordError: the folder is missing or empty, or `folds` is asked for without the table.
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
    cards = [rows[ecg_id] | {"path": path} for ecg_id, path in by_id.items() if ecg_id in rows]
    chosen = [Card(**card) for card in cards if folds is None or card["fold"] in folds]
    if not chosen:
        raise RecordError(f"{folder}: no record of {table.name} in folds {folds}")
    return chosen


def _ptbxl_rows(table: Path) -> dict[str, dict]:
    with table.open(encoding="utf-8", newline="") as file:
        return {
            f"{int(row['ecg_id']):05d}": {
                "diagnoses": _statements(row["scp_codes"]),
                "report": row.get("report"),
                "fold": int(row["strat_fold"]),
            }
            for row in csv.DictReader(file)
        }


def _statements(scp_codes: str) -> tuple[str, ...]:
    """PTB-XL writes a Python dict literal of SCP code -> likelihood; `literal_eval` runs no code."""
    names = []
    for code in ast.literal_eval(scp_codes):
        try:
            names.append(vocabulary().get(code).name)
        except UnknownDiagnosis:
            continue  # codes outside the vocabulary are no label; the report keeps them
    return tuple(dict.fromkeys(names))
