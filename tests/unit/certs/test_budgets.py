"""Budgets: never above an authority's limit, whatever the times of the requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.budgets import HOUR, WEEK, Budgets, Charge, Limit, Limits, spread, take

BUDGETS = Budgets()


def _keys(**changes: bool) -> set[str]:
    options = {"renewal": False, "exempt": False, **changes}
    charges = BUDGETS.charges("email.brand.com", "acme", **options, directory="https://ca/dir")
    return {charge.key.removeprefix("https://ca/dir ") for charge in charges}


def test_an_order_takes_from_the_buckets_that_the_authority_counts() -> None:
    """A new name from all, a renewal not from those per account and domain, an exempt one less."""
    always = {"pace", "tries email.brand.com"}
    assert _keys(renewal=True, exempt=True) == always
    assert _keys(renewal=True) == {*always, "names email.brand.com"}
    assert _keys() == {
        *(*always, "names email.brand.com", "orders", "domain brand.com"),
        "tenant acme",
    }


def test_authorities_have_budgets_of_their_own() -> None:
    """What staging is asked for does not count at the real one."""
    one, two = (
        BUDGETS.charges("a.brand.com", "", renewal=False, exempt=False, directory=directory)
        for directory in ("https://real/dir", "https://staging/dir")
    )
    assert not {charge.key for charge in one} & {charge.key for charge in two}


def test_shares_are_below_the_published_limits() -> None:
    """Four fifths of each by default, over the same period; and a share is never nothing."""
    limits = Limits()
    published = {
        "tries": limits.failures,
        "names": limits.names,
        "orders": limits.orders,
        "domain": limits.domain,
    }
    for charge in BUDGETS.charges("a.brand.com", "t", renewal=False, exempt=False):
        if limit := published.pop(charge.key.split()[0], None):
            assert charge.limit.count == int(limit.count * 0.8)
            assert charge.limit.period == limit.period
    assert not published
    assert Limit(2, 10.0).part(0.1) == Limit(1, 10.0)


def test_a_full_bucket_says_when_to_ask_again() -> None:
    """Five at once, then one per refill; the wait is exact."""
    charge = Charge("k", Limit(5, HOUR))
    levels: dict[str, float] = {}
    for _ in range(5):
        changed, wait = take(levels, [charge], 1000.0)
        assert wait == 0
        levels |= changed
    changed, wait = take(levels, [charge], 1000.0)
    assert changed == {}
    assert wait == pytest.approx(HOUR / 5)
    assert take(levels, [charge], 1000.0 + wait)[1] == 0


def test_one_empty_bucket_keeps_all_the_others_full() -> None:
    """All or nothing: an order that waits takes nothing meanwhile."""
    full, free = Charge("full", Limit(1, HOUR)), Charge("free", Limit(1, HOUR))
    levels, _ = take({}, [full], 0.0)
    changed, wait = take(levels, [free, full], 0.0)
    assert not changed
    assert wait == pytest.approx(HOUR)


def test_a_clock_that_was_set_back_empties_a_bucket_once_at_most() -> None:
    """A level in the far future is one bucket's worth, not years of waiting."""
    charge = Charge("k", Limit(2, HOUR))
    _, wait = take({"k": 1e12}, [charge], 1000.0)
    assert wait == pytest.approx(HOUR / 2)


@given(
    count=st.integers(1, 50),
    period=st.floats(1.0, WEEK),
    pauses=st.lists(st.floats(0.0, 10_000.0), max_size=300),
)
def test_no_window_of_the_authoritys_bucket_is_ever_overdrawn(
    count: int, period: float, pauses: list[float]
) -> None:
    """A model of the authority's own bucket of the same size never refuses what ours let pass."""
    limit = Limit(count, period)
    levels: dict[str, float] = {}
    tokens, filled, now = float(count), 0.0, 0.0
    for pause in pauses:
        now += pause
        changed, wait = take(levels, [Charge("k", limit)], now)
        tokens = min(float(count), tokens + (now - filled) * count / period)
        filled = now
        if wait == 0:
            levels |= changed
            tokens -= 1
            assert tokens > -1e-4


def test_an_import_leaves_room_for_single_orders() -> None:
    """10,000 new hosts are spread over days, below the account's budget."""
    times = spread(10_000, 0.0, BUDGETS)
    assert times[0] == 0.0
    per_three_hours = sum(time < 3 * HOUR for time in times)
    assert 150 < per_three_hours <= 0.75 * 0.8 * 300
    assert 100 * HOUR < times[-1] < 240 * HOUR
