"""Counting per address and per key, in bounded memory, on a clock that is handed in."""

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import Final

from edge.clock import Clock

MINUTE: Final = 60.0
MOST: Final = 10_000
"""Addresses or keys that are remembered; the longest unseen is forgotten first."""


def network_of(address: str) -> str:
    """What failed attempts are counted by: an IPv4 address, or the /64 that one IPv6 host owns."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)


class Bucket:
    """Token buckets: ``limit`` in ``seconds`` for each name, all of them at once if saved up.

    A limit of 0 is none at all.
    """

    def __init__(
        self, limit: int, clock: Clock, most: int = MOST, *, seconds: float = MINUTE
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._most = most
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    @property
    def limit(self) -> int:
        """How many there are when all are there; 0 is no limit."""
        return self._limit

    def left(self, name: str) -> int:
        """How many this name could take at once now."""
        return int(self._now(name))

    def full_in(self, name: str) -> float:
        """Seconds until this name has all of them again."""
        return (self._limit - self._now(name)) * self._seconds / self._limit if self._limit else 0.0

    def wait(self, name: str) -> float:
        """Seconds until this name may go on; 0 if it may now. Takes nothing."""
        if not self._limit:
            return 0.0
        missing = 1.0 - self._now(name)
        return max(0.0, missing * self._seconds / self._limit)

    def take(self, name: str) -> float:
        """Take one; as :meth:`wait`, and nothing is taken where one has to wait."""
        if not self._limit:
            return 0.0
        left = self._now(name)
        if left < 1.0:
            return (1.0 - left) * self._seconds / self._limit
        self._left[name] = (left - 1.0, self._clock.monotonic())
        self._left.move_to_end(name)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        return 0.0

    def give_back(self, name: str) -> None:
        """Undo one :meth:`take`: it turned out not to count."""
        if name in self._left:
            whole = min(float(self._limit), self._now(name) + 1.0)
            self._left[name] = (whole, self._clock.monotonic())

    def _now(self, name: str) -> float:
        left, at = self._left.get(name, (float(self._limit), 0.0))
        if name not in self._left:
            return left
        grown = (self._clock.monotonic() - at) * self._limit / self._seconds
        return min(float(self._limit), left + grown)
