"""Real SIGKILLs: at every step that a writer takes on the disk, and of processes that hold a lock."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

STEPS = ("open", "os.rename", "os.remove", "os.truncate", "os.mkdir", "os.rmdir", "os.symlink")


def at_every_step(write: Callable[[], object], folder: Path, *, before: Callable[[], object]) -> Iterator[int]:
    """Run `write` in a child process again and again, killed right before its first, second … step in the folder.

    Args:
        before: puts the folder into its first state again.

    Yields:
        The number of steps that were taken, after each kill; it ends once `write` ended by itself.
    """
    for step in range(1, 200):
        before()
        child = os.fork()
        if child == 0:
            _die_at(step, folder)
            try:
                write()
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=sys.stderr)
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            assert os.waitstatus_to_exitcode(status) == 0, "the writer failed by itself"
            assert step > 1, "the writer took no step"
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
        yield step - 1
    raise AssertionError("the writer does not end")


def _die_at(step: int, folder: Path) -> None:
    taken = 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal taken
        if event in STEPS and arguments and isinstance(arguments[0], str | os.PathLike):
            taken += Path(arguments[0]).is_relative_to(folder)
            if taken == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def wait_for(condition: Callable[[], object], *, what: str, seconds: float = 240) -> None:
    """Wait until something is so; the limit only ends a test that hangs."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not in {seconds} s"
        time.sleep(0.01)
