"""Ports for the servers that benchmarks and tests start."""

import random
import socket
from contextlib import suppress


def free_port() -> int:
    """A port on which nobody listens, below those that the system gives to any program that asks (from 32768 on).

    Raises:
        OSError: a hundred ports were tried, and each is taken.
    """
    for port in random.SystemRandom().sample(range(20_000, 32_768), 100):
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port between 20000 and 32768; end some programs that listen there")
