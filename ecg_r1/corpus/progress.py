"""How far a build is: a bar where someone is looking, and now and then a line in a log."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from datetime import timedelta
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

from ecg_r1.console import console, progress
from ecg_r1.corpus.make import Made, Unusable
from ecg_r1.terminal import say

EVERY = 30.0  # seconds between two lines of a log


class BuildProgress(AbstractContextManager["BuildProgress"]):
    """Shows how many records of a split are made, how fast, and the time left.

    Args:
        name: of the split.
        total: records.
        done: of an earlier build, which was cut short.
    """

    def __init__(self, name: str, total: int, done: int):
        self.name, self.total, self.earlier, self.made, self.cached = name, total, done, 0, 0
        self._on = console(stderr=True)
        columns = ("description", BarColumn(), MofNCompleteColumn(), "rate", TimeRemainingColumn(), "cached")
        self._bar = progress(*columns, on=self._on, hidden=not self._on.is_terminal)
        self._task = self._bar.add_task(f"{name:>10}", total=total, completed=done, rate="", cached="")
        self._began = self._said = time.monotonic()

    def count(self, made: Made | Unusable) -> None:
        """A record was made, measured anew or taken from the cache, or cannot be used."""
        self.made += 1
        self.cached += isinstance(made, Made) and not made.is_new
        if self._on.is_terminal:
            self._bar.update(self._task, advance=1, rate=self._rate(), cached=self._cached())
        elif time.monotonic() - self._said > EVERY:
            self._say()

    def _rate(self) -> str:
        return f"{self.made / max(1e-9, time.monotonic() - self._began):,.0f}/s"

    def _cached(self) -> str:
        return f"{self.cached:,} from the cache" if self.cached else ""

    def _say(self) -> None:
        self._said, done = time.monotonic(), self.earlier + self.made
        left = (self.total - done) * (self._said - self._began) / max(1, self.made)
        parts = [f"{done:,} of {self.total:,} records", self._rate(), self._cached()]
        if done < self.total:
            parts.append(f"{timedelta(seconds=round(left))} left")
        say(f"{self.name}: {', '.join(filter(None, parts))}", err=True)

    def __enter__(self) -> BuildProgress:
        self._bar.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self._bar.__exit__(kind, error, trace)
        if not self._on.is_terminal:
            self._say()
