"""A process that vLLM starts ends with the process that started it, where that is asked for."""

from __future__ import annotations

import os

from ecg_r1.parent import end_with_parent

ENDS_WITH_PARENT = "ECG_R1_ENDS_WITH_PARENT"  # set by `ecg-r1 serve`; other programs decide for their own processes


def end_where_asked() -> None:
    """End this process with its parent, where `ENDS_WITH_PARENT` is set.

    vLLM's engine would live on and keep its memory when the server is killed.
    """
    if os.environ.get(ENDS_WITH_PARENT):
        end_with_parent()
