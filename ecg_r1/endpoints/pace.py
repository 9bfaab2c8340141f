"""How often requests begin."""

from __future__ import annotations

import threading
import time


class Pace:
    """Begins requests no more often than so many a minute, whichever thread makes them."""

    def __init__(self, per_minute: float | None):
        self.gap = 60 / per_minute if per_minute else 0.0
        self.next, self.lock = 0.0, threading.Lock()

    def wait(self) -> None:
        """Wait until a request may begin."""
        with self.lock:
            now = time.monotonic()
            begin = max(now, self.next)
            self.next = begin + self.gap
        time.sleep(max(0.0, begin - now))
