"""PTB-XL's table -> the labels, reports and folds of its records."""

from __future__ import annotations

import ast
import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from ecg_r1.datasets.card import Card
from ecg_r1.ecg.record import RecordError
from ecg_r1.ecg.text import decoded, printable
from ecg_r1.ecg.vocabulary import vocabulary

PTBXL_TABLE = "ptbxl_database.csv"


def ptbxl_cards(folder: Path, paths: Iterable[Path], table: Path, folds: list[int] | None) -> list[Card]:
    """The cards of the records at `paths`, which lie in `folder`; see `ecg_r1.datasets.wfdb.record_cards`.

    Raises:
        RecordError: the table lacks a column, or no record is in `folds`.
    """
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
    """The rows by record number, from a table that may have been saved again: with a byte order mark, in UTF-16 or
    Latin-1, with semicolons or tabs."""
    try:
        text = decoded(table.read_bytes())
        first = text.partition("\n")[0]
        delimiter = max(",;\t", key=first.count)
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        for column in ("ecg_id", "scp_codes", "strat_fold"):
            if column not in (reader.fieldnames or ()):
                raise RecordError(f"{table}: no column {column!r}; is it PTB-XL's table?")
        return {row["ecg_id"].split(".")[0].zfill(5): row for row in reader if row["ecg_id"]}
    except (csv.Error, OSError) as error:
        raise RecordError(f"{table}: cannot be read as a table: {error}") from None


def _ptbxl_card(path: Path, row: dict[str, str] | None, table: Path) -> Card:
    if row is None:
        return Card(path, fault=f"{printable(path)}: no row in {table.name}")
    try:
        codes = dict(ast.literal_eval(row["scp_codes"]))  # a Python dict, code -> likelihood; this runs no code
        found = _statements(codes)
        return Card(
            path,
            diagnoses=tuple(found),
            report=row.get("report"),
            fold=int(float(row["strat_fold"])),
            patient=_patient(row.get("patient_id")),
            likelihoods=tuple(found.values()),
            unlabelled=("axis",),  # of which PTB-XL has no code
        )
    except (ValueError, TypeError, SyntaxError, OverflowError, MemoryError, RecursionError):
        return Card(path, fault=f"{printable(path)}: scp_codes or strat_fold of its row in {table.name} cannot be read")


def _patient(given: str | None) -> str | None:
    """`patient_id`, which the table writes as 15709.0; other data sets count their patients too, so it says whose."""
    return f"ptb-xl {given.removesuffix('.0')}" if given else None


def _statements(codes: Mapping[object, object]) -> dict[str, float]:
    """{canonical name, or the code itself: likelihood in percent}, the highest of the codes of one name."""
    found = dict[str, float]()
    for code, likelihood in codes.items():
        statement = vocabulary().find(str(code))
        name = statement.name if statement else str(code)
        found[name] = max(found.get(name, 0.0), float(likelihood or 0))  # type: ignore[arg-type]
    return found
