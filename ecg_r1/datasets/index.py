"""The rows of a table: CSV as it comes out of any program, gzipped or not, or parquet."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from ecg_r1.ecg.record import RecordError
from ecg_r1.ecg.text import decoded

LARGEST = 2 << 30  # bytes of a table; MIMIC-IV-ECG's machine_measurements.csv has 180 MB
ENDINGS = (".csv", ".tsv", ".txt", ".parquet")


class Table:
    """A table of text cells.

    Args:
        path: its ending says what it is; ".csv.gz" is gzipped. CSV may have a byte order mark, be in UTF-16 or
            Latin-1, and have semicolons or tabs.

    Attributes:
        columns: in their order.

    Raises:
        RecordError: the file is missing, too large, or no table.
    """

    def __init__(self, path: Path):
        self.path = path
        if not path.is_file():
            raise RecordError(f"{path}: no such file")
        self._parquet = path.suffix.lower() == ".parquet"
        self.columns = self._columns()

    def __iter__(self) -> Iterator[dict[str, str]]:
        """The rows, column -> cell; a cell that is missing is empty."""
        for cells in self._batches() if self._parquet else self._lines():
            yield dict(zip(self.columns, [*cells, *[""] * (len(self.columns) - len(cells))], strict=False))

    def require(self, columns: Sequence[str], title: str) -> None:
        """Refuse a table that lacks a column.

        Raises:
            RecordError: it does; the message asks whether it is the `title`'s table.
        """
        for column in columns:
            if column not in self.columns:
                raise RecordError(f"{self.path}: no column {column!r}; is it {title}'s table?")

    def _columns(self) -> list[str]:
        if self._parquet:
            import pyarrow as pa
            import pyarrow.parquet as pq

            try:
                return list(pq.read_schema(self.path).names)
            except (pa.ArrowException, OSError) as error:
                raise RecordError(f"{self.path}: cannot be read as a table: {error}") from None
        return next(self._reader(), [])

    def _lines(self) -> Iterator[list[str]]:
        reader = self._reader()
        next(reader, None)
        yield from (cells for cells in reader if cells)

    def _reader(self) -> Iterator[list[str]]:
        try:
            content = self.path.read_bytes()
            if self.path.suffix.lower() == ".gz":
                with gzip.open(io.BytesIO(content)) as file:
                    content = file.read(LARGEST + 1)
            if len(content) > LARGEST:
                raise RecordError(f"{self.path}: larger than {LARGEST >> 30} GiB")
            text = decoded(content)
            delimiter = max(",;\t", key=text.partition("\n")[0].count)
            yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        except (csv.Error, OSError, EOFError) as error:
            raise RecordError(f"{self.path}: cannot be read as a table: {error}") from None

    def _batches(self) -> Iterator[list[str]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            for batch in pq.ParquetFile(self.path).iter_batches():
                for row in batch.to_pylist():
                    yield [_cell(row[column]) for column in self.columns]
        except (pa.ArrowException, OSError) as error:
            raise RecordError(f"{self.path}: cannot be read as a table: {error}") from None


def _cell(value: object) -> str:
    if isinstance(value, list):
        return ";".join(map(_cell, value))
    return "" if value is None or value != value else str(value)
