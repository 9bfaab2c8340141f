"""One child process that runs rewards, seen from its parent; `child_main` is what it executes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from ecg_r1.scoring.registry import Reward


class Process:
    """A child that is loading, or has loaded, its rewards.

    Attributes:
        connection: to the child.
        child: the process.
        ready: whether it has said that it has loaded them.
        since: when it was started, by `time.monotonic`.
    """

    def __init__(self, rewards: Sequence[Reward]) -> None:
        self.connection: Connection
        self.connection, theirs = Pipe()
        hidden = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
        self.child = subprocess.Popen(
            [sys.executable, "-m", "ecg_r1.scoring.child_main", str(theirs.fileno())],
            pass_fds=[theirs.fileno()], env=os.environ | hidden, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        theirs.close()
        self.connection.send([(reward.spec, reward.given) for reward in rewards])
        self.ready, self.since = False, time.monotonic()

    def send(self, task: tuple[Any, ...]) -> bool:
        """Hand over a task, whether or not the child is ready yet.

        Returns:
            False where the child has died while it was idle.

        Raises:
            RuntimeError: it ended before it had loaded its rewards.
        """
        try:
            self.connection.send(task)
        except (BrokenPipeError, ConnectionResetError):
            if not self.ready and not self._was_ready():
                raise self.cannot_start() from None
            return False
        return True

    def _was_ready(self) -> bool:
        """Whether a child that is gone had been ready: what a spare one says is not read until it is needed."""
        try:
            return self.connection.poll() and bool(self.connection.recv_bytes())
        except (EOFError, ConnectionResetError):
            return False

    def cannot_start(self) -> RuntimeError:
        """The error of a child that ended before it had loaded its rewards."""
        return RuntimeError(f"a reward worker could not start (exit status {self.child.wait()}); its error is above")

    def kill(self) -> None:
        """End the child at once."""
        self.connection.close()
        self.child.kill()
        self.child.wait()
