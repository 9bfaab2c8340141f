"""What a reward that runs in this process may have changed, given back."""

from __future__ import annotations

import locale
import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def restored() -> Iterator[None]:
    """Give back folder, environment, locale, random numbers, NumPy's error state, recursion limit, signal handlers."""
    folder, environment, language = os.getcwd(), dict(os.environ), locale.setlocale(locale.LC_ALL)
    numbers, numpy_numbers, errors = random.getstate(), np.random.get_state(), np.geterr()
    depth, handlers = sys.getrecursionlimit(), _handlers()
    try:
        yield
    finally:
        os.chdir(folder)
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)
        if locale.setlocale(locale.LC_ALL) != language:
            locale.setlocale(locale.LC_ALL, language)
        random.setstate(numbers)
        np.random.set_state(numpy_numbers)
        np.seterr(**errors)
        sys.setrecursionlimit(depth)
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)


def _handlers() -> dict[int, Any]:
    """The handlers that Python has set; only the main thread may change them."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: handler for number in signal.valid_signals() if (handler := signal.getsignal(number)) is not None}
