"""One attempt: the copy is made, handed over, and what came of it is told; no row is touched."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import structlog

from edge import crash
from edge.clock import Clock
from edge.lifecycle import backoff
from edge.model.errors import CallerError
from edge.returns.reasons import Reason
from edge.sending import retry
from edge.sending.copies import Copies, Letter
from edge.sending.events import Told
from edge.sending.homes import Home, Homes
from edge.sending.message import MAX_MESSAGE
from edge.sending.outcomes import (
    SANDBOXED,
    Outcome,
    Tried,
    given_up,
    outcome_of,
    suppressed_outcome,
)
from edge.sending.reading import SECOND_US
from edge.sending.relay import Accepted, Failed, Relay
from edge.sending.replies import Reply, unanswered
from edge.sending.routes import with_wishes
from edge.store import messages
from edge.store.deliveries import Delivery
from edge.store.outbox import Finished
from edge.store.pool import UNAVAILABLE, Pool
from edge.store.suppressions import Block

log = structlog.get_logger()

LARGE_AT_ONCE: Final = 8 * MAX_MESSAGE
"""Octets of messages above :data:`messages.SMALL` that are in memory at a time."""

SANDBOX_HOST: Final = "sandbox"
LATE_US: Final = 60 * SECOND_US
"""How late the last attempt may be of a message whose sender said within what time it is worth
something: it falls due at the end of that time, and the queue may be behind."""

TOO_LATE: Final = Failed(unanswered(Reason.EXPIRED, "window-over", "its time to be sent is over"))
INTERNAL: Final = Failed(unanswered(Reason.SYSTEM, "internal-error", "internal error"))


class _Room:
    """Room for large messages. A domain takes at most half of it: one whose server hangs leaves
    the rest to the others.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[int] = Counter()
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def taken(self, domain: int, size: int) -> AsyncIterator[None]:
        """So many octets of it for the length of an ``async with``."""
        async with self._freed:
            await self._freed.wait_for(lambda: self._fits(domain, size))
            self._taken[domain] += size
        try:
            yield
        finally:
            async with self._freed:
                self._taken[domain] -= size
                if not self._taken[domain]:
                    del self._taken[domain]
                self._freed.notify_all()

    def _fits(self, domain: int, size: int) -> bool:
        own = self._taken[domain]
        return self._taken.total() + size <= self._most and (
            not own or own + size <= self._most // 2
        )


class Attempts:
    """Makes attempts; one per process. ``public_url`` is the base of storage URLs."""

    def __init__(
        self, pool: Pool, clock: Clock, homes: Homes, relay: Relay, public_url: str
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._homes = homes
        self._relay = relay
        self._public_url = public_url
        self._copies = Copies(homes)
        self._large = _Room(LARGE_AT_ONCE)

    async def make(self, delivery: Delivery, letter: Letter | None, block: Block | None) -> Outcome:
        """One attempt, unless something ``block``s the recipient by now.

        ``letter`` is None where the message is no more.
        """
        home = self._homes.get(delivery.domain)
        if letter is None:
            return given_up(self._tried(delivery, letter, INTERNAL), "the message is gone")
        if block is not None:
            return suppressed_outcome(self._tried(delivery, letter, INTERNAL), block)
        if home is None:
            why = "the sending domain was removed"
            return given_up(self._tried(delivery, letter, INTERNAL), why)
        if letter.options.deliver_within and self._clock.now_us() > delivery.expires_at + LATE_US:
            return outcome_of(self._tried(delivery, letter, TOO_LATE))
        if letter.stored.source is not None:
            return await self._send(delivery, letter, letter.stored.source, home)
        async with self._large.taken(delivery.domain, letter.stored.size):
            source = await self._source(letter.stored.number)
            if source is None:
                return given_up(self._tried(delivery, letter, INTERNAL), "the message is gone")
            return await self._send(delivery, letter, source, home)

    async def _source(self, number: int) -> bytes | None:
        """A large message, however long the database is away: that is no failure of a server."""
        failures = 0
        while True:
            try:
                async with self._pool.acquire() as conn:
                    return await messages.source(conn, number)
            except UNAVAILABLE as error:
                log.warning("a message is not reached", error=repr(error))
                await asyncio.sleep(backoff(0.1, 5.0, failures))
                failures += 1

    def broken(self, delivery: Delivery, letter: Letter | None) -> Outcome:
        """An attempt that our own fault ended: tried again like any soft failure."""
        return outcome_of(self._tried(delivery, letter, INTERNAL))

    async def _send(self, delivery: Delivery, letter: Letter, source: bytes, home: Home) -> Outcome:
        now_us = self._clock.now_us()
        try:
            copy = await self._copies.make(home, delivery, letter, source, now_us)
        except CallerError as error:
            return given_up(self._tried(delivery, letter, INTERNAL), str(error))
        if home.route is None:
            kept = Finished(
                delivery=delivery.id,
                domain=delivery.domain,
                recipient=delivery.recipient,
                at=now_us,
                sender=copy.sender,
                message=copy.message,
            )
            reply = Reply(250, "", "kept in the outbox")
            taken = Accepted(reply, SANDBOX_HOST, tls=False, verified=False)
            outcome = outcome_of(self._tried(delivery, letter, taken))
            return msgspec.structs.replace(outcome, finished=kept, name=SANDBOXED)
        wishes, limits = letter.options, home.limits
        route = with_wishes(
            home.route,
            require_tls=_first(wishes.require_tls, limits.require_tls),
            skip_verification=_first(wishes.skip_verification, limits.skip_verification),
        )
        started = self._clock.monotonic()
        result = await self._relay.deliver(route, copy.sender, delivery.recipient, copy.message)
        crash.point("taken-before-settle")
        return outcome_of(self._tried(delivery, letter, result, self._clock.monotonic() - started))

    def _tried(
        self,
        delivery: Delivery,
        letter: Letter | None,
        result: Accepted | Failed,
        seconds: float = 0.0,
    ) -> Tried:
        home = self._homes.get(delivery.domain)
        window, key = round(retry.LIFE), ""
        if letter is not None:
            window, key = letter.options.deliver_within or window, letter.stored.key
        ttl = home.limits.message_ttl if home else window
        name = home.domain.name if home else ""
        return Tried(
            delivery=delivery,
            told=Told(
                domain=delivery.domain,
                message_id=letter.stored.message_id if letter else "",
                sender=letter.stored.sender if letter else "",
                key=key,
                url=f"{self._public_url}/v3/domains/{name}/messages/{key}",
                test_mode=False,
                authenticated=True,
            ),
            result=result,
            at=self._clock.now_us(),
            seconds=seconds,
            ends_at=delivery.expires_at - max(0, window - ttl) * SECOND_US,
        )


def _first(given: bool | None, otherwise: bool) -> bool:
    return otherwise if given is None else given
