"""Files that are written atomically, and JSON files that may be missing, cut short or damaged."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import Any

from ecg_r1.errors import UserError

PART = ".part"  # the ending of a file that is being written


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write beside `path`, then move: a reader finds the old content or the new one, never a part."""
    _written(path, content).replace(path)


def write_labelled(label: Path, text: str, others: Mapping[Path, str]) -> None:
    """Write files and their label, which says what they are, so that a label never stands beside files of another.

    All of them are written beside their places first, so that a full disk leaves the old ones as they were. Then the
    old label is removed, the files are moved, and the label is moved last.

    Args:
        label: where the label lies. Files without one were not finished.
        text: of the label.
        others: path -> text.
    """
    with ExitStack() as failed:
        written = []
        for path, content in [*others.items(), (label, text)]:
            written.append((_written(path, content), path))
            failed.callback(written[-1][0].unlink, missing_ok=True)
        failed.pop_all()
    label.unlink(missing_ok=True)
    for part, path in written:
        part.replace(path)


def _written(path: Path, content: str | bytes) -> Path:
    """The content in a file beside `path`; nothing is left of it where it cannot be written."""
    part = path.with_name(path.name + PART)
    try:
        part.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    except OSError:
        part.unlink(missing_ok=True)
        raise
    return part


@contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """Write a folder beside its place, then move it there: a reader finds a whole folder or none.

    Args:
        folder: where it will lie; what lies there is replaced.

    Yields:
        The folder to write into, whose name ends with `.part`.
    """
    part = folder.with_name(folder.name + PART)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    yield part
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)


def read_json(path: Path) -> Any:
    """What a JSON file holds; None where it is missing, cut short or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def read_json_lines(
    path: Path, error: type[UserError], *, constant: Callable[[str], float] | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a JSON lines file, each with its place, "path:line", for messages; empty lines are skipped.

    Args:
        error: the kind of error that is raised.
        constant: called with "NaN" or "Infinity" where one is written; it may raise ValueError.

    Raises:
        UserError: of the kind `error`: the file is missing, or a line is not one JSON object.
    """
    if not path.is_file():
        raise error(f"{path}: no such file")
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{path}:{number}"
            try:
                row = json.loads(line.decode("utf-8-sig"), parse_constant=constant)
            except RecursionError as fault:
                raise error(f"{where}: nested too deeply to be read") from fault
            except ValueError as fault:
                raise error(f"{where}: not JSON: {fault}") from fault
            if not isinstance(row, dict):
                raise error(f"{where}: one object a line, not {type(row).__name__}")
            yield where, row


def read_bounded(path: Path, largest: int, error: type[UserError]) -> bytes:
    """Read a file that anyone may have written. A pipe or a device, which might never end, is not waited for.

    Args:
        path: of the file.
        largest: bytes that it may have.
        error: the kind of error that is raised.

    Raises:
        UserError: of the kind `error`: the file is missing, too large or not a regular file, or cannot be read.
    """
    content = read_start(path, largest + 1, error)
    if len(content) > largest:
        raise error(f"{path}: larger than {largest:,} bytes")
    return content


_LEAST_READ = 1 << 16  # bytes


def read_start(path: Path, size: int, error: type[UserError]) -> bytes:
    """Read the first bytes of a file, as `read_bounded`.

    Args:
        path: of the file.
        size: bytes to read, where the file has so many.
        error: the kind of error that is raised.

    Raises:
        UserError: of the kind `error`: the file is missing or not a regular file, or cannot be read.
    """
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            status = os.fstat(file.fileno())
            if not S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            # Python sets aside as much memory as is asked for; files of the system are longer than they say
            return file.read(min(size, max(status.st_size + 1, _LEAST_READ))) or b""
    except OSError as fault:
        raise error(f"{path}: {fault.strerror or fault}") from None
    except ValueError as fault:  # a name that no file can have
        raise error(f"{str(path)!r}: {fault}") from None


def read_object(path: Path, largest: int, error: type[UserError]) -> dict[str, Any]:
    """Read a file of one JSON object that anyone may have written.

    Args:
        path: of the file.
        largest: bytes that it may have.
        error: the kind of error that is raised.

    Raises:
        UserError: of the kind `error`: as `read_bounded`, or the file holds no JSON object, or a NaN.
    """
    content = read_bounded(path, largest, error)
    try:
        values = json.loads(content.decode("utf-8-sig"), parse_constant=_infinite)
    except UnicodeDecodeError:
        raise error(f"{path}: not UTF-8; save it as UTF-8") from None
    except RecursionError:
        raise error(f"{path}: nested too deeply to be read") from None
    except ValueError as fault:
        raise error(f"{path}: invalid JSON ({fault})") from None
    if not isinstance(values, dict):
        raise error(f"{path}: one JSON object is expected, not {type(values).__name__}")
    return values


def _infinite(constant: str) -> float:
    if constant == "NaN":
        raise ValueError("NaN is no number")
    return float(constant)
