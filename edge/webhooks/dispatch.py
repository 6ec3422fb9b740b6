"""The worker of the webhook queue: leases deliveries, posts them, tells what became of them.

Nobody waits for a stranger: each endpoint has a small share of the places, which grows while it
answers and is nothing while it is dead (:mod:`edge.webhooks.breaker`); those that have not proven
themselves have at most half of all places together. What a process holds falls due again when it
dies: at once for its successor, and for any other process after the lease. At least once: an answer
that was not written down before a crash is asked for again, under the same event id and token.
"""

import asyncio
import random
import secrets
from typing import Final

import structlog

from edge import crash
from edge.clock import Clock
from edge.lifecycle import Tasks, backoff
from edge.model.errors import PeerError
from edge.model.mailgun_json import dumps
from edge.model.vault import Vault
from edge.model.webhook import Endpoint, Outcome, SigningKey, full_url
from edge.observe import metrics
from edge.store import webhook_queue, webhooks
from edge.store.pool import UNAVAILABLE, Connection, Pool
from edge.store.search import Found
from edge.store.webhook_queue import Key, Leased, Settled
from edge.webhooks.breaker import Breaker
from edge.webhooks.delivery import Attempt, Poster
from edge.webhooks.ledger import Ledger
from edge.webhooks.schedule import DOWN, WAITED_US, next_due, outcome_of
from edge.webhooks.signature import token

log = structlog.get_logger()

SECOND_US: Final = 1_000_000
IDLE_SECONDS: Final = 0.2
"""How often an empty queue is looked at."""

GATHER_SECONDS: Final = 0.005
"""A round costs three statements, however little it takes: a few places may fall free together."""

LEASE_US: Final = 180 * SECOND_US
"""Longer than two tries can take (:data:`edge.webhook_settings.LONGEST_ATTEMPT`)."""

KEYS_US: Final = SECOND_US
"""For how long signing keys are remembered."""

LANDING: Final = 6.0
"""Seconds that deliveries under way have to end when the child stops."""

UPKEEP_SECONDS: Final = 5.0
FILL_SECONDS: Final = 30.0
COUNTED: Final = 100_000
"""Up to here the length of the queue is counted."""

AWAY: Final[tuple[type[Exception], ...]] = (PeerError, *UNAVAILABLE)


def made_key() -> str:
    """A new signing key."""
    return f"key-{secrets.token_hex(16)}"


class Dispatcher:
    """Posts what is queued; one per process.

    ``holder`` names this process in the leases: no other living one has it. ``most`` deliveries are
    under way at a time, ``each`` at most to one endpoint; ``queue_limit`` may wait for one.
    """

    def __init__(
        self,
        *,
        pool: Pool,
        clock: Clock,
        tasks: Tasks,
        vault: Vault,
        poster: Poster,
        holder: str,
        most: int,
        each: int,
        queue_limit: int,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._tasks = tasks
        self._vault = vault
        self._poster = poster
        self._holder = holder
        self._most, self._each, self._queue_limit = most, each, queue_limit
        self._ledger = Ledger(pool, clock, holder)
        self._macs = vault.key_for_macs("webhook tokens")
        self._breakers: dict[int, Breaker] = {}
        self._blocked: set[int] = set()
        self._urls: dict[int, tuple[Endpoint, str]] = {}
        self._keys: dict[int, SigningKey] = {}
        self._keys_at = -KEYS_US
        self._flying: dict[int, asyncio.Task[None]] = {}
        self._unproven = 0
        self._astray = True
        self._freed = asyncio.Event()
        self._idle = asyncio.Event()

    async def run(self) -> None:
        """Work until the child stops, then let what is under way end."""
        tasks = self._tasks
        ledger = tasks.spawn("ledger", self._ledger.run(tasks, self._idle))
        tasks.spawn("upkeep", tasks.every(UPKEEP_SECONDS, self._upkeep, "webhook upkeep"))
        tasks.spawn("fill", tasks.every(FILL_SECONDS, self._fill, "webhook queue limits"))
        failures = 0
        while not tasks.stopping.is_set():
            try:
                more = await self._round()
            except AWAY as error:
                log.warning("the webhook queue is not reached", error=repr(error))
                self._astray = True
                await tasks.pause(backoff(0.1, 5.0, failures))
                failures += 1
                continue
            failures = 0
            await self._wait(more)
        await self._land()
        self._idle.set()
        await ledger

    async def _wait(self, more: bool) -> None:
        """Where more is due, until a delivery has ended and a few more with it; else a moment."""
        if not more:
            await self._tasks.pause(IDLE_SECONDS)
            return
        self._freed.clear()
        if self._flying and not self._tasks.stopping.is_set():
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._freed.wait()
                    await asyncio.sleep(GATHER_SECONDS)
            except TimeoutError:
                return

    async def _round(self) -> bool:
        """Take what there is room for and set it going; whether more may be due."""
        now_us = self._clock.now_us()
        async with self._pool.acquire() as conn:
            if self._astray:
                # What a process before this one held, or what a round leased that then failed.
                left = await webhook_queue.reclaim(conn, self._holder, now_us, but=self._flying)
                metrics.WEBHOOKS_RECLAIMED.inc(left)
                self._astray = False
            waiting = await webhook_queue.waiting(conn, now_us)
            rooms = self._rooms([endpoint for _, endpoint in waiting], now_us)
            if not rooms:
                return len(self._blocked) < len(waiting)
            leased = await webhook_queue.lease(
                conn, rooms, holder=self._holder, now_us=now_us, until=now_us + LEASE_US
            )
            crash.point("webhook-leased")
            leased = [one for one in leased if one.id not in self._flying]
            keys = {one.key for one in leased if one.wanted}
            found = await webhook_queue.events(conn, keys) if keys else {}
            endpoints = {endpoint.id: endpoint for _, endpoint in waiting}
            await self._know_keys(conn, {endpoints[one.endpoint].account for one in leased})
        self._launch(leased, endpoints, found)
        return bool(leased)

    def _rooms(self, waiting: list[Endpoint], now_us: int) -> dict[int, int]:
        """How many deliveries each endpoint may take now."""
        self._blocked = {one.id for one in waiting if one.paused_at is not None}
        ready = []
        for endpoint in waiting:
            if endpoint.id in self._blocked:
                continue
            breaker = self._breakers.get(endpoint.id)
            if breaker is None:
                breaker = Breaker(self._each, endpoint.broken_until)
                self._breakers[endpoint.id] = breaker
            if breaker.until is not None and now_us < breaker.until:
                self._blocked.add(endpoint.id)
            elif room := breaker.room(now_us):
                ready.append((endpoint.id, breaker, room))
        random.shuffle(ready)  # nobody is always served last
        free = self._most - len(self._flying)
        doubtful = min(free, self._most // 2 - self._unproven)
        rooms: dict[int, int] = {}
        for place, (number, breaker, room) in enumerate(ready):
            share = max(1, free // (len(ready) - place))
            given = min(room, share, free, free if breaker.proven else doubtful)
            if given > 0:
                rooms[number] = given
                free -= given
                doubtful -= 0 if breaker.proven else given
        return rooms

    async def _know_keys(self, conn: Connection, accounts: set[int]) -> None:
        now_us = self._clock.now_us()
        if now_us - self._keys_at >= KEYS_US:
            self._keys = await webhooks.signing_keys(conn, self._vault)
            self._keys_at = now_us
        for account in accounts - self._keys.keys():
            self._keys[account] = await webhooks.signing_key(
                conn, self._vault, account, made_key(), now_us=now_us
            )

    def _launch(
        self, leased: list[Leased], endpoints: dict[int, Endpoint], found: dict[Key, Found]
    ) -> None:
        rendered: dict[Key, str] = {}
        for one in leased:
            if one.key in found and one.key not in rendered:
                rendered[one.key] = dumps(found[one.key].render())
            endpoint = endpoints[one.endpoint]
            breaker = self._breakers[endpoint.id]
            breaker.flying += 1
            doubtful = not breaker.proven
            self._unproven += doubtful
            work = self._deliver(one, endpoint, breaker, doubtful, rendered.get(one.key))
            self._flying[one.id] = self._tasks.owned(f"webhook {one.id}", work)
        metrics.WEBHOOKS_IN_FLIGHT.set(len(self._flying))

    async def _deliver(
        self,
        leased: Leased,
        endpoint: Endpoint,
        breaker: Breaker,
        doubtful: bool,
        event: str | None,
    ) -> None:
        """One delivery from its lease to its written outcome."""
        try:
            if not leased.wanted or event is None:
                outcome = Outcome.GONE if leased.wanted else Outcome.REMOVED
                settled = Settled(id=leased.id, attempts=leased.attempts, outcome=outcome)
            else:
                settled = await self._attempt(leased, endpoint, breaker, event)
            await self._ledger.write(settled)
        finally:
            del self._flying[leased.id]
            breaker.flying -= 1
            self._unproven -= doubtful
            self._freed.set()

    async def _attempt(
        self, leased: Leased, endpoint: Endpoint, breaker: Breaker, event: str
    ) -> Settled:
        number = leased.id if leased.replayed else 0
        try:
            got = await self._poster.post(
                self._url(endpoint),
                self._keys[endpoint.account],
                token=token(self._macs, leased.key.event, endpoint.id, number),
                event=event,
            )
        except Exception as error:  # nobody foresaw it: tried again by the schedule, as any other
            log.error("webhook failed", delivery=leased.id, error=repr(error), exc_info=error)
            got = Attempt(status=None, duration_ms=0, error=f"failed here: {type(error).__name__}")
        crash.point("webhook-sent-before-mark")
        now_us, attempts = self._clock.now_us(), leased.attempts + 1
        outcome = outcome_of(got.status, attempts, retried=endpoint.retries(leased.type))
        self._judge(endpoint, breaker, got, outcome, now_us)
        metrics.WEBHOOK_ATTEMPTS.labels((outcome and outcome.value) or "deferred").inc()
        return Settled(
            id=leased.id,
            attempts=attempts,
            due=next_due(attempts, now_us) if outcome is None else None,
            outcome=outcome,
            tried_at=now_us,
            status=got.status,
            duration_ms=got.duration_ms,
            answer=got.answer,
            error=got.error,
        )

    def _judge(
        self,
        endpoint: Endpoint,
        breaker: Breaker,
        got: Attempt,
        outcome: Outcome | None,
        now_us: int,
    ) -> None:
        """What an answer says of its endpoint."""
        before = breaker.until
        if outcome in {Outcome.TAKEN, Outcome.REJECTED}:
            breaker.answered()
        else:
            breaker.failed(now_us, down=got.status is None or got.status in DOWN)
        if breaker.until != before:
            self._ledger.breaker(endpoint.id, breaker.until)
            if (breaker.until is None) != (before is None):
                state = "closed" if breaker.until is None else "open"
                reason = got.error or f"HTTP {got.status}"
                log.warning("webhook breaker", endpoint=endpoint.id, state=state, reason=reason)

    def _url(self, endpoint: Endpoint) -> str:
        known = self._urls.get(endpoint.id)
        if known is None or known[0].address != endpoint.address:
            known = self._urls[endpoint.id] = (endpoint, full_url(self._vault, endpoint.address))
        return known[1]

    async def _upkeep(self) -> None:
        """Give up what waited too long for a paused or broken endpoint; count what waits."""
        now_us = self._clock.now_us()
        async with self._pool.acquire() as conn:
            await webhook_queue.give_up(conn, self._blocked, now_us - WAITED_US)
            count, oldest = await webhook_queue.depth(conn, COUNTED)
        metrics.WEBHOOK_QUEUE.set(count)
        late = 0 if oldest is None else max(0, now_us - oldest)
        metrics.WEBHOOK_OLDEST.set(late / SECOND_US)
        metrics.WEBHOOK_BREAKERS.set(
            sum(breaker.until is not None for breaker in self._breakers.values())
        )
        metrics.WEBHOOKS_IN_FLIGHT.set(len(self._flying))

    async def _fill(self) -> None:
        async with self._pool.acquire() as conn:
            for endpoint, full in (await webhook_queue.fill(conn, self._queue_limit)).items():
                log.warning("webhook queue of an endpoint", endpoint=endpoint, full=full)

    async def _land(self) -> None:
        """Let what is under way end; after :data:`LANDING` seconds give the rest back.

        What has an answer is not given back, or it would be posted again.
        """
        if self._flying:
            await asyncio.wait(set(self._flying.values()), timeout=LANDING)
        left = {one: task for one, task in self._flying.items() if not self._ledger.has(one)}
        for task in left.values():
            task.cancel()
        if left:
            await asyncio.wait(set(left.values()), timeout=1.0)
            try:
                async with asyncio.timeout(2.0), self._pool.acquire() as conn:
                    now_us = self._clock.now_us()
                    await webhook_queue.release(conn, list(left), holder=self._holder, due=now_us)
            except AWAY as error:
                log.warning("webhooks were not given back", error=repr(error), count=len(left))
