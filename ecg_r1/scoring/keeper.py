"""The program of a worker process: a keeper, which runs no reward, and its child, the worker, which runs them.

    python -P keeper.py CONNECTION MEMORY TITLE < lifeline

The keeper passes on the beginning of what the rewards print. It ends the worker, and every process that a reward has
started, when the worker ends, when something comes or ends on its standard input, and when its parent has gone, however
that ended. It imports none of the rewards' libraries, so that it is small.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

LINUX = sys.platform == "linux"
PDEATHSIG, SUBREAPER = 1, 36  # of prctl(2)
PRINTED = 10_000  # bytes of output that one process passes on
PIECE = 4096  # bytes that a pipe takes at once
PATIENCE = 1.0  # seconds in which stderr must take a piece; also how often the keeper looks for its parent
GRACE = 5.0  # seconds in which killed processes must be gone


def main(connection: int, memory: int, title: str) -> None:
    """Fork the worker, and keep it until it ends.

    Args:
        connection: file descriptor of the worker's socket.
        memory: bytes that each process of the worker may allocate.
        title: stands before each line that the rewards print.
    """
    sys.path.append(str(Path(__file__).parents[2]))  # of ecg_r1, where it is not installed
    parent, keeper = os.getppid(), os.getpid()
    if LINUX:
        ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)  # what a reward leaves behind becomes a child of the keeper
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    printed, prints = os.pipe()
    worker = os.fork()
    if worker == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for fd in (woken, wakes, printed):
            os.close(fd)
        work(connection, memory, prints, keeper)
    for fd in (connection, prints):
        os.close(fd)
    os._exit(keep(worker, parent, woken, printed, title))


def work(connection: int, memory: int, prints: int, keeper: int) -> None:
    """Be the worker: a session of its own, with bounded memory, which ends with its keeper."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    for own, standard in ((null, 0), (prints, 1), (prints, 2)):
        os.dup2(own, standard)
    for fd in (null, prints):
        os.close(fd)
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    if LINUX:
        ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        with suppress(OSError):  # where memory ends, the kernel ends a worker and not the training
            Path("/proc/self/oom_score_adj").write_text("1000")
    if os.getppid() != keeper:
        os._exit(1)
    os.register_at_fork(after_in_child=lambda: _close(connection))  # a fork of a reward's cannot answer
    try:
        from ecg_r1.scoring.child_main import serve

        serve(socket.socket(fileno=connection))
    except (EOFError, ConnectionError):
        os._exit(0)
    except BaseException:  # not raised further: threads of a reward would keep the process alive
        traceback.print_exc()
        os._exit(1)


def _close(fd: int) -> None:
    with suppress(OSError):
        os.close(fd)


def keep(worker: int, parent: int, woken: int, printed: int, title: str) -> int:
    """Pass on output until the worker has ended or must end, then end all that is left of it.

    Returns:
        The worker's exit status; 128 + n after signal n.
    """
    output = Output(title)
    status = None
    readable: list[int] = []
    while status is None and 0 not in readable and os.getppid() == parent:
        if woken in readable:
            os.read(woken, PIECE)
        if printed in readable:
            output.take(os.read(printed, 2**16))
        status = _reap(worker)
        if status is None:
            readable = select.select([0, woken, printed], [], [], PATIENCE)[0]
    end_all(worker)
    os.set_blocking(printed, False)
    with suppress(BlockingIOError):
        while rest := os.read(printed, 2**16):
            output.take(rest)
    output.end()
    if status is None:
        return 0
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _reap(worker: int) -> int | None:
    """Collect children that have ended, as far as the worker: its status, or None while it lives.

    Raises:
        ChildProcessError: there is no child left.
    """
    while True:
        pid, ended = os.waitpid(-1, os.WNOHANG)
        if pid in (0, worker):
            return ended if pid else None


def end_all(worker: int) -> None:
    """Kill the worker's group, then every child: the children of a killed process become the keeper's own."""
    until = time.monotonic() + GRACE
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(worker, signal.SIGKILL)
    with suppress(ChildProcessError):
        while time.monotonic() < until:
            _reap(worker)
            for pid in _children():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.001)


def _children() -> list[int]:
    """The children of this process, where /proc names them."""
    found, own = [], str(os.getpid())
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if status.read_text(errors="replace").rpartition(")")[2].split()[1] == own:
                found.append(int(status.parent.name))
    return found


class Output:
    """Passes what rewards print on to stderr, line by line and shown safely, up to PRINTED bytes.

    Args:
        title: stands before each line.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._line = b""
        self._left = PRINTED

    def take(self, received: bytes) -> None:
        """Pass on the whole lines of what was received; at the bound, say once that the rest is dropped."""
        if self._left <= 0:
            return
        *lines, self._line = (self._line + received[: self._left]).split(b"\n")
        self._left -= len(received)
        for line in lines:
            self._say(line)
        if self._left <= 0:
            self.end()
            self._say(f"(printed more than {PRINTED:,} bytes; the rest is dropped)".encode())

    def end(self) -> None:
        """Pass on a last line that does not end."""
        if self._line:
            self._say(self._line)
        self._line = b""

    def _say(self, line: bytes) -> None:
        from ecg_r1.terminal import visible

        text = (visible(f"{self.title}: {line.decode(errors='backslashreplace')}") + "\n").encode()
        for start in range(0, len(text), PIECE):
            if not select.select([], [2], [], PATIENCE)[1]:  # a reader that has stopped must not stop the keeper
                return
            os.write(2, text[start : start + PIECE])


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
