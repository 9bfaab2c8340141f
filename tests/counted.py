"""How much work something takes, so that no test depends on how fast a machine is."""

import gc
import sys
import time
from collections.abc import Callable

TIMES = 4  # times the text
MOST = 8  # times the work: linear work takes 4 times as much, quadratic work 16 times
TRIES = 5


def calls(work: Callable[[], object]) -> int:
    """The number of calls of functions, in Python and in C, that `work` makes: the same on every machine."""
    number = 0

    def count(frame: object, event: str, arg: object) -> None:
        nonlocal number
        number += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return number


def growth(work: Callable[[str], object], text: Callable[[int], str], length: int) -> float:
    """How many times longer `work` takes for a text of `TIMES` times the length, in processor time of this process.

    Regular expressions do their work in C, where no call can be counted, so this is a ratio of two times of one run.
    Each is the least of as many as TRIES: other work on the machine makes some of them longer and none shorter.

    Args:
        work: reads a text.
        text: makes a text of a given length.
        length: of the shorter text, in characters.
    """
    short, long = [], []
    for more in range(TRIES):  # each text is a new one, so that none is remembered
        short.append(_seconds(work, text(length + more)))
        long.append(_seconds(work, text(TIMES * length + more)))
        if min(long) < MOST * min(short):
            break
    return min(long) / min(short)


def _seconds(work: Callable[[str], object], text: str) -> float:
    gc.collect()
    gc.disable()
    try:
        began = time.process_time()
        work(text)
        return time.process_time() - began
    finally:
        gc.enable()
