"""A worker process in which one case after another is tried, with limits on processor time and memory.

A case that hangs or eats memory ends the worker and not the test; the next case gets a new worker.
"""

from __future__ import annotations

import multiprocessing
import resource
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from ecg_r1.errors import LONGEST, UserError
from ecg_r1.terminal import visible

SECONDS = 5  # of processor time for a case
WAIT = 120  # seconds of a clock, for a case that waits for ever; far more than a slow machine needs
MEGABYTES = 1000  # that a worker may hold at its peak
ADDRESSES = 3 * 2**30  # bytes beside what the worker has when it begins: a bomb becomes a MemoryError


class Bounded:
    """A worker that calls one function.

    Args:
        work: of a module, called with each case; a UserError of one line is a right answer, like none.
    """

    def __init__(self, work: Callable[[Any], None]):
        self.work = work
        self.counts: Counter[str] = Counter()
        self._start()

    def try_(self, case: Any) -> str:
        """Call the function with a case.

        Returns:
            "" where it returned, or the message of its UserError.

        Raises:
            AssertionError: another error, a message of many lines, or a case that took too long or too much memory.
        """
        self._pipe.send(case)
        try:
            kind, said, peak = self._pipe.recv() if self._pipe.poll(WAIT) else ("waits for ever", "", 0)
        except EOFError:
            kind, said, peak = f"took more than {SECONDS} s of processor time, or crashed", "", 0
        if kind not in ("taken", "refused") or peak > MEGABYTES:
            self.close()
            self._start()
        self.counts[kind] += 1
        assert kind in ("taken", "refused"), f"{kind}: {said}"
        assert peak <= MEGABYTES, f"{peak} MB"
        return said

    def __enter__(self) -> Bounded:
        return self

    def __exit__(self, *_: object) -> None:
        print(f"\n{self.work.__module__}: {dict(self.counts)}", file=sys.__stderr__)
        self.close()

    def close(self) -> None:
        self._worker.kill()
        self._worker.join()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._worker = context.Process(target=_serve, args=(theirs, self.work), daemon=False)
        self._worker.start()
        theirs.close()
        assert self._pipe.recv() == "ready"


def _peak() -> int:
    """MB that this process held at most; ru_maxrss would begin with its parent's."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) // 1024


def _serve(pipe: Connection, work: Callable[[Any], None]) -> None:
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the process
    most = psutil.Process().memory_info().vms + ADDRESSES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pipe.send("ready")
    while True:
        try:
            case = pipe.recv()
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        kind, said = "taken", ""
        try:
            work(case)
        except UserError as error:
            kind, said = "refused", str(error)
            if len(said) > LONGEST or visible(said, lines=True) != said:
                kind = "a long or unprintable message"
        except BaseException:
            kind, said = "an unnamed error", traceback.format_exc()
        signal.setitimer(signal.ITIMER_PROF, 0)
        pipe.send((kind, said, _peak()))
