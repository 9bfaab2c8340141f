"""Folders of WFDB records -> paths and labels, with PTB-XL's table where it stands beside the records."""

from __future__ import annotations

from pathlib import Path

from ecg_r1.datasets.card import Card
from ecg_r1.datasets.ptbxl import PTBXL_TABLE, ptbxl_cards
from ecg_r1.ecg.record import RecordError, find_records


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
    return ptbxl_cards(folder, paths, table, folds)
