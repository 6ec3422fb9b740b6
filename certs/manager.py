"""The loop that keeps every host's certificate: claim what is due, do one thing, release it.

How to think about it: a host is one row under a lease. Before anything that cannot be taken back
its row is saved: the private key before the order is made, the order's address before it is
finalized. So a process killed anywhere leaves a row from which the next holder goes on.

It promises one order per host at a time, at most one unfinished order per need, and no key outside
a row. A failure changes the row, never the certificate that is served; when the authority is down
or refuses us altogether, all work pauses (:mod:`certs.pause`). It must never order for a host whose
gate did not open, nor store what :mod:`certs.issued` did not verify.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from certs import decisions
from certs.acme_client import AcmeClient
from certs.acme_wire import Order
from certs.authority import Authority
from certs.budgets import Budgets, Charge
from certs.clock import Clock
from certs.decisions import Need, Policy
from certs.errors import (
    BadAnswer,
    CertificateError,
    CustomerError,
    LeaseLost,
    OperatorError,
    OrderGone,
    RateLimited,
    Unavailable,
)
from certs.host import Host, PendingOrder
from certs.issuance import DEADLINE, Work, complete
from certs.issued import choose_chain, verify
from certs.keys import new_key
from certs.pause import Pause
from certs.storage import Claim, Gate, Spawn, Storage, open_gate

log = logging.getLogger(__name__)
STAND_BY, LONGEST_STAND_BY = 20.0, 60.0
"""Seconds: a refill that is stood by for, and how long whom others overtake goes on with that."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a manager behaves; times in seconds.

    ``lease`` must outlast the slowest request (:mod:`certs.acme_network`): it is extended between
    requests, and whoever finds it expired goes on from the row. ``deadline`` bounds one go at an
    order, ``idle`` is the pause of each of the ``workers`` when nothing is due, and ``grace`` what
    they are given to end in.
    """

    policy: Policy = field(default_factory=Policy)
    budgets: Budgets = field(default_factory=Budgets)
    lease: float = 180.0
    deadline: float = DEADLINE
    idle: float = 5.0
    grace: float = 5.0
    workers: int = 4


@dataclass(slots=True)
class _Run:
    """One claimed host; ``host`` is the row as it was last saved."""

    claim: Claim
    host: Host
    resumed: bool = False


def _ignore(host: Host) -> None:
    """The default of ``changed``."""


class Manager:
    """Keeps the certificates of the hosts in a storage.

    ``holder`` names this process among all. ``staging`` is where a host goes after its first
    failure. ``changed`` is called with every row that is released: metrics and alarms hang there.
    """

    def __init__(
        self,
        storage: Storage,
        authority: Authority,
        clock: Clock,
        holder: str,
        *,
        gate: Gate = open_gate,
        staging: Authority | None = None,
        options: Options | None = None,
        changed: Callable[[Host], None] = _ignore,
    ) -> None:
        self._storage = storage
        self._authority = authority
        self._staging = staging
        self._clock = clock
        self._holder = holder
        self._gate = gate
        self._options = options or Options()
        self._changed = changed
        self._pause = Pause(self._options.policy.outage)
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look for due hosts now, and not after ``idle``: one was added, or made due."""
        self._woken.set()

    async def run(self, spawn: Spawn, stopping: asyncio.Event) -> None:
        """Work until ``stopping`` is set.

        What is under way has ``grace`` seconds to end; then it is cancelled, which loses nothing:
        whoever claims the host next goes on from its row.
        """
        workers = [
            spawn(f"certificates {number}", self._worker(stopping))
            for number in range(self._options.workers)
        ]
        try:
            await stopping.wait()
            self.wake()
            await asyncio.wait(workers, timeout=self._options.grace)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _worker(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                worked = await self.step()
            except Exception:  # the one broad catch of this loop: it must outlive storage and bugs
                log.exception("a certificate job broke off; its lease runs out by itself")
                worked = False
            if not worked and not stopping.is_set():
                try:
                    async with asyncio.timeout(self._options.idle):
                        await self._woken.wait()
                except TimeoutError:
                    pass
                self._woken.clear()

    async def step(self) -> bool:
        """Do one thing for the host that is due longest; False if there was nothing to do."""
        if self._pause.lasts(self._clock.monotonic()):
            return False
        claim = await self._storage.claim(self._holder, self._clock.now(), self._options.lease)
        if claim is None:
            return False
        run = _Run(claim, claim.host)
        try:
            done = await self._attempt(run)
            if done is not None:
                await self._storage.release(claim, done)
                self._changed(done)
        except LeaseLost as error:
            log.info("put down: %s", error)
        return True

    async def _attempt(self, run: _Run) -> Host | None:
        """The row to release the host with, or None if that is done."""
        try:
            return await self._advance(run)
        except LeaseLost:
            raise
        except OSError as error:
            return self._failed(run, OperatorError(f"this machine fails: {error!r}"))
        except CertificateError as error:
            return self._failed(run, error)

    def _failed(self, run: _Run, error: CertificateError) -> Host:
        order = run.host.order
        if order is not None and order.rehearsal and not isinstance(error, CustomerError):
            log.warning(
                "%s: staging does not rehearse, so the next try is real: %s", run.host.name, error
            )
            return decisions.rehearsed(run.host, self._clock.now())
        log.warning("%s: %s must act: %s", run.host.name, error.who, error)
        self._pause.failed(run.host.name, error, self._clock.monotonic())
        return decisions.failed(run.host, error, self._clock.now(), self._options.policy)

    async def _advance(self, run: _Run) -> Host | None:
        now = self._clock.now()
        host = run.host
        need = decisions.need(host, now)
        if need is Need.CHECK_DNS:
            await self._gate(host.name)
            return decisions.attached(host, now)
        if need is Need.RENEWAL_INFO:
            return await self._renewal_info(host)
        if need is Need.ORDER:
            return await self._order(run)
        if need is Need.RESUME:
            run.resumed = True
            return await self._resume(run)
        # Due, and nothing to do: the row was touched by hand. Its own times say when.
        times = [host.validity.renew_at, host.validity.check_at] if host.validity else []
        return replace(host, due=min(times, default=now))

    async def _renewal_info(self, host: Host) -> Host:
        renewal_id = decisions.replaces(host)
        info = None
        if renewal_id is not None:
            try:
                info = await self._authority.call(lambda client: client.renewal_info(renewal_id))
                self._pause.succeeded()
            except CertificateError as error:
                self._pause.failed(host.name, error, self._clock.monotonic())
                # It is advice; without it the certificate is renewed at the backstop.
                log.info("%s: no renewal information: %s", host.name, error)
        return decisions.informed(host, info, self._clock.now(), self._options.policy)

    async def _order(self, run: _Run) -> Host | None:
        host, now = run.host, self._clock.now()
        await self._gate(host.name)
        rehearsal = host.rehearse and self._staging is not None
        authority = self._staging if rehearsal and self._staging else self._authority
        directory = authority.terms.directory
        charges = self._options.budgets.charges(
            host.name,
            host.tenant,
            renewal=host.validity is not None,
            exempt=decisions.in_window(host, now) and not rehearsal,
            directory=directory,
        )
        if wait := await self._take(run, charges):
            return decisions.deferred(host, wait, self._clock.now())
        now = self._clock.now()
        replaces = None if rehearsal else decisions.replaces(host)
        order = PendingOrder(directory, new_key(), now, None, replaces, rehearsal)
        await self._save(run, replace(host, order=order))
        return await self._resume(run)

    async def _take(self, run: _Run, charges: Sequence[Charge]) -> float:
        """Take from the budgets; the wait if that is too long for standing by.

        A bucket that refills within seconds (the pace) is waited for with the host in hand: putting
        it off would cost everybody's gate anew, and the customer a minute.
        """
        waited = 0.0
        while True:
            wait = await self._storage.take(charges, self._clock.now())
            if not wait or wait > STAND_BY or waited > LONGEST_STAND_BY:
                return wait
            await self._keep(run)
            await asyncio.sleep(wait)
            waited += wait

    async def _keep(self, run: _Run) -> None:
        await self._storage.extend(run.claim, self._clock.now(), self._options.lease)

    async def _save(self, run: _Run, host: Host) -> None:
        await self._storage.save(run.claim, host)
        run.host = host

    async def _resume(self, run: _Run) -> Host | None:
        order = run.host.order
        authority = self._of(order)
        if order is None or authority is None:
            return replace(run.host, order=None)
        if order.url is None:
            await self._keep(run)
            order = replace(order, url=await self._place(authority, run, order))
            await self._save(run, replace(run.host, order=order))
        work = Work(
            run.host.name,
            order.key_pem,
            order.url or "",
            lambda: self._keep(run),
            order.rehearsal,
            self._options.deadline,
        )
        chains = await complete(authority, work, self._clock)
        self._pause.succeeded()
        now = self._clock.now()
        if order.rehearsal:
            return decisions.rehearsed(run.host, now)
        pem = choose_chain(chains, authority.terms.preferred_chain)
        certificate = verify(pem, order.key_pem, run.host.name, now)
        host = decisions.issued(run.host, certificate, now, self._options.policy)
        await self._storage.store_certificate(run.claim, certificate, host)
        log.info(
            "%s: certificate stored, renewal in %.1f days", host.name, (host.due - now) / 86400
        )
        self._changed(host)
        return None

    def _of(self, order: PendingOrder | None) -> Authority | None:
        """The authority of a stored order; None if it is no longer one of ours."""
        for one in (self._authority, self._staging):
            if one is not None and order is not None and one.terms.directory == order.directory:
                return one
        return None

    async def _place(self, authority: Authority, run: _Run, order: PendingOrder) -> str:
        """The address of a new order, or of the one whose address was lost in a crash."""
        name, profile = run.host.name, authority.terms.profile
        if run.resumed:
            try:
                lost = await authority.signed(lambda client, url: client.open_orders(url, name))
            except (BadAnswer, OrderGone) as error:
                log.info("%s: the authority does not list our orders: %s", name, error)
                lost = []
            if lost:
                return lost[0].url

        def new(client: AcmeClient, replaces: str | None) -> Order:
            return client.new_order(name, profile=profile, replaces=replaces)

        try:
            return (await authority.signed(lambda client, _: new(client, order.replaces))).url
        except CertificateError as error:
            # Replaced already, or not this account's: RFC 9773 § 5 lets it refuse the whole order.
            if order.replaces is None or isinstance(error, Unavailable | RateLimited):
                raise
            log.info("%s: ordered without naming what it replaces: %s", name, error)
            return (await authority.signed(lambda client, _: new(client, None))).url
