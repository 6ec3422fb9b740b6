"""The handler that the whole line is measured against: one INSERT per request.

A fair one: aiohttp on uvloop, an asyncpg pool, the same opening of the token and the same
judgement of hosts, the same enrichment, and one prepared statement that does everything the drain
does (unique or not, tags of the message, the row, the hourly counters) in one round trip.
Arguments: port, data directory, database URL, ``on`` or ``off`` for ``synchronous_commit``.
"""

import itertools
import os
import sys
import time
from pathlib import Path
from typing import Any, Final, cast

import asyncpg
import uvloop
from aiohttp import web

from edge.adapters.data_directory import read_vault
from edge.enrich.pipeline import Enricher, open_enricher
from edge.ingest.events import event_of
from edge.model.capture import Act, Hit, capture_of
from edge.model.event import Event
from edge.model.tokens import ClickTarget
from edge.roster.snapshot import FILE_NAME, Roster, load
from edge.store.pool import prepare
from edge.store.uniques import unique_key
from edge.tracking.answers import PIXEL, PIXEL_HEADERS, REDIRECT_HEADERS
from edge.tracking.judge import authentic, host_key

POOL: Final = 16

_STATEMENT: Final = """
WITH fresh AS (
    INSERT INTO uniques AS u (key, until)
    VALUES ($1, $2::timestamptz + interval '7 days')
    ON CONFLICT (key) DO UPDATE SET until = excluded.until
    WHERE u.until <= excluded.until - interval '7 days'
    RETURNING key
), known AS (
    SELECT tags FROM message_facts WHERE domain = $3 AND message_id = $4
), row AS (
    INSERT INTO events (
        retention, at, id, domain, account, event, recipient, message_id, received_at, method,
        repeat, url, position, ip, user_agent, client_type, client_os, device_type, client_name,
        country, region, city, network, bot, evidence, rules, tags, has_facts, is_unique
    ) VALUES (
        30, $2, $5, $3, 1, $6, $7, $4, $2, $8, 1, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
        $19, $20, $21, $22, $23, coalesce((SELECT tags FROM known), '{}'),
        EXISTS (SELECT FROM known), EXISTS (SELECT FROM fresh)
    )
)
INSERT INTO hourly AS h (domain, tag, event, bot, hour, total, uniq)
SELECT $3, tag, $6, $21, date_trunc('hour', $2::timestamptz), 1,
       (EXISTS (SELECT FROM fresh))::int
FROM unnest(array_prepend('', (SELECT tags FROM known))) AS tag ORDER BY tag
ON CONFLICT (domain, tag, event, bot, hour) DO UPDATE
SET total = h.total + excluded.total, uniq = h.uniq + excluded.uniq
"""


def _values(event: Event) -> tuple[Any, ...]:
    client, place, verdict = event.client, event.geolocation, event.verdict
    return (
        *(unique_key(event), event.at, event.domain, event.message_id, event.id, event.event),
        *(event.recipient, event.method, event.url, event.position, event.ip, event.user_agent),
        *(client.client_type, client.client_os, client.device_type, client.client_name),
        *(place.country, place.region, place.city, event.network),
        *(verdict.bot, list(verdict.evidence), verdict.rules),
    )


class Handler:
    """Open the token, label, INSERT, answer."""

    def __init__(self, data_dir: Path, url: str, commit: str) -> None:
        snapshot = load(data_dir / FILE_NAME)
        if snapshot is None:
            raise RuntimeError(f"no roster in {data_dir}")
        self._roster = Roster(snapshot, snapshot.keyring(read_vault(data_dir / "master.key")))
        self._names = {domain.number: domain.name for domain in snapshot.domains}
        self._enricher: Enricher = open_enricher(
            ranges_path=data_dir / "ranges.mmdb",
            geo_path=data_dir / "geo.mmdb",
            gmail_image_proxy="human",
        )
        self._url, self._commit = url, commit
        self._count = itertools.count()
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self, _: web.Application) -> None:
        """Connect; the pool is full from the start."""
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=POOL,
            max_size=POOL,
            init=prepare,
            server_settings={"synchronous_commit": self._commit, "jit": "off"},
        )

    async def handle(self, request: web.Request) -> web.Response:
        """One open or click."""
        kind, token = request.match_info["kind"], request.match_info["token"]
        act = Act.OPEN if kind == "o" else Act.CLICK
        opener = self._roster.opens if act is Act.OPEN else self._roster.clicks
        host = host_key(request.headers.get("Host", "").encode())
        found = authentic(self._roster, opener, token.encode(), host)
        if found is None:
            raise web.HTTPNotFound
        await self._store(request, act, found[0])
        if act is Act.OPEN:
            return web.Response(body=PIXEL, headers=dict(PIXEL_HEADERS))
        url = cast(ClickTarget, found[1]).url
        return web.Response(status=302, headers={"Location": url, **dict(REDIRECT_HEADERS)})

    async def _store(self, request: web.Request, act: Act, plaintext: bytes) -> None:
        at = time.time_ns() // 1000
        identity = at.to_bytes(7, "big") + os.getpid().to_bytes(4, "big")
        identity += next(self._count).to_bytes(5, "big")
        lines = [f"GET {request.raw_path} HTTP/1.1".encode()]
        lines += [b": ".join(pair) for pair in request.raw_headers]
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        hit = Hit(identity, at, act, request.remote or "", False, plaintext, head)
        capture = capture_of(hit, lambda _: False)
        labelled = self._enricher.label(capture, [capture])
        event = event_of(capture, labelled, self._names[capture.target.domain])
        assert event is not None, "opens and clicks are events"
        assert self._pool is not None, "opened at the start"
        async with self._pool.acquire() as conn:
            await conn.execute(_STATEMENT, *_values(event))


def main() -> None:
    """Serve until told to stop."""
    port, data_dir, url, commit = sys.argv[1:5]
    handler = Handler(Path(data_dir), url, commit)
    app = web.Application()
    app.on_startup.append(handler.open)
    app.router.add_get("/{kind:[oc]}/{token}", handler.handle)
    loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=int(port), access_log=None, print=None, loop=loop)


if __name__ == "__main__":
    main()
