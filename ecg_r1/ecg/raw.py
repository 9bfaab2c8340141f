"""RawRecord: what a file holds, before leads, units, rate and length are made canonical; or a RecordError."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

import numpy as np

from ecg_r1.errors import UserError

# Of a prefix. "µ" and "μ" are two characters; "âµ" is UTF-8 read as Latin-1, and "æ" is "µ" of DOS read so.
_PREFIXES = {"": 1e3, "m": 1.0, "milli": 1.0, "n": 1e-6, "nano": 1e-6} | dict.fromkeys(
    ("u", "µ", "μ", "âµ", "æ", "micro"), 1e-3
)
_VOLTS = re.compile(rf"(?P<prefix>{'|'.join(_PREFIXES)})\s?v(?:olts?)?")
NOT_MILLIVOLTS = "?"  # in place of a unit: the file names none, and its data set is not in mV


def millivolts(unit: str) -> float | None:
    """How many mV one of a physical unit is; None where the unit is no voltage.

    No unit means mV, by WFDB's format and for arrays.
    """
    bare = unit[:24].lower().strip(" []().")
    known = _VOLTS.fullmatch(bare)
    return _PREFIXES[known["prefix"]] if known else None if bare else 1.0


class RecordError(UserError):
    """A record cannot be read. The message names the file and what is wrong with it."""


@dataclass(frozen=True)
class RawRecord:
    """What a reader found in a file.

    Attributes:
        signal: float64 (leads, T) in `units`; NaN where the file marks a sample as invalid.
        units: as the file names them, or `NOT_MILLIVOLTS`.
        seconds: length of the whole recording, of which `signal` may be the beginning.
        warnings: what the reader noticed.
        gains: of WFDB, each signal's gain and unit as its header gives them; None where it gives none.
    """

    signal: np.ndarray
    names: tuple[str, ...]
    units: tuple[str, ...]
    rate: float
    seconds: float
    comments: tuple[str, ...] = ()
    source: str | None = None
    warnings: tuple[str, ...] = ()
    gains: tuple[tuple[float | None, str | None], ...] = ()


@contextmanager
def needs(library: str, extra: str, path: Path) -> Iterator[None]:
    """Imports of an optional library.

    Raises:
        RecordError: it is not installed; the message says how to install it.
    """
    try:
        yield
    except ImportError as error:
        install = f'pip install "ecg-r1-gem[{extra}]"'
        raise RecordError(f"{path}: reading it needs {library}: {install} ({str(error)[:60]})") from None


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
