"""How many deliveries an endpoint may have under way: more while it answers, none while it is dead.

Every endpoint starts small and doubles with what it takes. Failures in a row take it down to one at
a time, and enough of them open its breaker: then nothing is sent for a while, and after that a
single one, whose answer closes the breaker or doubles the pause. What waits keeps its place and its
schedule. Pure: times are handed in.
"""

from typing import Final

FIRST: Final = 2
"""Deliveries under way to an endpoint nothing is known of."""

WORST: Final = 50
UNANSWERED: Final = 5
"""What a failure without an answer, or one of the server as a whole, counts: ten of them open the
breaker, and fifty others, which may be the fault of single events."""

SECOND_US: Final = 1_000_000
PAUSES_US: Final = tuple(seconds * SECOND_US for seconds in (15, 30, 60, 120, 300))


class Breaker:
    """One endpoint's luck. ``most`` is what it may have under way at best.

    ``until`` is when (µs) an open breaker lets a probe through; None while it is closed.
    """

    __slots__ = ("_allowed", "_failures", "_most", "_opened", "flying", "until")

    def __init__(self, most: int, until: int | None = None) -> None:
        self._most = most
        self._allowed = min(FIRST, most)
        self._failures = 0
        self._opened = 0 if until is None else 1
        self.until = until
        self.flying = 0

    @property
    def proven(self) -> bool:
        """Whether it answered lately: only those may use up all places."""
        return self.until is None and not self._failures and self._allowed > min(FIRST, self._most)

    def room(self, now_us: int) -> int:
        """How many more may be under way."""
        if self.until is not None:
            return 1 if now_us >= self.until and not self.flying else 0
        return max(0, self._allowed - self.flying)

    def answered(self) -> None:
        """It took one, or refused one for good: it works."""
        self._allowed = min(self._most, max(1, self._allowed) * 2)
        self._failures, self._opened, self.until = 0, 0, None

    def failed(self, now_us: int, *, down: bool) -> None:
        """It did not; ``down``: there was no answer, or one that speaks of the whole server."""
        self._failures += UNANSWERED if down else 1
        self._allowed = max(1, self._allowed // 2)
        if self.until is None and self._failures < WORST:
            return
        if self.until is not None and now_us < self.until:
            return  # one that was under way when it opened
        self.until = now_us + PAUSES_US[min(self._opened, len(PAUSES_US) - 1)]
        self._opened += 1
