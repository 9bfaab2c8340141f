"""Everything that is printed passes here: text that is not ours (records, models, recipes, requests, other libraries)
must not steer the terminal that shows it, nor hide in it.

`visible` makes such a text safe. `say`, `say_json`, `console` and `guard_logs` apply it to all that they print, so that
nobody has to remember it; `tests/faults/test_terminal.py` finds every other way of printing.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Any
from unicodedata import category

if TYPE_CHECKING:
    from rich.console import Console

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
    """Print an object as one line of JSON on stdout: exactly what it holds; what is not seen is escaped as JSON does."""

    def escaped(match: re.Match[str]) -> str:
        return match[0] if visible(match[0]) == match[0] else json.dumps(match[0])[1:-1].replace("\x7f", "\\u007f")

    say(_DOUBTED.sub(escaped, json.dumps(row, ensure_ascii=False)))


def console(*, stderr: bool = False, width: int | None = None) -> Console:
    """Make a rich console for text that is not ours: no markup, no emoji codes, and every character visible.

    Args:
        stderr: print there.
        width: in characters; the terminal's, unless given.
    """
    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
    from rich.segment import Segment

    class Visible:
        """What is printed, each piece of its text made visible; rich's own movements of the cursor stay."""

        def __init__(self, shown: ConsoleRenderable) -> None:
            self.shown = shown

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            for text, style, control in console.render(self.shown, options):
                yield Segment(text if control else visible(text, lines=True), style, control)

    class Hook(RenderHook):
        def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
            return [Visible(shown) for shown in renderables]

    made = Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)
    made.push_render_hook(Hook())
    return made


class _VisibleRecord(logging.LogRecord):
    def getMessage(self) -> str:
        return visible(super().getMessage(), lines=True)


def guard_logs() -> None:
    """Make visible what other libraries log and warn of, and what a traceback says, in this process."""
    plain = warnings.formatwarning
    warnings.formatwarning = lambda *given: visible(plain(*given), lines=True)
    logging.setLogRecordFactory(_VisibleRecord)
    sys.excepthook = _trace


def _trace(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    say("".join(traceback.format_exception(kind, error, trace)), err=True, end="")
