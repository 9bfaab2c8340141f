"""How long a refusal is held back, so that refusing does not take the time of the clients who are answered."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

READ = 1e-9  # seconds of processor time a byte of a request takes to be read: 0.65 ms were measured for 1 MB
SHARE = 0.1  # of one core, for the refusals of an address
BURST = 0.5  # seconds of processor time that an address may take at once
LONGEST = 3.0  # seconds
ADDRESSES = 4096


class Patience:
    """Which address has taken how much processor time with requests that were refused.

    Args:
        now: the time in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic):
        self._now = now
        self._taken: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is not paid back yet, and since when

    def wait(self, address: str, spent: float) -> float:
        """How many seconds a refusal is held back: 0 until an address has taken more than `BURST`.

        Args:
            spent: seconds of processor time that the refused request took.
        """
        now = self._now()
        taken, since = self._taken.pop(address, (0.0, now))
        taken = max(0.0, taken - SHARE * (now - since)) + spent
        self._taken[address] = taken, now
        if len(self._taken) > ADDRESSES:
            self._taken.popitem(last=False)
        return min(LONGEST, max(0.0, taken - BURST) / SHARE)
