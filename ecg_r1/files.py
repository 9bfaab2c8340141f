"""Files that are written atomically, and JSON files that may be missing, cut short or damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ecg_r1.errors import UserError


def write_atomically(path: Path, text: str) -> None:
    """Write beside `path`, then move: a reader finds the old text or the new one, never a part."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


@contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """Write a folder beside its place, then move it there: a reader finds a whole folder or none.

    Args:
        folder: where it will lie; what lies there is replaced.

    Yields:
        The folder to write into, whose name ends with `.part`.
    """
    part = folder.with_name(folder.name + ".part")
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
