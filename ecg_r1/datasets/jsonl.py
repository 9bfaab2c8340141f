"""This package's own format: JSON lines, each a question about one record or several.

    {"record": "00001_hr", "question": "What is the PR interval?", "response": "164 ms"}

`records`, a list, stands for several. Optional are `id` (the file's name and the line's number, unless given),
`response`, the target of SFT, the objects `expected` and `extra`, which rewards ask for, and `turns`, the (question,
response) pairs before the question.
"""

from __future__ import annotations

from reprlib import repr as shown  # however long
from typing import Any

from ecg_r1.datasets.example import Example
from ecg_r1.datasets.item import Format, FormatError, Item, Media, Row
from ecg_r1.errors import did_you_mean

KEYS = ("id", "record", "records", "question", "response", "expected", "extra", "turns")


def _recognises(row: Row, file: str) -> bool:
    return (("record" in row or "records" in row) and not {"messages", "conversations"} & row.keys()) or (
        "question" in row and row.keys() <= set(KEYS)
    )


def _read(row: Row, where: str, default: str) -> Item:
    for key in row:
        if key not in KEYS:
            raise FormatError(f"{where}: unknown key {shown(key)}{did_you_mean(key, KEYS)}")
    if ("record" in row) == ("records" in row):
        raise FormatError(f'{where}: needs either "record", an id, or "records", a list of them')
    records = [row["record"]] if "record" in row else row["records"]
    if not isinstance(records, list) or not records or not all(isinstance(record, str) for record in records):
        raise FormatError(f'{where}: "record" is an id and "records" a list of them, not {shown(records)}')
    question, response = row.get("question"), row.get("response")
    if not isinstance(question, str) or not question.strip():
        raise FormatError(f'{where}: "question" is a text, not {shown(question)}')
    if not isinstance(response, str | None):
        raise FormatError(f'{where}: "response" is a text, not {shown(response)}')
    name = row.get("id", default)
    if not isinstance(name, str) or not name:
        raise FormatError(f'{where}: "id" is a text, not {shown(name)}')
    objects = {key: row.get(key, {}) for key in ("expected", "extra")}
    for key, value in objects.items():
        if not isinstance(value, dict):
            raise FormatError(f'{where}: "{key}" is an object, not {shown(value)}')
    example = Example(name, (), question, response, **objects, turns=_turns(row.get("turns", []), where))
    return Item(example, tuple((record,) for record in records))


def _turns(given: Any, where: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(given, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(said, str) for said in pair) for pair in given
    ):
        raise FormatError(f'{where}: "turns" is a list of [question, response], not {shown(given)}')
    return tuple((question, response) for question, response in given)


def _write(example: Example, media: Media) -> dict[str, Any]:
    row: dict[str, Any] = {"id": example.id, "records": list(example.records), "question": example.question}
    if example.response is not None:
        row["response"] = example.response
    for key in ("expected", "extra"):
        if getattr(example, key):
            row[key] = dict(getattr(example, key))
    return row | ({"turns": [list(pair) for pair in example.turns]} if example.turns else {})


JSONL = Format("jsonl", "this package's own JSON lines", True, _recognises, _read, _write)
