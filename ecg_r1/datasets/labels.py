"""The labels of a row, by the form that its data set writes them in."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ecg_r1.datasets.card import Labels
from ecg_r1.ecg.vocabulary import vocabulary

Row = Mapping[str, str]
_YES = frozenset(("1", "1.0", "true", "yes", "t", "y"))
_NO = frozenset(("0", "0.0", "false", "no", "f", "n", "", "nan", "none"))


class Found(NamedTuple):
    """What a row says.

    Attributes:
        names: canonical names where the vocabulary knows them, the data set's own codes or words where not.
        likelihoods: of the names, in percent; 0 where none is given. None: the form has none.
    """

    names: tuple[str, ...]
    likelihoods: tuple[float, ...] | None = None


def _likelihoods(row: Row, labels: Labels) -> Found:
    """PTB-XL's `{'NORM': 100.0, 'SR': 0.0}`; of several codes of one name the highest counts."""
    found = dict[str, float]()
    for column in labels.columns:
        codes = dict(ast.literal_eval(row[column] or "{}"))  # a Python dict, code -> likelihood; this runs no code
        for code, likelihood in codes.items():
            if (name := _named(str(code), labels)) is not None:
                found[name] = max(found.get(name, 0.0), float(likelihood or 0))
    return Found(tuple(found), tuple(found.values()))


def _list(row: Row, labels: Labels) -> Found:
    cells = [row[column] for column in labels.columns if row.get(column)]
    parts = [part.strip() for cell in cells for part in _parts(cell, labels.separator)]
    return _all(parts, labels)


def _parts(cell: str, separator: str) -> list[str]:
    """The labels of a cell; pandas writes a list as "['NORM', 'SR']"."""
    if cell.startswith("[") and cell.endswith("]"):
        return [str(part) for part in ast.literal_eval(cell)]
    return re.split(separator, cell)


def _flags(row: Row, labels: Labels) -> Found:
    given = {column: (row.get(column) or "").strip().lower() for column in labels.columns}
    for column, value in given.items():
        if value not in _YES | _NO:
            raise ValueError(f"{column} is {value!r}, and neither 0 nor 1")
    return _all([column for column, value in given.items() if value in _YES], labels)


def _none(row: Row, labels: Labels) -> Found:
    return Found(())


FORMS: dict[str, Callable[[Row, Labels], Found]] = {
    "likelihoods": _likelihoods, "list": _list, "text": _list, "flags": _flags, "none": _none,
}  # fmt: skip


def _all(codes: list[str], labels: Labels) -> Found:
    names = (_named(code, labels) for code in codes if code)
    return Found(tuple(dict.fromkeys(name for name in names if name is not None)))


def _named(code: str, labels: Labels) -> str | None:
    """The name of a code or wording; the code itself where it has none, None where it says nothing of the ECG."""
    for form in (code, code.partition(labels.modifier)[0] if labels.modifier else code):
        if form in labels.names:
            return labels.names[form]
    statement = vocabulary().find(code)
    return statement.name if statement else code
