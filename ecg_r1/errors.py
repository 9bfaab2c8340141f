"""Errors that a user can mend, and the nearest valid name for their messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from ecg_r1.terminal import visible

LONGEST = 3000  # characters of a message


class UserError(ValueError):
    """Base of the named errors of every room; the message names the file, record or key and says what to do.

    The command line prints it without a traceback. A message quotes names and texts that are not ours: `str` makes
    them visible, and bounds their length, so that no place which raises an error has to remember it.

    Args:
        lines: of the message; nearly always one. A line end within one of them came from a quoted text, and is shown
            as `\\n`.
    """

    def __str__(self) -> str:
        return _shortened("\n".join(visible(_shortened(str(line))) for line in self.args))


def _shortened(message: str) -> str:
    """At most `LONGEST` characters: the beginning names the file, the end says what to do."""
    end = LONGEST // 3
    return message if len(message) <= LONGEST else f"{message[: LONGEST - end - 3]} … {message[-end:]}"


def nearest(given: Any, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known name that is most like the given one; None where none is near (`difflib`'s ratio below `cutoff`)."""
    close = difflib.get_close_matches(str(given), list(known), 1, cutoff)
    return close[0] if close else None


def did_you_mean(given: Any, known: Iterable[str]) -> str:
    """The end of a message: the nearest of the known names, where one is near."""
    near = nearest(given, known)
    return f' — did you mean "{near}"?' if near else ""
