"""Header lines that were accepted before, so that equal ones need not be read again.

Mail clients and image proxies send the same header block with every request, and after the ``Host``
line, which they send first, the same block to every tracking hostname. A head is the concatenation
of its lines, so one that is put together from a ``Host`` line and a rest that httptools and
:func:`edge.tracking.protocol.split_heads` accepted, each in a head without any other ``Host``, is
as good as those were; only its request line is new.
"""

from typing import Final

MAX_HOSTS: Final = 4096
MAX_RESTS: Final = 8192
MAX_HOST_LINE: Final = 300
MAX_REST: Final = 1024
"""Bytes of what is remembered; with the counts, at most about 10 MiB in a worker."""


class KnownHeads:
    """``hosts``: ``Host`` lines to their host keys; ``rests``: what followed them."""

    __slots__ = ("hosts", "rests")

    def __init__(self) -> None:
        self.hosts: dict[bytes, bytes] = {}
        self.rests: set[bytes] = set()

    def remember(self, head: bytes, line_end: int, host: bytes) -> None:
        """Keep the lines of an accepted head that keeps its connection and has ``Host`` first."""
        if head[line_end : line_end + 7].lower() != b"\r\nhost:":
            return
        host_end = head.find(b"\r\n", line_end + 7)
        line, rest = head[line_end:host_end], head[host_end:]
        if len(line) > MAX_HOST_LINE or len(rest) > MAX_REST:
            return
        if len(self.hosts) >= MAX_HOSTS:
            self.hosts.clear()
        if len(self.rests) >= MAX_RESTS:
            self.rests.clear()
        self.hosts[line] = host
        self.rests.add(rest)
