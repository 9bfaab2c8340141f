"""A process that vLLM starts ends with the process that started it, also where that one is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading

ENDS_WITH_PARENT = "ECG_R1_ENDS_WITH_PARENT"  # set by `ecg-r1 serve`; other programs decide for their own processes


def end_with_parent() -> None:
    """Watch the parent of this process, and end the process when the parent is dead. Does nothing in the first process.

    vLLM's engine would live on and keep its memory when the server is killed.
    """
    parent = multiprocessing.parent_process()
    if parent is not None and os.environ.get(ENDS_WITH_PARENT):
        threading.Thread(target=_watch, args=(parent,), name="ends-with-parent", daemon=True).start()


def _watch(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)
