"""Time as a value that is handed in, so that tests can hold it still.

The only module that reads the machine's clocks (ruff bans the calls elsewhere).
"""

import time
from typing import Protocol


class Clock(Protocol):
    """What the stations need of time."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        ...

    def now_us(self) -> int:
        """Microseconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards, from an arbitrary zero."""
        ...


class SystemClock:
    """The machine's clocks."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    @staticmethod
    def now_us() -> int:
        """Microseconds since the epoch, UTC."""
        return time.time_ns() // 1000


class ManualClock:
    """A clock that stands until it is moved; for tests."""

    def __init__(self, start: float = 1_750_000_000.0) -> None:
        self._now = start
        self._monotonic = 0.0

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._now

    def now_us(self) -> int:
        """Microseconds since the epoch, UTC."""
        return round(self._now * 1_000_000)

    def monotonic(self) -> float:
        """Seconds moved since the start."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move both clocks on."""
        self._now += seconds
        self._monotonic += seconds
