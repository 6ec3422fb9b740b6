"""Token buckets, on a clock by hand."""

from hypothesis import given
from hypothesis import strategies as st

from edge.clock import ManualClock
from edge.throttle import Bucket

STEPS = st.lists(st.floats(0, 5).map(lambda seconds: round(seconds, 3)), min_size=1, max_size=80)


@given(limit=st.integers(1, 20), seconds=st.sampled_from([1.0, 10.0, 60.0]), steps=STEPS)
def test_never_more_than_the_limit_and_what_grew(
    limit: int, seconds: float, steps: list[float]
) -> None:
    """However it is asked: one can be taken exactly when one is left, and after the told wait."""
    clock = ManualClock()
    bucket = Bucket(limit, clock, seconds=seconds)
    passed, taken = 0.0, 0
    for step in steps:
        clock.advance(step)
        passed += step
        left = bucket.left("a")
        assert 0 <= left <= limit
        wait = bucket.take("a")
        assert (wait == 0) == (left >= 1)
        taken += wait == 0
        if wait:
            assert wait <= seconds / limit + 1e-6
            clock.advance(wait + 1e-6)
            passed += wait + 1e-6
            assert bucket.take("a") == 0
            taken += 1
        assert taken <= limit + passed * limit / seconds + 1e-6
    assert bucket.left("b") == limit, "every name has its own"


@given(limit=st.integers(1, 20), taken=st.integers(0, 25))
def test_it_is_full_again_when_it_says(limit: int, taken: int) -> None:
    """``full_in`` is the time until as many are left as there can be."""
    clock = ManualClock()
    bucket = Bucket(limit, clock, seconds=10.0)
    for _ in range(taken):
        bucket.take("a")
    assert bucket.full_in("a") <= 10.0 + 1e-9
    clock.advance(bucket.full_in("a") + 1e-6)
    assert bucket.left("a") == limit


def test_no_limit_is_never_used_up() -> None:
    """0 is off: nothing is remembered, nobody waits."""
    bucket = Bucket(0, ManualClock())
    assert [bucket.take("a") for _ in range(100)] == [0.0] * 100
    assert (bucket.full_in("a"), len(bucket)) == (0.0, 0)
