"""Rows of a split: Arrow IPC files, memory-mapped, so that a row is read where it is used and none before."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecg_r1.errors import UserError
from ecg_r1.files import PART

ROWS = 16384  # a batch of a file: what is in memory while it is written
JSON = (
    "measurements",
    "conflicts",
    "expected",
    "extra",
    "turns",
)  # columns of objects whose keys are not the store's to know, as JSON
_NAMES = pa.list_(pa.string())
RECORDS = pa.schema(
    [
        ("record", pa.string()),
        ("source", pa.string()),
        ("patient", pa.string()),
        ("diagnoses", _NAMES),
        ("unknown_labels", _NAMES),
        ("unlabelled", _NAMES),
        ("untold", _NAMES),
        ("conflicts", pa.string()),
        ("leads", _NAMES),
        ("samples", pa.int32()),
        ("windows", pa.list_(pa.list_(pa.int32()))),
        ("quality", _NAMES),
        ("measurements", pa.string()),
        ("report", pa.string()),
    ]
)
EXAMPLES = pa.schema(
    [
        ("id", pa.string()),
        ("records", _NAMES),
        ("question", pa.string()),
        ("response", pa.string()),
        ("expected", pa.string()),
        ("extra", pa.string()),
        ("turns", pa.string()),
    ]
)


class CorpusError(UserError):
    """A corpus folder is missing, incomplete, damaged or of another layout."""


def write_rows(path: Path, schema: pa.Schema, rows: Iterable[dict[str, Any]]) -> None:
    """Write a file of rows atomically; the same rows give the same bytes.

    Args:
        schema: `RECORDS` or `EXAMPLES`; a key that a row lacks becomes null.
    """
    part = path.with_name(path.name + PART)
    remaining = iter(rows)
    try:
        with pa.OSFile(str(part), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            while batch := [_packed(row) for row in islice(remaining, ROWS)]:
                writer.write_batch(pa.RecordBatch.from_pylist(batch, schema))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _packed(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: json.dumps(row[name]) for name in JSON if row.get(name) is not None}


class Rows(Sequence[dict[str, Any]]):
    """The rows of a file by position; each is read from the disk when it is asked for.

    Args:
        path: as `write_rows` wrote it.
        schema: the columns it must have.

    Raises:
        CorpusError: the file is missing, damaged, or has other columns.
    """

    def __init__(self, path: Path, schema: pa.Schema):
        if not path.is_file():
            raise CorpusError(f"{path}: missing; run `ecg-r1 corpus` with the split's recipe to build it to its end")
        try:
            self.table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            self.table.validate()
        except (pa.ArrowException, OSError) as error:
            raise CorpusError(f"{path}: cut short or damaged ({error}); build the split again") from None
        if self.table.schema != schema:
            raise CorpusError(f"{path}: its columns are not those of this version; build the split again")
        self._columns = dict(zip(schema.names, self.table.columns, strict=True))

    def __len__(self) -> int:
        return self.table.num_rows

    @overload
    def __getitem__(self, position: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, position: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, position: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(position, slice):
            return [self[i] for i in range(len(self))[position]]
        return _unpacked({name: column[position].as_py() for name, column in self._columns.items()})

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self.each(*self._columns)

    def each(self, *columns: str) -> Iterator[dict[str, Any]]:
        """The rows in their order, of each the named columns alone."""
        for batch in self.table.select(columns).to_batches():
            yield from map(_unpacked, batch.to_pylist())


def _unpacked(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: json.loads(row[name]) for name in JSON if row.get(name) is not None}


class Ids(Sequence[str]):
    """A column of ids, looked up by bisection over their order: 4 bytes for each id, and no Python string.

    Args:
        column: the ids.
        where: begins the message of an error.

    Raises:
        CorpusError: an id occurs twice.
    """

    def __init__(self, column: pa.ChunkedArray, where: object):
        self.array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.string())
        order = pc.sort_indices(self.array)
        ordered = self.array.take(order)
        same = pc.equal(ordered[1:], ordered[:-1]) if len(ordered) else pa.array([], pa.bool_())
        if pc.any(same).as_py():
            twice = ordered[pc.index(same, True).as_py()]
            raise CorpusError(f"{where}: {twice.as_py()!r} occurs twice; build the split again")
        # not `to_numpy`, which imports pandas: a second and 40 MB
        self._order = np.frombuffer(order.buffers()[1], np.uint64, len(order)).astype(np.uint32)

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, position: int) -> str: ...
    @overload
    def __getitem__(self, position: slice) -> list[str]: ...
    def __getitem__(self, position: int | slice) -> str | list[str]:
        found = self.array[position]
        return found.to_pylist() if isinstance(position, slice) else found.as_py()

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), ROWS):
            yield from self.array[start : start + ROWS].to_pylist()

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.position(name) is not None

    def position(self, name: str) -> int | None:
        """The row of an id; None where the id is missing."""
        place = bisect_left(self._order, name, key=lambda position: self.array[int(position)].as_py())
        if place == len(self) or self[position := int(self._order[place])] != name:
            return None
        return position
