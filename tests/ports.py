"""Ports for servers that tests start."""

import random
import socket


def free_port() -> int:
    """A TCP port of the loopback that nothing uses now, below those the kernel gives to clients.

    A server that is restarted must get its port again: one from the kernel's own range may by then
    be the near end of somebody's connection.
    """
    while True:
        port = random.randrange(10_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
