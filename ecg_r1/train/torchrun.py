"""torchrun, run as a program: it ends as its processes did, without a word of its own.

A process that fails has said why. torchrun would add some forty lines that name its own code.
"""

from __future__ import annotations

import logging
import signal
import sys

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from ecg_r1.terminal import say

MEMORY = " (often by the system, since no memory was left)"


def main(arguments: list[str] | None = None) -> None:
    """Start the processes and wait for them.

    Args:
        arguments: of torchrun; the command line's, unless given.

    Raises:
        SystemExit: a process failed, with the exit code of the first that did; a process that a signal ended could say
            nothing, so that is printed, and the exit code is 128 + the signal, as in a shell.
    """
    logging.disable(logging.ERROR)  # torchrun also logs that it ends the other processes
    try:
        run.main(arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode >= 0:
            sys.exit(failure.exitcode)
        number = signal.Signals(-failure.exitcode)
        say(f"process {rank} was ended by {number.name}{MEMORY if number == signal.SIGKILL else ''}", err=True)
        sys.exit(128 + number)


if __name__ == "__main__":
    main()
