"""rich's consoles, tables and progress bars for text that is not ours; see `ecg_r1.terminal`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.text import Text

from ecg_r1.terminal import visible

T = TypeVar("T")


class _Visible:
    """What a console prints, each piece of its text made visible; rich's own movements of the cursor stay."""

    def __init__(self, shown: ConsoleRenderable) -> None:
        self.shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for text, style, control in console.render(self.shown, options):
            yield Segment(text if control else visible(text, lines=True), style, control)


class _Hook(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Visible(shown) for shown in renderables]


def console(*, stderr: bool = False, width: int | None = None) -> Console:
    """Make a rich console for text that is not ours: no markup, no emoji codes, and every character visible.

    A text that stands in a table is made visible before, by `cell`: then its width is known.

    Args:
        stderr: print there.
        width: in characters; the terminal's, unless given.
    """
    made = Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)
    made.push_render_hook(_Hook())
    return made


def cell(text: object, style: str = "", *, lines: bool = False) -> Text:
    """Make a text visible, for a table, a panel or a title of rich's. Arguments as of `visible`."""
    return Text(visible(text, lines=lines), style=style)


def marked(text: str, spans: Iterable[tuple[tuple[int, int], str]]) -> Text:
    """Make a text of several lines visible, with spans of it in their styles.

    Args:
        text: as it was written.
        spans: each as ([start, end) characters of `text`, style).
    """
    shown = cell(text, lines=True)
    for span, style in spans:
        start, end = (len(visible(text[: max(0, at)], lines=True)) for at in span)
        shown.stylize(style, start, end)
    return shown


class _Field(ProgressColumn):
    """A field of a task, as a text."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def render(self, task: Task) -> Text:
        return cell(task.description if self.name == "description" else task.fields[self.name])


def progress(*columns: ProgressColumn | str, on: Console | None = None, hidden: bool = False) -> Progress:
    """Make a progress display.

    Args:
        columns: of rich's, or the name of a task's field that is shown as a text.
        on: the console; stderr's, unless given.
        hidden: show nothing.
    """
    shown = [_Field(column) if isinstance(column, str) else column for column in columns]
    return Progress(*shown, console=on or console(stderr=True), disable=hidden)


def track(items: Iterable[T], title: str, total: int) -> Iterator[T]:
    """Yield the items, beside a bar on stderr where someone is looking; it goes when they end."""
    on = console(stderr=True)
    columns = ("description", BarColumn(), TaskProgressColumn(), TimeRemainingColumn(elapsed_when_finished=True))
    with progress(*columns, on=on, hidden=not on.is_terminal) as shown:
        yield from shown.track(items, total=total, description=title)
