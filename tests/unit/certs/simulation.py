"""Months in seconds: a loop whose time jumps, and an authority with Let's Encrypt's limits.

The model stands for the authority, which cannot be had for ninety days; everything of ours runs as
it does in production, the manager's own loop included.
"""

import asyncio
import heapq
import selectors
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from cryptography import x509

from certs.acme_wire import Authorization, Order
from certs.authority import Terms
from certs.budgets import HOUR, WEEK, Limit
from certs.errors import CustomerError, RateLimited, Unavailable
from certs.host import Host
from certs.issued import Certificate
from certs.memory_storage import MemoryStorage
from certs.names import registered_domain
from certs.renewal_info import RenewalInfo, certificate_id
from certs.storage import Claim
from tests.unit.certs.authority import DAY, NOW, TestAuthority, pem

T = TypeVar("T")


class JumpingClock:
    """Stands still while anybody works."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return NOW + self.passed

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self.passed


class _Jump(selectors.SelectSelector):
    """Instead of waiting, moves the clock."""

    def __init__(self, clock: JumpingClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        """Nothing ever comes from outside."""
        if timeout:
            self._clock.passed += timeout
        return []


class _WaitingJump(selectors.SelectSelector):
    """Moves the clock only while nobody is waited for: no request is under way in a thread."""

    SHORT, PAUSE, LATELY = 12.0, 0.003, 0.1
    """Seconds: such a wait, so soon after a request, is somebody polling another program, which
    gets a moment to work."""

    def __init__(self, clock: JumpingClock) -> None:
        super().__init__()
        self._clock = clock
        self.busy = 0
        self.worked = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        """What is there to be read; else wait for it, or jump."""
        found = super().select(0)
        if found or timeout == 0:
            return found
        if self.busy or timeout is None:
            return super().select(0.05)
        polling = timeout < self.SHORT and time.monotonic() - self.worked < self.LATELY
        if polling and (found := super().select(self.PAUSE)):
            return found
        self._clock.passed += timeout
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop on such a clock."""

    def __init__(self, clock: JumpingClock, selector: selectors.SelectSelector | None = None):
        super().__init__(selector or _Jump(clock))
        self._jumping = clock

    def time(self) -> float:
        """The clock's."""
        return self._jumping.monotonic()


class WaitingLoop(JumpingLoop):
    """One whose time stands still while a thread works for it."""

    def __init__(self, clock: JumpingClock) -> None:
        self._waiting = _WaitingJump(clock)
        super().__init__(clock, self._waiting)

    def run_in_executor(  # type: ignore[override]  # generic in the base, which nobody needs here
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        """Let a thread do it, and count it as under way."""
        future = super().run_in_executor(executor, func, *args)
        self._waiting.busy += 1
        future.add_done_callback(self._back)
        return future

    def _back(self, _: object) -> None:
        self._waiting.busy -= 1
        self._waiting.worked = time.monotonic()


def run(
    work: Callable[[JumpingClock], Coroutine[Any, Any, T]],
    loop: Callable[[JumpingClock], JumpingLoop] = JumpingLoop,
) -> T:
    """Run a coroutine on a loop whose time jumps."""
    clock = JumpingClock()
    with asyncio.Runner(loop_factory=lambda: loop(clock)) as runner:
        return runner.run(work(clock))


class Bucket:
    """A limit as the authority keeps it."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._left = float(limit.count)
        self._at = 0.0

    def take(self, now: float) -> float:
        """Take one; the seconds to wait if there is none."""
        each = self._limit.period / self._limit.count
        self._left = min(float(self._limit.count), self._left + (now - self._at) / each)
        self._at = now
        # A float's rounding is nobody's fault.
        if self._left < 1 - 1e-6:
            return (1 - self._left) * each
        self._left -= 1
        return 0.0


@dataclass
class PublishedLimits:
    """What Let's Encrypt counts, by its page on rate limits; ``refused`` are asked in vain.

    ``windows`` are those it suggested, by renewal id; ``limited`` False refuses nobody.
    """

    limited: bool = True
    refused: int = 0
    windows: dict[str, tuple[float, float]] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def _take(self, key: str, limit: Limit, now: float) -> float:
        return self._buckets.setdefault(key, Bucket(limit)).take(now)

    def order(self, host: str, replaces: str | None, now: float, *, failing: bool) -> float:
        """Count an order; the seconds to wait if it is refused."""
        start, end = self.windows.get(replaces or "", (0.0, 0.0))
        exempt = start <= now < end and replaces not in self.replaced
        waits = [self._take(f"failed {host}", Limit(5, HOUR), now) if failing else 0.0]
        if not exempt:
            waits.append(self._take(f"names {host}", Limit(5, WEEK), now))
        if not exempt and host not in self.named:
            waits.append(self._take("orders", Limit(300, 3 * HOUR), now))
            waits.append(self._take(f"domain {registered_domain(host)}", Limit(50, WEEK), now))
        if self.limited and max(waits) > 0:
            self.refused += 1
            return max(waits)
        if replaces:
            self.replaced.add(replaces)
        return 0.0

    def issued(self, host: str, renewal_id: str, now: float, lifetime: float) -> None:
        """A host has a certificate; a window for its successor is suggested."""
        elapsed = 1 / 2 if lifetime < 10 * DAY else 2 / 3
        middle = now + elapsed * lifetime
        self.windows[renewal_id] = (middle - 0.01 * lifetime, middle + 0.01 * lifetime)
        self.named.add(host)


@dataclass
class ModelAuthority:
    """Let's Encrypt as it is published: orders, limits, renewal windows; and it can be down.

    ``silent`` hosts do not answer challenges; ``doubled`` counts orders for a host that has one
    unfinished.
    """

    clock: JumpingClock
    lifetime: float
    limited: bool = True
    down: tuple[float, float] = (0.0, 0.0)
    silent: set[str] = field(default_factory=set)
    doubled: int = 0
    orders: int = 0
    terms: Terms = field(default_factory=lambda: Terms("https://model/dir"))

    def __post_init__(self) -> None:
        self._authority = TestAuthority()
        self._limits = PublishedLimits(self.limited)
        self._orders: dict[str, Order] = {}
        self._chains: dict[str, str] = {}

    @property
    def refused(self) -> int:
        """Orders above a limit."""
        return self._limits.refused

    async def signed(self, verb: Callable[[Any, str], T]) -> T:
        """Run a verb, as :class:`certs.authority.Authority` does."""
        return verb(self._up(), "https://model/account")

    async def call(self, verb: Callable[[Any], T]) -> T:
        """Run a verb that needs no account."""
        return verb(self._up())

    def _up(self) -> "ModelAuthority":
        if self.down[0] <= self.clock.now() < self.down[1]:
            raise Unavailable("connection refused")
        return self

    def new_order(self, host: str, *, profile: str | None, replaces: str | None) -> Order:
        """Count the order by the published limits."""
        failing = host in self.silent
        if wait := self._limits.order(host, replaces, self.clock.now(), failing=failing):
            raise RateLimited("too many", retry_after=wait)
        self.doubled += len(self.open_orders("", host))
        self.orders += 1
        url = f"{host}/{self.orders}"
        self._orders[host] = Order(url, "pending", (host,), (url,), url, None, None, None)
        return self._orders[host]

    def open_orders(self, account_url: str, host: str) -> list[Order]:
        """Unfinished orders."""
        found = self._orders.get(host)
        return [found] if found is not None and found.status in {"pending", "ready"} else []

    def order(self, url: str, host: str) -> Order:
        """An order as it stands."""
        return self._orders[host]

    def authorization(self, url: str) -> Authorization:
        """Pending until its challenge was answered."""
        host = url.partition("/")[0]
        if self._orders[host].status == "invalid":
            problem = {"type": "urn:ietf:params:acme:error:connection", "detail": "timeout"}
            return Authorization(url, "invalid", url, "invalid", problem)
        return Authorization(url, "pending", url, "pending", None)

    def answer_challenge(self, url: str) -> None:
        """Look at the host."""
        host = url.partition("/")[0]
        status = "invalid" if host in self.silent else "ready"
        self._orders[host] = replace(self._orders[host], status=status)

    def finalize(self, order: Order, request: x509.CertificateSigningRequest) -> None:
        """Issue."""
        (host,) = order.names
        now = int(self.clock.now())
        leaf = self._authority.leaf(
            request.public_key(), (host,), starts=now - 3600, ends=now - 3600 + self.lifetime
        )
        renewal_id = certificate_id(leaf)
        assert renewal_id is not None
        self._limits.issued(host, renewal_id, now, self.lifetime)
        self._chains[host] = pem(leaf, self._authority.intermediate)
        self._orders[host] = replace(order, status="valid", certificate=host)

    def download(self, url: str) -> list[str]:
        """The chain."""
        return [self._chains.pop(url)]

    def renewal_info(self, renewal_id: str) -> RenewalInfo | None:
        """The suggested window."""
        start, end = self._limits.windows[renewal_id]
        return RenewalInfo(start, end, 6 * HOUR)


class QueuedStorage(MemoryStorage):
    """Storage in memory that finds the next host of ten thousand quickly.

    It also watches: ``gaps`` counts hosts whose certificate ended before the next one came.
    """

    def __init__(self) -> None:
        super().__init__()
        self._queue: list[tuple[float, str]] = []
        self.gaps = 0

    async def add(self, name: str, tenant: str = "", due: float = 0.0) -> None:
        """Ask for a certificate."""
        await super().add(name, tenant, due)
        heapq.heappush(self._queue, (due, name))

    async def claim(self, holder: str, now: float, seconds: float) -> Claim | None:
        """The host that is due longest."""
        if not self._queue or self._queue[0][0] > now:
            return None
        _, name = heapq.heappop(self._queue)
        token = next(self._tokens)
        self._leases[name] = (token, now + seconds)
        return Claim(self.hosts[name], holder, token)

    async def release(self, claim: Claim, host: Host) -> None:
        """Store the row, and queue it."""
        await super().release(claim, host)
        heapq.heappush(self._queue, (host.due, host.name))

    async def store_certificate(self, claim: Claim, certificate: Certificate, host: Host) -> None:
        """Store a certificate, and see whether it comes in time."""
        before = self.certificates.get(host.name)
        if before is not None and before.not_after < certificate.not_before + 3600:
            self.gaps += 1
        await super().store_certificate(claim, certificate, host)


async def closed_for(hosts: set[str], name: str) -> None:
    """A gate that is closed for some hosts."""
    if name in hosts:
        raise CustomerError(f"the CNAME of {name} leads elsewhere")
