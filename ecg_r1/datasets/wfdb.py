"""Folders of WFDB records -> paths and labels, with the data set's own table where one stands beside the records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from ecg_r1.datasets.card import KINDS, Card
from ecg_r1.datasets.ptbxl import PTBXL_TABLE, ptbxl_cards
from ecg_r1.ecg.record import RecordError, find_records

# The tables that are looked for in the folder or above it, by file name, and what reads each: the folder, the paths of
# its records, the table and the folds that are asked for -> cards.
Reader = Callable[[Path, Sequence[Path], Path, list[int] | None], list[Card]]
TABLES: dict[str, Reader] = {PTBXL_TABLE: ptbxl_cards}


def record_cards(
    folder: str | Path,
    folds: list[int] | None = None,
    labels: Collection[str] | None = None,
    likelihood: float | None = None,
) -> list[Card]:
    """The records of a folder, in the order of their names.

    Args:
        folder: holds WFDB records, also in sub-folders; with PTB-XL's `ptbxl_database.csv` the diagnoses, reports and
            folds are taken from there (rhythms and forms have likelihood 0, which means "not given").
            A record without a readable row there comes with its `fault`, so that it is not lost in silence.
        folds: keep only these `strat_fold`s, and the faulty records that have none; 10 is PTB-XL's test fold.
        labels: keep only the statements of these kinds of `datasets.card.KINDS`; all of them unless given.
        likelihood: leave out statements that the table calls less likely, in percent.

    Raises:
        RecordError: the folder is missing or empty, the table lacks a column, no record is in `folds`, or `folds`,
            `labels` or `likelihood` is asked for without the table.
    """
    folder = Path(folder)
    paths = find_records(folder)
    for name, read in TABLES.items():
        for table in (folder / name, folder.parent / name):
            if table.is_file():
                cards = read(folder, paths, table, folds)
                if labels is None and likelihood is None:
                    return cards
                return [card.choose(KINDS if labels is None else labels, likelihood or 0.0) for card in cards]
    for option, given in (("folds", folds), ("labels", labels), ("likelihood", likelihood)):
        if given is not None:
            raise RecordError(f"{folder}: `{option}` needs {PTBXL_TABLE} in the folder or above it")
    return [Card(path) for path in paths]
