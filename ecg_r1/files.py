"""Files that are written atomically, and JSON files that may be missing, cut short or damaged."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from stat import S_ISREG
from typing import Any

from ecg_r1.errors import UserError


def write_atomically(path: Path, text: str) -> None:
    """Write beside `path`, then move: a reader finds the old text or the new one, never a part."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


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
            if not S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            return file.read(size) or b""
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
