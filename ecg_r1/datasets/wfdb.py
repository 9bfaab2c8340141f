"""Folders of WFDB records -> paths and labels, with the data set's own table where one stands beside the records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from os.path import abspath
from pathlib import Path

from ecg_r1.datasets.card import KINDS, Card
from ecg_r1.datasets.ptbxl import PTBXL_TABLE, ptbxl_cards
from ecg_r1.ecg.record import RecordError, find_records

# The tables that are looked for in the folder or above it, by file name, and what reads each: the folder, the paths of
# its records, the table and the folds that are asked for -> cards.
Reader = Callable[[Path, Sequence[Path], Path, list[int] | None], list[Card]]
TABLES: dict[str, Reader] = {PTBXL_TABLE: ptbxl_cards}


LEVELS = 2  # above the folder that a table is looked for: PTB-XL's stands two above `records500/00000`


def record_cards(
    folder: str | Path,
    folds: list[int] | None = None,
    labels: Collection[str] | None = None,
    likelihood: float | None = None,
    *,
    unit_mv: float | None = None,
) -> list[Card]:
    """The records of a folder, in the order of their names.

    Args:
        folder: holds WFDB records, also in sub-folders; with PTB-XL's `ptbxl_database.csv` the diagnoses, reports and
            folds are taken from there (rhythms and forms have likelihood 0, which means "not given").
            A record without a readable row there comes with its `fault`, so that it is not lost in silence.
        unit_mv: mV that one unit of the samples stands for, of files that do not say.
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
        for table in (place / name for place in [folder, *Path(abspath(folder)).parents[:LEVELS]]):
            if table.is_file():
                cards = [replace(card, unit_mv=unit_mv or card.unit_mv) for card in read(folder, paths, table, folds)]
                if labels is None and likelihood is None:
                    return cards
                return [card.choose(KINDS if labels is None else labels, likelihood or 0.0) for card in cards]
    for option, given in (("folds", folds), ("labels", labels), ("likelihood", likelihood)):
        if given is not None:
            raise RecordError(
                f"{folder}: `{option}` needs {PTBXL_TABLE} in the folder or up to {LEVELS} levels above it"
            )
    return [Card(path, unit_mv=unit_mv) for path in paths]
