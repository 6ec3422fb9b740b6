"""The retry schedule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sending.retry import INTERVALS, LIFE, next_attempt

CHANCE = st.floats(0, 1, exclude_max=True)


def test_the_published_steps() -> None:
    """10, 15 and 30 minutes, 1, 2 and 4 hours, then too old: seven attempts in 7 h 55 min."""
    now = 0.0
    waits: list[float] = []
    while (due := next_attempt(len(waits) + 1, 0.0, now, 0.5)) is not None:
        waits.append(due - now)
        now = due
    assert waits == [600, 900, 1800, 3600, 7200, 14_400]


@given(st.lists(st.tuples(CHANCE, st.floats(0, 900)), min_size=50, max_size=50), st.floats(60, 3e5))
def test_never_after_the_end_of_life(steps: list[tuple[float, float]], life: float) -> None:
    """However long attempts take, each retry lies ahead and within the message's life."""
    now = 1_750_000_000.0
    start = now
    for attempt, (chance, took) in enumerate(steps, 1):
        now += took
        due = next_attempt(attempt, start, now, chance, life=life)
        if due is None:
            step = INTERVALS[min(attempt, len(INTERVALS)) - 1]
            assert start + life - now < step * 1.1
            return
        assert now < due <= start + life
        now = due


def test_a_longer_life_repeats_the_last_step() -> None:
    """With two days to live, every four hours."""
    assert next_attempt(9, 0.0, LIFE, 0.5, life=48 * 3600.0) == LIFE + INTERVALS[-1]


def test_attempts_are_counted_from_one() -> None:
    """A schedule for an attempt that was not made is a mistake of ours."""
    with pytest.raises(ValueError, match="that were made"):
        next_attempt(0, 0.0, 0.0, 0.5)
