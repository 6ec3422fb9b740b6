"""Webhooks for the panel's tests: endpoints in every state, what became of calls, and attacks."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from edge.clock import SystemClock
from edge.model.vault import Vault
from edge.model.webhook import TYPES, Outcome, sealed
from edge.store import domains, receivers, webhook_queue, webhooks
from edge.store.pool import Connection, Pool
from edge.store.receivers import Receipt
from edge.store.webhook_queue import Settled
from edge.webhooks.delivery import Poster
from tests.integration.panel.seeding import ATTACKS, DOMAIN, EVE
from tests.integration.panel.worlds import World, serving
from tests.integration.webhooks.worlds import LOOPBACK

ACCOUNT: Final = 1
SECRET: Final = "hunter2"
URLS: Final = (
    "https://app.example.com/hooks/mail",
    "https://slow.example.com/hook?for=team",
    f"https://me:{SECRET}@paused.example.com/a/rather/long/path/that/has/to/be/wrapped/somewhere",
)


async def hook(conn: Connection, vault: Vault) -> None:
    """Endpoints of the seeded domain and of the account; call it before :func:`happened`."""
    now = time.time_ns() // 1000
    domain = await domains.get(conn, DOMAIN)
    wanted = {sealed(vault, url): types for url, types in zip(URLS, (TYPES, TYPES[:3], TYPES[2:4]))}  # noqa: B905 - of equal length
    async with conn.transaction():
        await webhooks.set_domain(conn, ACCOUNT, domain.number, wanted, now_us=now)
    await webhooks.add_account(
        conn,
        ACCOUNT,
        sealed(vault, "https://warehouse.example.org/events"),
        ("opened",),
        key="wh_" + "0" * 32,
        description=ATTACKS[0],
        now_us=now,
    )
    found = {one.endpoint.address.url: one for one in await webhooks.of_domain(conn, domain.number)}
    slow, paused = found[URLS[1]], found[URLS[2].replace(f"me:{SECRET}@", "")]
    await webhooks.pause(conn, paused.endpoint.id, now)
    await webhook_queue.set_broken(conn, slow.endpoint.id, now + 60_000_000, now_us=now)


async def happened(conn: Connection, vault: Vault) -> None:
    """What became of the seeded events: taken, refused, deferred, with attacks in the answers."""
    now = time.time_ns() // 1000
    domain = await domains.get(conn, DOMAIN)
    rows = await conn.fetch("SELECT id FROM webhook_deliveries ORDER BY id")
    settled = []
    for place, row in enumerate(rows):
        ended = (Outcome.TAKEN, None, Outcome.FAILED, Outcome.REJECTED)[place % 4]
        attack = ATTACKS[place % len(ATTACKS)]
        settled.append(
            Settled(
                id=row["id"],
                attempts=1 + place % 3,
                due=now + 300_000_000 if ended is None else None,
                outcome=ended,
                tried_at=now - place * 1_000_000,
                status=(200, None, 500, 406)[place % 4],
                duration_ms=12 + place,
                answer="" if place % 4 == 1 else f"{attack} {EVE}",
                error="no answer in time" if place % 4 == 1 else "",
            )
        )
    await webhook_queue.settle(conn, "", settled)
    token = await receivers.switch_on(conn, vault, ACCOUNT, now_us=now)
    for attack in ATTACKS:
        body = f'{{"event-data": {{"event": "opened", "recipient": "{EVE}"}}}} {attack}'
        receipt = Receipt(
            at=now,
            address="203.0.113.9",
            headers={"User-Agent": attack},
            body=body.encode(),
            mailgun="wrong",
            whole="missing",
        )
        assert await receivers.take(conn, ACCOUNT, token, receipt)
    assert domain.number


QUEUE: Final = """
INSERT INTO webhook_deliveries (endpoint, domain, retention, event_at, event, type, queued_at, due)
SELECT w.endpoint, e.domain, e.retention, e.at, e.id, e.event, now(), now()
FROM events e JOIN webhooks w ON w.domain = e.domain AND e.event = ANY (w.types)
"""


async def hooked(conn: Connection, vault: Vault) -> None:
    """All of it on the seeded database, in one step: a dispatcher at work sees no part of it."""
    async with conn.transaction():
        await hook(conn, vault)
        await conn.execute(QUEUE)
        await happened(conn, vault)


@asynccontextmanager
async def panel(db: Pool) -> AsyncIterator[World]:
    """The panel, with what may call receivers on loopback."""

    def poster() -> Poster:
        return Poster(SystemClock(), allowed=LOOPBACK)

    async with serving(db, poster=poster, receiver="http://127.0.0.1:8025") as world:
        yield world
