"""A full disk, reported in one line."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from ecg_r1.errors import UserError

NO_SPACE = (os.strerror(errno.ENOSPC), "inline_container.cc")  # the second is all that torch.save says of it


class DiskFull(UserError):
    """A run cannot write its files."""


@contextmanager
def disk_may_fill(run: Path) -> Iterator[None]:
    """Turn the various errors by which libraries report a full disk into one.

    Args:
        run: the run's folder, for the message.

    Raises:
        DiskFull: the disk is full.
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
