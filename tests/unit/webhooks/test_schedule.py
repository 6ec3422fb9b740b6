"""The schedule and the breaker, on times that are handed in."""

from hypothesis import given
from hypothesis import strategies as st

from edge.model.webhook import RETRIED, TYPES, Outcome
from edge.webhooks.breaker import PAUSES_US, Breaker
from edge.webhooks.schedule import DELAYS_US, next_due, outcome_of

MINUTE = 60_000_000


def test_the_seeds_schedule() -> None:
    """5, 10, 15 minutes, 1, 2, 4 hours from the attempt before: 7 attempts over 7 h 30 min."""
    now, times, attempts = 0, [0], 1
    while outcome_of(500, attempts, retried=True) is None:
        now = next_due(attempts, now)
        times.append(now)
        attempts += 1
    assert [at // MINUTE for at in times] == [0, 5, 15, 30, 90, 210, 450]
    assert outcome_of(500, attempts, retried=True) is Outcome.FAILED
    assert len(DELAYS_US) == 6
    assert set(TYPES) - set(RETRIED) == {"delivered"}


@given(st.one_of(st.none(), st.integers(100, 599)), st.integers(1, 7), st.booleans())
def test_what_an_answer_means(status: int | None, attempts: int, retried: bool) -> None:
    """200 takes, 406 refuses, all else is tried again while there are attempts left."""
    found = outcome_of(status, attempts, retried=retried)
    if status == 200:
        assert found is Outcome.TAKEN
    elif status == 406:
        assert found is Outcome.REJECTED
    else:
        assert found is (None if retried and attempts < 7 else Outcome.FAILED)


@given(st.integers(1, 100), st.lists(st.sampled_from(["took", "event", "down"]), max_size=80))
def test_the_allowance_stays_within_its_bounds(most: int, answers: list[str]) -> None:
    """Never more than the cap, never nothing while the breaker is closed."""
    breaker = Breaker(most)
    for place, answer in enumerate(answers):
        if answer == "took":
            breaker.answered()
        else:
            breaker.failed(place, down=answer == "down")
        room = breaker.room(place)
        assert 0 <= room <= most
        assert (room == 0) == (breaker.until is not None)


def test_ten_silences_or_fifty_wrong_answers_in_a_row_open_the_breaker() -> None:
    """One event that is taken in between starts the count anew."""
    for down, needed in ((True, 10), (False, 50)):
        breaker = Breaker(20)
        for _ in range(needed - 1):
            breaker.failed(0, down=down)
        assert breaker.until is None
        breaker.answered()
        for _ in range(needed - 1):
            breaker.failed(0, down=down)
        assert breaker.until is None
        breaker.failed(0, down=down)
        assert breaker.until == PAUSES_US[0]


def test_an_open_breaker_lets_one_probe_through_and_waits_longer_each_time() -> None:
    """What was under way when it opened changes nothing; an answer closes it for good."""
    breaker, now = Breaker(20), 0
    for _ in range(10):
        breaker.failed(now, down=True)
    for pause in (*PAUSES_US, PAUSES_US[-1]):
        assert breaker.until == now + pause
        breaker.failed(now + pause - 1, down=True)
        assert breaker.until == now + pause
        assert breaker.room(now + pause - 1) == 0
        now += pause
        assert breaker.room(now) == 1
        breaker.flying = 1
        assert breaker.room(now) == 0
        breaker.flying = 0
        breaker.failed(now, down=True)
    breaker.answered()
    assert breaker.until is None
    assert breaker.room(now) == 2
    assert not breaker.proven or breaker.room(now) > 2
    assert Breaker(20, until=5).room(4) == 0
