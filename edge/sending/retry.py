"""When a delivery that failed for now is tried again, and when it is given up.

The steps are the ones Mailgun publishes ("Will Mailgun retry my failed messages?"): 10, 15 and 30
minutes, then 1, 2 and 4 hours, over at most 8 hours; after that the message is dropped as
"Too old", code 602, which its events carry with the reason ``old``.
"""

from typing import Final

INTERVALS: Final = (600.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0)
LIFE: Final = 8 * 3600.0
JITTER: Final = 0.1


def next_attempt(
    attempts: int, accepted_at: float, now: float, chance: float, *, life: float = LIFE
) -> float | None:
    """When to try again, in seconds since the epoch, or None: the message is too old.

    ``attempts`` is how many were made (≥ 1); after the schedule's end its last step repeats, which
    only a longer ``life`` can reach. ``chance``, in [0, 1), spreads the step by ±10 %, so that the
    messages that one outage held back do not come back as one. The step counts from the end of
    this attempt. Where the next step would fall behind the end of life, one last attempt is made at
    that end, if at least half of the step is left; so no message is given up early or tried late.
    """
    if attempts < 1:
        raise ValueError("attempts counts those that were made")
    step = INTERVALS[min(attempts, len(INTERVALS)) - 1]
    due = now + step * (1.0 + JITTER * (2.0 * chance - 1.0))
    end = accepted_at + life
    if due <= end:
        return due
    return end if end - now >= step / 2 else None
