"""Examples that a researcher brings: JSON lines, each a question about one stored record or several."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from reprlib import repr as shown  # however long
from typing import Any

from ecg_r1.corpus.example import Example
from ecg_r1.corpus.rows import CorpusError
from ecg_r1.errors import did_you_mean
from ecg_r1.files import read_json_lines

KEYS = ("id", "record", "records", "question", "response", "expected", "extra")


def read_examples(path: Path, records: Collection[str], taken: set[str]) -> Iterator[Example]:
    """Read `{"records": ["00001_hr"], "question": …}` lines; "record" stands for one record.

    Optional are "id" (the file's name and the line's number, unless given), "response", the target of SFT, and the
    objects "expected" and "extra", which rewards ask for.

    Args:
        records: the ids that there are.
        taken: ids of other examples; those that are read are added.

    Raises:
        CorpusError: the file is missing, or a line is not such an example; an id occurs twice; a record is unknown.
            The message begins with the file and the line.
    """
    for where, row in read_json_lines(path, CorpusError, constant=_no_number):
        example = _example(row, where, default=f"{path.stem}-{where.rpartition(':')[2]}")
        if example.id in taken:
            raise CorpusError(f'{where}: "id" {shown(example.id)} occurs twice')
        taken.add(example.id)
        for record in example.records:
            if record not in records:
                raise CorpusError(f"{where}: no record {shown(record)} in this source{did_you_mean(record, records)}")
        yield example


def _example(row: Mapping[str, Any], where: str, default: str) -> Example:
    for key in row:
        if key not in KEYS:
            raise CorpusError(f"{where}: unknown key {shown(key)}{did_you_mean(key, KEYS)}")
    if ("record" in row) == ("records" in row):
        raise CorpusError(f'{where}: needs either "record", an id, or "records", a list of them')
    records = [row["record"]] if "record" in row else row["records"]
    if not isinstance(records, list) or not records or not all(isinstance(record, str) for record in records):
        raise CorpusError(f'{where}: "record" is an id and "records" a list of them, not {shown(records)}')
    question, response = row.get("question"), row.get("response")
    if not isinstance(question, str) or not question.strip():
        raise CorpusError(f'{where}: "question" is a text, not {shown(question)}')
    if not isinstance(response, str | None):
        raise CorpusError(f'{where}: "response" is a text, not {shown(response)}')
    name = row.get("id", default)
    if not isinstance(name, str) or not name:
        raise CorpusError(f'{where}: "id" is a text, not {shown(name)}')
    objects = {key: row.get(key, {}) for key in ("expected", "extra")}
    for key, value in objects.items():
        if not isinstance(value, dict):
            raise CorpusError(f'{where}: "{key}" is an object, not {shown(value)}')
    return Example(name, tuple(records), question, response, **objects)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a number that JSON has")
