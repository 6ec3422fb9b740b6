"""Ports for servers that tests start."""

import os
import random
import socket
from collections import deque

_LOWEST, _EACH = 10_000, 2_500
_chosen = random.SystemRandom()
"""Not the seeded one, which says the same in each of several test processes."""
_given: deque[int] = deque(maxlen=500)
"""Ports that were handed out lately, and may not be bound yet."""


def free_port() -> int:
    """A TCP port of the loopback that nothing uses now, below those the kernel gives to clients.

    A server that is restarted must get its port again: one from the kernel's own range may by then
    be the near end of somebody's connection. Test processes that run side by side have a range of
    their own each (pytest-xdist names them gw0, gw1, …).
    """
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
    lowest = _LOWEST + number * _EACH
    while True:
        port = _chosen.randrange(lowest, lowest + _EACH)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.append(port)
        return port
