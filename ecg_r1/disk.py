"""A folder that cannot be written to, in one line: a full disk, a quota, a read-only disk, a missing permission."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecg_r1.errors import UserError

# What is wrong, and what to do, by the error's number.
FAULTS = {
    errno.ENOSPC: ("no space left on its disk", "make room"),
    errno.EDQUOT: ("your quota on its disk is used up", "make room"),
    errno.EROFS: ("its disk is read-only", "mount it for writing, or choose another folder,"),
    errno.EACCES: ("permission denied", "ask for the permission, or choose another folder,"),
    errno.EPERM: ("permission denied", "ask for the permission, or choose another folder,"),
}
FULL = (errno.ENOSPC, errno.EDQUOT)
# Libraries hide the number: safetensors and Arrow quote the system's words, torch.save says only where it stopped.
WORDS = {os.strerror(number): number for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)}
WORDS["inline_container.cc"] = errno.ENOSPC


class DiskError(UserError):
    """A folder cannot be written to."""


@contextmanager
def writing(folder: str | Path, then: str = "") -> Iterator[None]:
    """Turn the many errors by which the system and the libraries say that nothing can be written into one.

    Args:
        folder: where the files are written, for the message.
        then: what the repeated command does.

    Raises:
        DiskError: the folder cannot be written to.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        said = fault(error, folder)
        if said is None:
            raise
        raise DiskError(f"{said}, and {then}" if then else said) from error


def fault(error: BaseException, folder: str | Path) -> str | None:
    """What is wrong with a folder and what to do, in one line; None where the error says nothing of it.

    Args:
        error: as it was raised; a full disk is also found among the errors that it came from.
        folder: where the files are written. A file elsewhere that the error names goes before it.
    """
    number, seen = _number(error), error
    while number not in FULL and (earlier := seen.__cause__ or seen.__context__) is not None:
        seen = earlier
        number = found if (found := _number(seen)) in FULL else number
    if number is None:
        return None
    named = seen.filename if isinstance(seen, OSError) and isinstance(seen.filename, str) else str(folder)
    inside = Path(named).absolute().is_relative_to(Path(folder).absolute())
    what, remedy = FAULTS[number]
    return f"{folder if inside else named}: {what}; {remedy} and repeat the command"


def _number(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno in FAULTS:
        return error.errno
    return next((number for words, number in WORDS.items() if words in str(error)), None)
