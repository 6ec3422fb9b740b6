"""Time as a value that is handed in; the only module here that reads the machine's clocks."""

import time
from typing import Protocol


class Clock(Protocol):
    """What this package needs of time."""

    def now(self) -> float:
        """Seconds since the epoch, UTC. It may jump; nothing waits on it."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards, from an arbitrary zero; deadlines use it."""
        ...


class SystemClock:
    """The machine's clocks."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
