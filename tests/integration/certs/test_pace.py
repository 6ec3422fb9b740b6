"""Budgets as the manager keeps them: who has to wait, for how long, and what that costs nobody."""

from dataclasses import replace

import pytest

from certs.budgets import HOUR, Limit
from tests.integration.certs.fault_proxy import faulty
from tests.integration.certs.pebble import pebble
from tests.integration.certs.worlds import OPTIONS, PLENTY, world


@pytest.mark.parametrize(
    ("limits", "free"),
    [
        ({"tenant": Limit(1, HOUR)}, "email.other.example"),
        ({"domain": Limit(2, HOUR)}, "email.other.example"),
        ({"orders": Limit(3, HOUR)}, "click.brand.example"),
    ],
)
async def test_a_full_budget_puts_off_those_it_is_for(limits: dict[str, Limit], free: str) -> None:
    """One customer, or one registered domain, cannot use up the authority for the others.

    Who is put off has not failed, and no order is made for it.
    """
    full = replace(PLENTY, limits=replace(PLENTY.limits, **limits))
    options = replace(OPTIONS, budgets=full)
    async with (
        pebble() as ca,
        faulty(ca) as proxy,
        world(ca, directory=proxy.directory, options=options) as w,
    ):
        await w.storage.add("email.brand.example", "brand")
        await w.work(lambda: "email.brand.example" in w.storage.certificates)
        tenant = "brand" if free.endswith("brand.example") else "other"
        await w.storage.add(free, tenant)
        await w.work(lambda: free in w.storage.certificates)
        late = "third.brand.example"
        await w.storage.add(late, "brand")
        await w.work(lambda: w.host(late).due > w.clock.now())
        row = w.host(late)
        assert (row.failure, row.failures, row.order) == (None, 0, None)
        assert row.due - w.clock.now() > 60
        assert len(proxy.orders) == 2


async def test_the_pace_is_stood_by_for() -> None:
    """A bucket that refills in a moment is waited for: nobody's gate is asked a second time."""
    asked: list[str] = []

    async def gate(name: str) -> None:
        asked.append(name)

    paced = replace(PLENTY, limits=replace(PLENTY.limits, pace=Limit(1, 0.2)))
    names = [f"email.brand{number}.example" for number in range(4)]
    async with (
        pebble() as ca,
        world(ca, gate=gate, options=replace(OPTIONS, budgets=paced)) as w,
    ):
        for name in names:
            await w.storage.add(name)
        await w.work(lambda: len(w.storage.certificates) == len(names))
        assert sorted(asked) == names


async def test_a_clock_that_is_two_days_ahead_issues_all_the_same() -> None:
    """The certificate is good for us and for everybody else; it is renewed two days too early."""
    async with pebble() as ca, world(ca) as w:
        w.clock.offset = 2 * 86_400.0
        certificate = await w.issue("email.brand.example")
        assert certificate.not_before < w.clock.now() < certificate.not_after
        assert w.host("email.brand.example").failure is None
