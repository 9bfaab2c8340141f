"""A table of the user's own, `{records: DIR, labels: labels.csv}`, as a card: which column names the record, and which
hold the labels, is seen from the names of the columns and from their values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from ecg_r1.datasets.card import DatasetCard, Index, Labels, Split
from ecg_r1.datasets.index import Table
from ecg_r1.ecg.record import RecordError, record_id
from ecg_r1.ecg.vocabulary import vocabulary
from ecg_r1.errors import did_you_mean

ROLES = ("record", "labels", "patient", "fold", "report")
# The names that columns of such tables have, in lower case and without marks; of several, the first.
_NAMES = {
    "record": (
        "record", "recordid", "recordname", "path", "file", "filename", "filenamehr", "filenamelr", "ecgid", "examid",
        "studyid", "recording", "ecg", "id", "name",
    ),
    "labels": (
        "labels", "label", "diagnoses", "diagnosis", "dx", "statements", "scpcodes", "codes", "classes", "class",
        "target",
    ),
    "patient": ("patientid", "patient", "subjectid", "subject", "personid", "mrn"),
    "fold": ("stratfold", "fold"),
    "report": ("report", "reporttext", "text"),
}  # fmt: skip
LOOKED_AT = 2000  # rows: enough to tell a column of ids from one of ages
_DIGITS = r"0*(\d+)"
_NUMBER, _ANYTHING = re.compile(r"\d+(?:\.0+)?"), re.compile(r".+")


def table_card(
    path: Path, paths: Sequence[Path], columns: Mapping[str, str | list[str]], base: DatasetCard | None
) -> tuple[DatasetCard, Path]:
    """Make the card of a table.

    Args:
        path: CSV or parquet.
        paths: of the records.
        columns: role of `ROLES` -> a column, or several for "labels", where the names do not say it.
        base: the card of the data set that the records are of, which says what else is known of them.

    Returns:
        The card, and the table.

    Raises:
        RecordError: the table is missing, no column names the records, or none holds labels.
    """
    table = Table(path)
    _check(columns, table)
    rows = list(islice(table, LOOKED_AT))
    record, pattern = _record_column(table, rows, paths, columns.get("record"), base)
    roles = {role: columns.get(role) or _by_name(table.columns, role) for role in ("patient", "fold", "report")}
    taken = {record, *(str(column) for column in roles.values() if column)}
    labels = _labels(table, rows, columns.get("labels"), taken)
    values = (base or _BASE).model_dump(by_alias=True) | {
        "name": (base or _BASE).name,
        "id": pattern,
        "patients": bool(roles["patient"]),
        "index": Index(
            files=[path.name],
            record=[record],
            patient=_one(roles["patient"]),
            fold=_one(roles["fold"]),
            report=[str(roles["report"])] if roles["report"] else [],
        ).model_dump(),
        "labels": labels.model_dump(),
    }
    return DatasetCard.model_validate(values), path


_BASE = DatasetCard(
    name="table", title="your labels", labels=Labels(form="list"), split=Split(by="patient, or record without one")
)


def _one(column: str | list[str] | None) -> str | None:
    return column[0] if isinstance(column, list) else column


def _check(columns: Mapping[str, str | list[str]], table: Table) -> None:
    for role, given in columns.items():
        if role not in ROLES:
            raise RecordError(f"columns: unknown key {role!r}{did_you_mean(role, ROLES)}; known: {', '.join(ROLES)}")
        for column in [given] if isinstance(given, str) else given:
            if column not in table.columns:
                near = did_you_mean(column, table.columns) or f"; it has {', '.join(table.columns[:12])}"
                raise RecordError(f"{table.path}: no column {column!r}{near}")


def _plain(column: str) -> str:
    return re.sub(r"[^a-z0-9]", "", column.lower())


def _by_name(columns: Iterable[str], role: str) -> str | None:
    plain = {_plain(column): column for column in reversed(list(columns))}
    return next((plain[name] for name in _NAMES[role] if name in plain), None)


def _record_column(
    table: Table,
    rows: Sequence[Mapping[str, str]],
    paths: Sequence[Path],
    given: str | list[str] | None,
    base: DatasetCard | None,
) -> tuple[str, str | None]:
    """The column whose values name most records, and the pattern of the id in the records' names: first by the whole
    name, then, as "00001_hr" is 1, by its number."""
    columns = [str(_one(given))] if given else table.columns
    order = {name: place for place, name in enumerate(_NAMES["record"])}
    for pattern in dict.fromkeys([base.id if base else None, None, _DIGITS]):
        card = (base or _BASE).model_copy(update={"id": pattern})
        keys = {card.key(record_id(path)) for path in paths} | {card.key(path.name) for path in paths}
        given_by = _NUMBER if pattern is _DIGITS else _ANYTHING
        hits = {
            column: sum(
                card.key(row[column].strip()) in keys for row in rows if given_by.fullmatch(row[column].strip())
            )
            for column in columns
        }
        best = max(hits, key=lambda column: (hits[column], -order.get(_plain(column), len(order))), default=None)
        if best is not None and hits[best]:
            return best, pattern
    example = rows[0].get(columns[0], "") if rows else ""
    raise RecordError(
        f"{table.path}: no column names the records, which are called {paths[0].name!r}"
        + (f", not {example!r} as in {columns[0]!r}" if given else "; say which one does: `columns: {record: COLUMN}`")
    )


def _labels(table: Table, rows: Sequence[Mapping[str, str]], given: str | list[str] | None, taken: set[str]) -> Labels:
    """The columns that hold labels: a list of them in cells, or a column of 0 and 1 for each."""
    free = [column for column in table.columns if column not in taken]
    if given is not None:
        columns = [given] if isinstance(given, str) else list(given)
    elif (named := _by_name(free, "labels")) is not None:
        columns = [named]
    else:
        columns = [column for column in free if vocabulary().find(column) and _is_flag(rows, column)]
    if not columns:
        raise RecordError(
            f"{table.path}: no column of labels among {', '.join(free[:12])}; say which: "
            "`columns: {labels: COLUMN}`, or a list of columns"
        )
    if all(_is_flag(rows, column) for column in columns):
        return Labels(form="flags", columns=columns)
    if len(columns) == 1 and any(row[columns[0]].lstrip().startswith("{") for row in rows):
        return Labels(form="likelihoods", columns=columns)
    return Labels(form="list", columns=columns, separator=_separator(rows, columns))


def _is_flag(rows: Sequence[Mapping[str, str]], column: str) -> bool:
    values = {row[column].strip().lower() for row in rows}
    return bool(values - {""}) and values <= {"0", "1", "0.0", "1.0", "true", "false", "yes", "no", ""}


def _separator(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> str:
    """`;`, `|` and line ends separate labels. A comma or a space does where each of its parts is a label too."""
    cells = {row[column].strip() for row in rows for column in columns} - {""}
    for mark, pattern in ((",", r"[;|\n,]"), (" ", r"[;|\n,\s]")):
        split = [cell for cell in cells if mark in cell and not vocabulary().find(cell)]
        parts = [part for cell in split for part in re.split(pattern, cell) if part.strip()]
        if split and sum(vocabulary().find(part) is not None for part in parts) > len(parts) / 2:
            return pattern
    return r"[;|\n]"
