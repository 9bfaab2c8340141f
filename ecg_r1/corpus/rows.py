"""Rows of a split: Arrow IPC files, memory-mapped, so that a row is read where it is used and none before."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ecg_r1.errors import UserError
from ecg_r1.files import PART

ROWS = 512  # a batch of a file: what is in memory while it is written
JSON = (
    "measurements",
    "conflicts",
    "rewrite",
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
        ("rewrite", pa.string()),
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


class RowWriter:
    """Writes a file of rows; the same rows give the same bytes. It lies beside its place until it is whole.

    Args:
        path: where it will lie.
        schema: `RECORDS` or `EXAMPLES`; a key that a row lacks becomes null.
    """

    def __init__(self, path: Path, schema: pa.Schema):
        self.path, self.schema = path, schema
        self.rows = 0
        self._part = path.with_name(path.name + PART)
        self._batch: list[dict[str, Any]] = []
        self._open = ExitStack()
        with self._open:  # closes what was opened, if the beginning fails
            self._open.callback(self._part.unlink, missing_ok=True)
            file = self._open.enter_context(pa.OSFile(str(self._part), "wb"))
            self._writer = self._open.enter_context(pa.ipc.new_file(file, schema))
            self._open = self._open.pop_all()

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row; a column of `JSON` may be given as text."""
        self.rows += 1
        self._batch.append(_packed(row))
        if len(self._batch) == ROWS:
            self._write()

    def finish(self) -> None:
        """Write what is left, and move the file to its place."""
        self._write()
        self._writer.close()
        self._part.replace(self.path)
        self._open.close()

    def close(self) -> None:
        """Close the file, and remove it where it is not finished."""
        self._open.close()

    def _write(self) -> None:
        if self._batch:
            self._writer.write_batch(pa.RecordBatch.from_pylist(self._batch, self.schema))
            self._batch = []


def write_rows(path: Path, schema: pa.Schema, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a file of rows atomically."""
    with closing(RowWriter(path, schema)) as writer:
        for row in rows:
            writer.add(row)
        writer.finish()


def _packed(row: Mapping[str, Any]) -> dict[str, Any]:
    texts = {name: row[name] for name in JSON if row.get(name) is not None}
    return {**row, **{name: value if isinstance(value, str) else json.dumps(value) for name, value in texts.items()}}


def shard(folder: Path, name: str, number: int) -> Path:
    """The file of a split that holds a stretch of its rows.

    Args:
        name: "records" or "examples".
    """
    return folder / f"{name}-{number:05d}.arrow"


def shards(folder: Path, name: str, count: int) -> Iterator[Path]:
    """The files of a split's rows, in their order."""
    return (shard(folder, name, number) for number in range(count))


class Rows(Sequence[dict[str, Any]]):
    """The rows of one or several files by position; each is read from the disk when it is asked for.

    Args:
        paths: as `write_rows` wrote them.
        schema: the columns they must have.

    Raises:
        CorpusError: a file is missing, damaged, or has other columns.
    """

    def __init__(self, paths: Iterable[Path], schema: pa.Schema):
        self.table = pa.concat_tables([schema.empty_table(), *(_table(path, schema) for path in paths)])
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


def _table(path: Path, schema: pa.Schema) -> pa.Table:
    if not path.is_file():
        raise CorpusError(f"{path}: missing; run `ecg-r1 corpus` with the split's recipe to build it to its end")
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        table.validate()
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(f"{path}: cut short or damaged ({error}); build the split again") from None
    if table.schema != schema:
        raise CorpusError(f"{path}: its columns are not those of this version; build the split again")
    return table


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
