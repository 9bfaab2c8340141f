"""Python's cyclic garbage collector, while completions are scored."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """No collection inside: reading a batch makes many small objects and no cycles, and the collector, which walks
    through all that is alive, SymPy included, took a quarter of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
