"""Everything that is printed passes here: text that is not ours (records, models, recipes, requests, other libraries)
must not steer the terminal that shows it, nor hide in it.

`visible` makes such a text safe. `say`, `say_json`, `guard_logs` and the consoles of `ecg_r1.console` apply it to all
that they print, so that nobody has to remember it; `tests/faults/test_terminal.py` refuses every other way of printing.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import traceback
import warnings
from types import TracebackType
from typing import Any
from unicodedata import category

# Printable by Unicode's categories, and yet nothing is seen: joiners, fillers, variation selectors.
_UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
_DOUBTED = re.compile(f"[{_UNSEEN}]|[^!-~\u00a1-\u00ac\u00ae-\u02ff\u3001-\u30ff\u4e00-\u9fff ]")  # the rest is seen
_SEEN = re.compile(f"[^{_UNSEEN}]")


def visible(text: object, *, lines: bool = False) -> str:
    """Write a text so that each of its characters is seen and none is obeyed.

    Control characters (C0, DEL, C1), escape sequences, marks that turn the direction, zero-width characters, line and
    paragraph separators, lone surrogates and unassigned characters become \\n, \\x1b, \\u202e and the like.

    Args:
        text: the text, or an object that is shown as its `str`.
        lines: whether line ends and tabs are meant: they are kept.
    """
    kept = "\n\t" if lines else ""

    def written(match: re.Match[str]) -> str:
        character = match[0]
        if character in kept:
            return character
        if _SEEN.match(character) and (character.isprintable() or category(character) in ("Zs", "Co")):
            return character
        return character.encode("unicode_escape").decode()

    return _DOUBTED.sub(written, str(text))


def say(text: object, *, err: bool = False, end: str = "\n") -> None:
    """Print a text of one or more lines on stdout, or on stderr, made visible."""
    stream = sys.stderr if err else sys.stdout
    written = visible(text, lines=True) + end
    try:
        stream.write(written)
    except UnicodeEncodeError:  # the terminal's encoding lacks a character
        stream.write(written.encode(stream.encoding, "backslashreplace").decode(stream.encoding))
    stream.flush()


def say_json(row: Any) -> None:
    """Print an object as one line of JSON on stdout: exactly what it holds; the unseen is escaped as JSON does."""

    def escaped(match: re.Match[str]) -> str:
        return match[0] if visible(match[0]) == match[0] else json.dumps(match[0])[1:-1].replace("\x7f", "\\u007f")

    say(_DOUBTED.sub(escaped, json.dumps(row, ensure_ascii=False)))


class _VisibleRecord(logging.LogRecord):
    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        if isinstance(self.args, tuple):  # uvicorn writes its lines of the arguments, not of the message
            self.args = tuple(visible(one, lines=True) if isinstance(one, str) else one for one in self.args)
        if self.exc_info and self.exc_info[0]:
            self.exc_text = visible("".join(traceback.format_exception(*self.exc_info)).rstrip("\n"), lines=True)

    def getMessage(self) -> str:
        return visible(super().getMessage(), lines=True)


_format_warning = warnings.formatwarning


def _warning(*given: Any, **named: Any) -> str:
    return visible(_format_warning(*given, **named), lines=True)


def _trace(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    say("".join(traceback.format_exception(kind, error, trace)), err=True, end="")


def guard_logs() -> None:
    """Make visible what other libraries log and warn of, and what a traceback says, in this process."""
    logging.setLogRecordFactory(_VisibleRecord)
    warnings.formatwarning = _warning
    sys.excepthook = _trace
    threading.excepthook = lambda ended: _trace(ended.exc_type, ended.exc_value, ended.exc_traceback)
