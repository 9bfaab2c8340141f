"""One worker process, seen from its parent; `keeper` is its program and `child_main` what it does."""

from __future__ import annotations

import os
import pickle
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ecg_r1.scoring import keeper
from ecg_r1.scoring.frames import READY, Frames
from ecg_r1.scoring.registry import Reward

PIECE = 2**20  # bytes that are read at once
PATIENCE = 2 * keeper.GRACE  # seconds in which a keeper must have ended its worker


class Process:
    """A process that is loading, or has loaded, its rewards. Nothing here waits for it.

    Args:
        rewards: by their numbers in the pool.
        memory: GiB that each process may allocate.

    Attributes:
        child: the process of its keeper.
        ready: whether it has said that it has loaded its rewards.
        since: when it was started, by `time.monotonic`.
        unsent: what it is still to be sent.
    """

    def __init__(self, rewards: Mapping[int, Reward], memory: float) -> None:
        self._socket, theirs = socket.socketpair()
        names = [reward.name for reward in rewards.values()]
        title = f'reward "{names[0]}"' if len(names) == 1 else "rewards"
        self.child = subprocess.Popen(
            [sys.executable, "-P", keeper.__file__, str(theirs.fileno()), str(int(memory * 2**30)), title],
            pass_fds=[theirs.fileno()], env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        theirs.close()
        self._socket.setblocking(False)
        secret = secrets.token_bytes(32)
        self._frames, self._batch, self._call = Frames(secret), *READY
        self.unsent = pickle.dumps((secret, sys.path, {n: (r.spec, r.given) for n, r in rewards.items()}))
        self.ready, self.since = False, time.monotonic()
        with suppress(BrokenPipeError, ConnectionResetError):  # it is noticed where the process is needed
            self.send()

    def fileno(self) -> int:
        """Of its connection."""
        return self._socket.fileno()

    def give(self, task: tuple[Any, ...]) -> bool:
        """Hand over a task, whether or not the process is ready yet.

        Returns:
            False where it has died while it was idle.

        Raises:
            RuntimeError: it ended before it had loaded its rewards.
        """
        try:
            if self.child.poll() is not None:
                raise BrokenPipeError
            if self.ready:
                self._batch, self._call = self._batch + 1, 0
            self.unsent += pickle.dumps((max(1, self._batch), *task))
            self.send()
        except (BrokenPipeError, ConnectionResetError):
            if not self.ready and not self._was_ready():
                raise self.cannot_start() from None
            return False
        return True

    def send(self) -> None:
        """Send as much as the connection takes.

        Raises:
            BrokenPipeError, ConnectionResetError: the process has died.
        """
        with suppress(BlockingIOError):
            while self.unsent:
                self.unsent = self.unsent[self._socket.send(self.unsent) :]

    def receive(self) -> None:
        """Read what it has sent; `answer` gives it out.

        Raises:
            EOFError, ConnectionResetError: it has died, or closed its connection.
        """
        with suppress(BlockingIOError):
            received = self._socket.recv(PIECE)
            if not received:
                raise EOFError
            self._frames.feed(received)

    def answer(self) -> bytes | None:
        """The answer to its next call; None while there is none. The first one is empty, and says that it is ready.

        Raises:
            ForeignBytes: something else was written on the connection.
        """
        content = self._frames.take(self._batch, self._call)
        if content is None:
            return None
        if self.ready:
            self._call += 1
        else:
            self.ready, self._batch = True, 1
        return content

    def _was_ready(self) -> bool:
        """Whether a process that is gone had been ready: what a spare one says is not read until it is needed."""
        with suppress(EOFError, ConnectionResetError):
            self.receive()
            return self.answer() is not None
        return False

    def cannot_start(self) -> RuntimeError:
        """The error of a process that ended before it had loaded its rewards."""
        return RuntimeError(f"a reward worker could not start ({self.how_it_ended()}); its error is above")

    def how_it_ended(self) -> str:
        """Its exit status, in words."""
        try:
            code = self.child.wait(2.0)
        except subprocess.TimeoutExpired:
            return "it closed its connection"
        return f"signal {code - 128}" if code > 128 else f"exit status {code}"

    def hang_up(self) -> None:
        """Tell the keeper to end everything; `kill` waits until it has."""
        self._socket.close()
        if self.child.stdin and not self.child.stdin.closed:
            with suppress(OSError):
                os.write(self.child.stdin.fileno(), b".")  # closing is not enough: a fork of this process may hold it
            self.child.stdin.close()

    def kill(self) -> None:
        """End the worker, its keeper and whatever they have started, at once."""
        self.hang_up()
        try:
            self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
