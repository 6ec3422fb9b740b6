"""When a delivery is tried again, and what an answer means; pure.

Mailgun's schedule: 5, 10, 15 minutes, 1, 2, 4 hours, each counted from the attempt before it, so
seven attempts over 7 h 30 min. 200 is the only answer that takes a delivery, 406 the only one that
refuses it for good; another 2xx and a redirect are failures like any other.
"""

from typing import Final

from edge.model.webhook import Outcome

MINUTE_US: Final = 60_000_000
DELAYS_US: Final = tuple(minutes * MINUTE_US for minutes in (5, 10, 15, 60, 120, 240))

WAITED_US: Final = 8 * 60 * MINUTE_US
"""For how long a delivery may be due and not be tried, because its endpoint is paused or broken."""

TAKEN: Final = 200
REJECTED: Final = 406

DOWN: Final = frozenset({429, 502, 503, 504})
"""Answers that speak of the server rather than of this event."""


def outcome_of(status: int | None, attempts: int, *, retried: bool) -> Outcome | None:
    """What an answer (None: there was none) to the attempt of this number makes of a delivery.

    None where it is tried again.
    """
    if status == TAKEN:
        return Outcome.TAKEN
    if status == REJECTED:
        return Outcome.REJECTED
    if not retried or attempts > len(DELAYS_US):
        return Outcome.FAILED
    return None


def next_due(attempts: int, now_us: int) -> int:
    """When a delivery is due again whose attempt of this number (from 1) ended now."""
    return now_us + DELAYS_US[attempts - 1]
