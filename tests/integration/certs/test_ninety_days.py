"""The driver of the simulation on a real authority: Pebble issues, only the calendar is ours.

Requests are real, each in its thread, and time stands still while one is under way; then it jumps.
Pebble cannot be told another date, so the proxy in front puts the story's into each certificate
that Pebble made (the same key, signed by another root), suggests renewal windows, counts by the
published limits, and is down for a week.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import pytest
from cryptography import x509

from certs.authority import Authority
from certs.renewal_info import certificate_id
from tests.integration.certs.fault_proxy import Proxy, faulty
from tests.integration.certs.pebble import Pebble, pebble
from tests.integration.certs.worlds import terms
from tests.unit.certs.authority import DAY, NOW, TestAuthority, pem
from tests.unit.certs.simulation import (
    JumpingClock,
    PublishedLimits,
    QueuedStorage,
    WaitingLoop,
    run,
)
from tests.unit.certs.test_simulation import End, Story, check, tell


@dataclass
class Acting:
    """A proxy in front of Pebble, which plays Let's Encrypt by the story's calendar."""

    proxy: Proxy
    limits: PublishedLimits
    clock: JumpingClock
    lifetime: float
    silent: set[str]

    def __post_init__(self) -> None:
        self._authority = TestAuthority()
        self.proxy.windows = self.limits.windows
        self.proxy.limit = self._limit
        self.proxy.certificate = self._dated

    def _limit(self, order: dict[str, Any]) -> float:
        host = order["identifiers"][0]["value"]
        failing = host in self.silent
        return self.limits.order(host, order.get("replaces"), self.clock.now(), failing=failing)

    def _dated(self, chain: str) -> str:
        made = x509.load_pem_x509_certificates(chain.encode())[0]
        names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (host,) = names.get_values_for_type(x509.DNSName)
        now = int(self.clock.now())
        leaf = self._authority.leaf(
            made.public_key(), (host,), starts=now - 3600, ends=now - 3600 + self.lifetime
        )
        renewal_id = certificate_id(leaf)
        assert renewal_id is not None
        self.limits.issued(host, renewal_id, now, self.lifetime)
        return pem(leaf, self._authority.intermediate)

    @property
    def refused(self) -> int:
        """Orders above a limit."""
        return self.limits.refused

    @property
    def orders(self) -> int:
        """Orders that Pebble made."""
        return len(self.proxy.orders)

    @property
    def doubled(self) -> int:
        """Orders for a certificate that was replaced by another one already."""
        replaced = [one["replaces"] for one in self.proxy.orders if "replaces" in one]
        return len(replaced) - len(set(replaced))


@contextmanager
def outside() -> Iterator[tuple[Pebble, Proxy, Proxy]]:
    """Pebble and two proxies, on an ordinary loop in a thread of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stack = AsyncExitStack()

    def there(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    try:
        ca = there(stack.enter_async_context(pebble(reject=5)))
        proxies = [there(stack.enter_async_context(faulty(ca))) for _ in range(2)]
        yield ca, proxies[0], proxies[1]
    finally:
        with contextlib.suppress(TimeoutError):
            there(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _lived(story: Story, clock: JumpingClock, ca: Pebble, fronts: tuple[Proxy, Proxy]) -> End:
    storage = QueuedStorage()
    start = NOW + story.down_from * DAY
    end = start + story.outage * DAY
    fronts[0].down = lambda: start <= clock.now() < end
    silent = ca.responder.silent
    life = story.lifetime * DAY
    real = Acting(fronts[0], PublishedLimits(), clock, life, silent)
    staging = Acting(fronts[1], PublishedLimits(limited=False), clock, life, silent)
    first = Authority(terms(ca, directory=fronts[0].directory), storage, clock)
    rehearsal = Authority(
        terms(ca, directory=fronts[1].directory), storage, clock, same_key_as=first
    )
    ca.responder.thumbprint = await first.thumbprint()
    try:
        return await tell(story, clock, storage, (real, staging), (first, rehearsal))
    finally:
        first.close()
        rehearsal.close()


def lived(story: Story) -> End:
    """The end of a story on Pebble, told without its log."""
    logging.disable(logging.WARNING)
    try:
        with outside() as (ca, real, staging):
            return run(lambda clock: _lived(story, clock, ca, (real, staging)), WaitingLoop)
    finally:
        logging.disable(logging.NOTSET)


def lives(story: Story) -> None:
    """A story whose end is good, with as many certificates as there are lifetimes."""
    end = lived(story)
    check(story, end)
    healthy = len(end.storage.hosts) - len(end.elsewhere)
    made = cast("Acting", end.real).orders
    assert made >= healthy * story.days / story.lifetime
    assert made < healthy * (2 * story.days / story.lifetime + 2) + 60 * len(end.broken)


def test_two_hosts_for_three_weeks() -> None:
    """Short-lived ones, one of them silent at first, with an outage in the midst of renewals."""
    lives(Story(hosts=2, days=22, lifetime=12, down_from=7.5, outage=0.5))


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_two_hundred_hosts_for_ninety_days() -> None:
    """Everything that the simulation promises, with every order at a real authority."""
    lives(Story(hosts=200))
