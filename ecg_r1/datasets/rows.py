"""Files of rows, however they are packed: a JSON list, JSON lines, parquet, or a folder of Hugging Face `datasets`.

Rows are read one by one: a file of a million conversations is never in memory as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from ecg_r1.datasets.item import FormatError
from ecg_r1.files import PART, read_json_lines

CHUNK = 1 << 20  # characters that are read at once
LONGEST = 64 << 20  # characters of one row
_SPACE = re.compile(r"[ \t\r\n]*")
ENDINGS = (".json", ".jsonl", ".parquet")


def read_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the rows of a file or folder, each with its place, "file:row", for messages.

    A column that a parquet or Arrow row lacks is left out of it. Of a picture inside such a row the path is kept.

    Raises:
        FormatError: there is no such file, it has another shape, or a row is no object.
    """
    if path.is_dir():
        yield from _folder(path)
    elif path.suffix.lower() == ".parquet":
        yield from _arrow(path)
    elif not path.is_file():
        raise FormatError(f"{path}: no such file")
    elif _begins(path) == "[":
        yield from _json_list(path)
    else:
        yield from read_json_lines(path, FormatError, constant=_no_number)


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], lines: bool) -> int:
    """Write rows atomically, as the ending of the path says; a `.json` file is a list unless its format has lines.

    Returns:
        How many.

    Raises:
        FormatError: the ending is unknown, or parquet cannot hold the rows, whose keys differ in kind.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise FormatError(f"{path}: name it {', '.join(ENDINGS)}")
    part, count = path.with_name(path.name + PART), 0
    try:
        if ending == ".parquet":
            count = _to_parquet(part, list(rows))
        else:
            with part.open("w", encoding="utf-8") as file:
                for row in rows:
                    written = json.dumps(row, ensure_ascii=False)
                    file.write(f"{written}\n" if lines or ending == ".jsonl" else f"{',' if count else '['}\n{written}")
                    count += 1
                if not lines and ending == ".json":
                    file.write("\n]\n" if count else "[]\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _to_parquet(path: Path, rows: list[Mapping[str, Any]]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.write_table(pa.Table.from_pylist(rows), path)
    except pa.ArrowException as error:
        raise FormatError(f"parquet cannot hold these rows ({error}); write .jsonl") from None
    return len(rows)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a number that JSON has")


def _begins(path: Path) -> str:
    with _text(path) as file:
        return file.read(CHUNK).lstrip()[:1]


def _text(path: Path) -> TextIO:
    try:
        return path.open(encoding="utf-8-sig")
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror or error}") from None


def _json_list(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON list, each decoded as soon as it is read whole."""
    number = 0
    with _text(path) as file:
        window = _Window(file, path)
        window.skip("[")
        more = not window.skip("]")
        while more:
            number += 1
            where = f"{path}:{number}"
            row = window.value(where)
            if not isinstance(row, dict):
                raise FormatError(f"{where}: an object for each row, not {type(row).__name__}")
            yield where, row
            more = window.skip(",")
            if not more and not window.skip("]"):
                raise FormatError(f'{where}: not JSON, or cut short: "," or "]" must follow the row')
        if not window.ended():
            raise FormatError(f"{path}: text follows the list, behind row {number}; keep one list, or one row a line")


class _Window:
    """The part of a file that is being decoded."""

    def __init__(self, file: TextIO, path: Path):
        self.file, self.path = file, path
        self.text, self.place = "", 0
        self.decoder = json.JSONDecoder(parse_constant=_no_number)

    def skip(self, mark: str) -> bool:
        """Go behind a mark, where it comes next; whether it did."""
        found = self.begins(mark)
        self.place += found
        return found

    def ended(self) -> bool:
        """Whether only white space is left."""
        return self.begins("") and self.place == len(self.text)

    def begins(self, mark: str) -> bool:
        """Whether a mark comes next, behind white space."""
        while True:
            self.place = _SPACE.match(self.text, self.place).end()  # type: ignore[union-attr]
            if self.place < len(self.text) or not self._read():
                return self.text.startswith(mark, self.place)

    def value(self, where: str) -> Any:
        """The value that comes next, behind white space."""
        self.begins("")
        while True:
            try:
                row, self.place = self.decoder.raw_decode(self.text, self.place)
                return row
            except RecursionError:
                raise FormatError(f"{where}: nested too deeply to be read") from None
            except ValueError as error:
                if len(self.text) - self.place > LONGEST:
                    raise FormatError(f"{where}: larger than {LONGEST >> 20} million characters, or not JSON") from None
                if not self._read():
                    raise FormatError(f"{where}: not JSON, or cut short: {error}") from None

    def _read(self) -> bool:
        """Read on, twice as much as is held; whether there was more."""
        held = self.text[self.place :]
        try:
            more = self.file.read(max(CHUNK, len(held)))
        except UnicodeDecodeError:
            raise FormatError(f"{self.path}: not UTF-8; save it as UTF-8") from None
        self.text, self.place = held + more, 0
        return bool(more)


def _folder(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """What `datasets` saved to disk, or a folder of parquet files as on its hub."""
    if (path / "dataset_dict.json").is_file():
        splits = sorted(entry.name for entry in path.iterdir() if entry.is_dir())
        raise FormatError(
            f"{path}: holds the splits {', '.join(splits)}; name one of them, {path / (splits or ['…'])[0]}"
        )
    found = sorted(path.glob("data-*.arrow")) or sorted(path.rglob("*.parquet"))
    if not found:
        raise FormatError(f"{path}: no data-*.arrow and no *.parquet; name a file of rows, or a folder of `datasets`")
    for file in found:
        yield from _arrow(file)


def _arrow(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        if path.suffix == ".parquet":
            batches: Iterable[Any] = pq.ParquetFile(path).iter_batches(1024)
        else:
            batches = pa.ipc.open_stream(pa.memory_map(str(path)))
        for batch in batches:
            for row in batch.to_pylist():
                number += 1
                yield f"{path}:{number}", {key: _plain(value) for key, value in row.items() if value is not None}
    except (pa.ArrowException, OSError) as error:
        raise FormatError(f"{path}: cannot be read: {error}") from None


def _plain(value: Any) -> Any:
    """Without the keys that another row of the file has, and with a picture's path in its place."""
    if isinstance(value, dict):
        if value.keys() == {"bytes", "path"}:
            return value["path"] or ""
        return {key: _plain(inner) for key, inner in value.items() if inner is not None}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
