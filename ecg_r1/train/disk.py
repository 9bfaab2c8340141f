"""Files that survive a kill and a full disk."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from ecg_r1.errors import UserError

NO_SPACE = (os.strerror(errno.ENOSPC), "inline_container.cc")  # the second is all that torch.save says of it


class DiskFull(UserError):
    """A run cannot write its files."""


@contextmanager
def disk_may_fill(run: Path) -> Iterator[None]:
    """
    Raises:
        DiskFull: in place of the various errors by which libraries say it.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if not any(text in str(error) for text in NO_SPACE):
            raise
        raise DiskFull(
            f"{run}: no space left on its disk; make room and repeat the command, and the run goes on from its last "
            "whole checkpoint"
        ) from error


def write_whole(path: Path, text: str) -> None:
    """Write beside `path`, then move: it is never there by half."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def parsed(path: Path) -> Any:
    """What a JSON file holds; None where it is missing or cut short."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
