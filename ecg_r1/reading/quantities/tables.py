"""Markdown tables: each cell is read as what its row and its column say it is the value of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ecg_r1.reading.leads.quoted_leads import LEAD
from ecg_r1.reading.words.languages import joined

_WORDS = joined("cues")
_TABLE = re.compile(
    r"^(?P<head>[^|\n]*\|[^\n]*)\n(?=[^\n]*--)[ :|-]+\n(?P<rows>(?:[^|\n]*\|[^\n]*(?:\n|\Z)){1,80})", re.MULTILINE
)
_UNIT = re.compile(
    r"[(\[,] ?(ms|msec|s|sec|bpm|/min|min-1|°|deg(?:rees)?|mv|mm|grad)[)\]]?|(?<=in )(ms|s|bpm|mv|mm|degrees)$"
)
_UNITS = re.compile(rf" ?(?:{_WORDS['column of units']})")
_NUMBERS = re.compile(r"[-+<>≤≥~ ]*\d[\d.,]*(?: ?[-/~] ?\d[\d.,]*)*")
_OF_OTHERS = re.compile(rf"(?<![a-z])(?:{_WORDS['column of others']})(?![a-z])")
_LEADS = re.compile(rf"(?:lead )?({LEAD}(?: ?[-,] ?{LEAD})*)")
# A column of these is no quantity but tells which row it is, or holds the value.
_NAMELESS = re.compile(rf" ?(?:{_WORDS['column without a name']})s?")


class Cell(NamedTuple):
    """A cell as a sentence: "pr: 160 ms". start, end: of its value in the text; lead: that of its row."""

    sentence: str
    start: int
    end: int
    lead: str | None
    reference: bool


class Table(NamedTuple):
    """[start, end) of a table in a text, and its cells."""

    start: int
    end: int
    cells: tuple[Cell, ...]


def tables(text: str) -> Iterator[Table]:
    """The tables of a readable text, in order."""
    if "|" in text and "--" in text:
        for m in _TABLE.finditer(text):
            head = [cell.strip() for cell, _ in _row(m["head"], 0)]
            at, cells = m.start("rows"), list[Cell]()
            for line in m["rows"].split("\n"):
                cells += _cells(head, _row(line, at))
                at += len(line) + 1
            yield Table(m.start(), m.end(), tuple(cells))


def _row(line: str, at: int) -> list[tuple[str, int]]:
    """(cell, place of its first character) of a line."""
    before = line[: line.find("|")].strip()
    begin = line.find("|") + 1 if not before or before.endswith(">") else 0  # "<think>| Lead | PR |"
    found = []
    for part in line[begin:].rstrip().removesuffix("|").split("|"):
        found.append((part.strip(), at + begin + len(part) - len(part.lstrip())))
        begin += len(part) + 1
    return found


def _cells(head: list[str], row: list[tuple[str, int]]) -> Iterator[Cell]:
    if not row:
        return
    first = row[0][0]
    lead = _LEADS.fullmatch(first)
    units = next((row[i][0] for i, title in enumerate(head) if i < len(row) and _UNITS.fullmatch(title)), "")
    for i, (value, start) in enumerate(row):
        title = head[i] if i < len(head) else ""
        if _UNITS.fullmatch(title) or not value or (i == 0 and not _named(title)):
            continue
        name = title if _named(title) and not _OF_OTHERS.search(title) else first if i else ""
        unit = _UNIT.search(title) or _UNIT.search(first)
        name = _UNIT.sub("", name).strip()
        written = (unit[1] or unit[2]) if unit else units
        sentence = f"{value} {written}" if written and _NUMBERS.fullmatch(value) else value
        yield Cell(
            f"{name}: {sentence}" if name else sentence,
            start,
            start + len(value),
            lead[1] if lead else None,
            _OF_OTHERS.search(title) is not None,
        )


def _named(title: str) -> bool:
    """Whether a column's title may say what its cells are values of."""
    return bool(title) and not _NAMELESS.fullmatch(_UNIT.sub("", title).strip()) and not _OF_OTHERS.search(title)
