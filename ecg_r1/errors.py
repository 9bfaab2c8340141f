"""Errors that a user can mend, and the nearest valid name for their messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class UserError(ValueError):
    """Base of the named errors of every room; the message names the file, record or key and says what to do.

    The command line prints it as one line, without a traceback.

    Attributes:
        has_lines: whether the message has several lines on purpose. Otherwise one came from a name, and is shown.
    """

    has_lines = False


def nearest(given: Any, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known name that is most like the given one; None where none is near (`difflib`'s ratio below `cutoff`)."""
    close = difflib.get_close_matches(str(given), list(known), 1, cutoff)
    return close[0] if close else None


def did_you_mean(given: Any, known: Iterable[str]) -> str:
    """The end of a message: the nearest of the known names, where one is near."""
    near = nearest(given, known)
    return f' — did you mean "{near}"?' if near else ""
