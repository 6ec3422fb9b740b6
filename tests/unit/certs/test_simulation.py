"""Ninety days of many hosts: nothing expires, no limit is ever met."""

import asyncio
import functools
import logging
from dataclasses import dataclass, replace
from typing import Protocol, cast

import pytest

from certs.authority import Authority
from certs.budgets import Budgets, spread
from certs.manager import Manager, Options
from tests.unit.certs.authority import DAY, NOW
from tests.unit.certs.simulation import (
    JumpingClock,
    ModelAuthority,
    QueuedStorage,
    closed_for,
    run,
)


@dataclass(frozen=True)
class Story:
    """What happens: the authority is down for ``outage`` days from day ``down_from`` on."""

    hosts: int
    days: float = 90
    lifetime: float = 90
    down_from: float = 60
    outage: float = 7


class Actor(Protocol):
    """An authority in a story, for production or staging.

    ``silent`` hosts do not answer its challenges, ``refused`` are orders above a published limit,
    ``doubled`` those for a host that has one unfinished, ``orders`` all that were made.
    """

    silent: set[str]

    @property
    def refused(self) -> int:
        """Orders above a limit."""
        ...

    @property
    def doubled(self) -> int:
        """Orders beside an unfinished one."""
        ...

    @property
    def orders(self) -> int:
        """Orders that were made."""
        ...


@dataclass
class End:
    """How it ended."""

    storage: QueuedStorage
    real: Actor
    staging: Actor
    broken: set[str]
    elsewhere: set[str]
    clock: JumpingClock


def models(story: Story, clock: JumpingClock) -> tuple[ModelAuthority, ModelAuthority]:
    """Production and staging, as they are published."""
    start = NOW + story.down_from * DAY
    down = (start, start + story.outage * DAY)
    real = ModelAuthority(clock, story.lifetime * DAY, down=down)
    staging = ModelAuthority(clock, story.lifetime * DAY, limited=False)
    staging.terms = replace(staging.terms, directory="https://staging/dir")
    return real, staging


async def tell(
    story: Story,
    clock: JumpingClock,
    storage: QueuedStorage,
    actors: tuple[Actor, Actor],
    authorities: tuple[Authority, Authority],
) -> End:
    """Live through a story: import all hosts, of which some never answer and some lead elsewhere.

    Every fiftieth host does not answer challenges until day 20; every fiftieth has a CNAME that
    leads elsewhere for good. Sixty share a registered domain, where fifty a week are allowed.
    """
    real, staging = actors
    names = [f"email{n}.brand{n // 60}.com" for n in range(story.hosts)]
    broken, elsewhere = set(names[::50]), set(names[25::50])
    for actor in actors:
        actor.silent |= broken
    budgets = Budgets()
    for number, due in enumerate(spread(story.hosts, clock.now(), budgets)):
        await storage.add(names[number], f"tenant {number % 9}", due)
    manager = Manager(
        storage,
        authorities[0],
        clock,
        "simulated",
        gate=functools.partial(closed_for, elsewhere),
        staging=authorities[1],
        options=Options(budgets=budgets, idle=120.0, workers=2),
    )
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    running = loop.create_task(
        manager.run(lambda name, work: loop.create_task(work, name=name), stopping)
    )
    await asyncio.sleep(20 * DAY)
    real.silent.clear()
    staging.silent.clear()
    await asyncio.sleep((story.days - 20) * DAY)
    stopping.set()
    await running
    return End(storage, real, staging, broken, elsewhere, clock)


async def _with_models(story: Story, clock: JumpingClock) -> End:
    actors = models(story, clock)
    authorities = cast("tuple[Authority, Authority]", actors)
    return await tell(story, clock, QueuedStorage(), actors, authorities)


def lived(story: Story) -> End:
    """The end of a story, told without its log."""
    logging.disable(logging.WARNING)
    try:
        return run(lambda clock: _with_models(story, clock))
    finally:
        logging.disable(logging.NOTSET)


def check(story: Story, end: End) -> None:
    """What holds in every story."""
    now = end.clock.now()
    assert now >= NOW + story.days * DAY
    expected = set(end.storage.hosts) - end.elsewhere
    certificates = end.storage.certificates
    assert set(certificates) == expected
    assert end.storage.gaps == 0
    assert not [name for name in expected if certificates[name].not_after < now]
    assert (end.real.refused, end.real.doubled, end.staging.doubled) == (0, 0, 0)
    for name in end.elsewhere:
        row = end.storage.hosts[name]
        assert row.detached
        assert row.failures < 14 + 90 + 5


@pytest.mark.parametrize(
    "story",
    [
        Story(hosts=200),
        Story(hosts=200, lifetime=45, down_from=28),
        Story(hosts=100, lifetime=160 / 24, down_from=30, outage=1.5),
    ],
)
def test_nothing_expires_and_no_limit_is_met(story: Story) -> None:
    """Also with the authority down for a week in the midst of all renewals."""
    end = lived(story)
    check(story, end)
    renewals = end.real.orders / (len(end.storage.hosts) - len(end.elsewhere))
    assert 1 < renewals < 3 * story.days / story.lifetime + 3


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("lifetime", [90, 45])
def test_ten_thousand_hosts_for_ninety_days(lifetime: float) -> None:
    """The same at the size that an edge is made for."""
    story = Story(hosts=10_000, lifetime=lifetime, down_from=lifetime * 2 / 3)
    check(story, lived(story))
