"""RawRecord: what a file holds, before leads, units, rate and length are made canonical; or a RecordError."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

import numpy as np

from ecg_r1.errors import UserError


class RecordError(UserError):
    """A record cannot be read. The message names the file and what is wrong with it."""


@dataclass(frozen=True)
class RawRecord:
    """signal: float64 (leads, T) in `units`; NaN where the file marks a sample as invalid.

    seconds: length of the whole recording, of which `signal` may be the beginning.
    """

    signal: np.ndarray
    names: tuple[str, ...]
    units: tuple[str, ...]
    rate: float
    seconds: float
    comments: tuple[str, ...] = ()
    source: str | None = None
    warnings: tuple[str, ...] = ()


def size_of(path: Path) -> int:
    """Bytes of a file.

    Raises:
        RecordError: the file is missing, or it is a folder, a pipe or a device, which might never end.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from None
    except ValueError as error:  # a NUL in the name
        raise RecordError(f"{str(path)!r}: {error}") from None
    if not S_ISREG(status.st_mode):
        raise RecordError(f"{path}: not a regular file")
    return status.st_size
