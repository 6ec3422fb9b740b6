"""Webhook deliveries per second, beside a plain aiohttp client that posts the same bodies.

Events of a hundred domains, each with an endpoint of its own, one of which never answers, are
stored while all endpoints are paused; then they are resumed at once, and the time counts from there
to the last taken delivery of the living. The plain client has its bodies ready in memory, signs and
records nothing, and has as many requests under way. Both post to the same process.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import uvloop

from benchmarks import postgres
from benchmarks.figure import Figure, Limit, Scale, Section, ratio_figure
from benchmarks.processes import cpu_of, end
from benchmarks.serving import Edge, serving
from edge.clock import SystemClock
from edge.model.capture import Facts
from edge.model.event import Event
from edge.model.mailgun_json import dumps
from edge.model.webhook import Address, SigningKey
from edge.store import events, pool, search, webhook_queue, webhooks
from edge.store.filters import Filter
from edge.store.sql import queries
from edge.webhooks.signature import signed

NAME = "webhooks"
ENDPOINTS = 100
AT_ONCE = 100
"""Requests that the plain client has under way."""

PLAN = Path(__file__).parent / "plans" / "webhooks.txt"


@contextmanager
def endpoints() -> Iterator[tuple[int, int]]:
    """The process that answers: its good port and its dead one."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.endpoints"], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        good, dead = map(int, process.stdout.readline().split())
        yield good, dead
    finally:
        end(process, patience=5)


def urls(good: int, dead: int) -> list[str]:
    """One for each domain; the first is dead."""
    living = [f"http://127.0.0.1:{good}/{place}" for place in range(1, ENDPOINTS)]
    return [f"http://127.0.0.1:{dead}/", *living]


async def _configure(url: str, domains: Sequence[int], addresses: Sequence[str]) -> None:
    async with pool.opened(url, max_size=1) as opened, opened.acquire() as conn:
        for domain, address in zip(domains, addresses, strict=True):
            wanted = {Address(address): ("opened",)}
            now_us = SystemClock.now_us()
            await webhooks.set_domain(conn, 1, domain, wanted, now_us=now_us)


def _events(domains: Sequence[int], count: int, turn: int) -> tuple[list[Event], list[Facts]]:
    now_us = SystemClock.now_us()
    facts = {
        domain: Facts(
            now_us,
            domain,
            f"{domain}@brand.example",
            ["news", "week 12"],
            user_variables={"customer": "4711"},
            headers={"to": "ann@example.net", "from": "News", "subject": "News of the week"},
        )
        for domain in domains
    }
    made = [
        Event(
            id=now_us.to_bytes(7, "big") + bytes([turn]) + place.to_bytes(8, "big"),
            event="opened",
            at=now_us,
            domain=domains[place % len(domains)],
            recipient=f"reader{place}@example.net",
            message_id=f"{domains[place % len(domains)]}@brand.example",
            ip="192.0.2.1",
            user_agent="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0.0.0",
        )
        for place in range(count)
    ]
    return made, list(facts.values())


async def _store(url: str, domains: Sequence[int], count: int, turn: int) -> float:
    """Store events in batches of 2,000; seconds of CPU that this process took."""
    made, facts = _events(domains, count, turn)
    async with pool.opened(url, max_size=1) as opened, opened.acquire() as conn:
        start = time.process_time()
        for place in range(0, count, 2_000):
            batch = events.Batch(events=made[place : place + 2_000], facts=facts)
            prepared = events.prepare(batch, now_us=SystemClock.now_us())
            async with conn.transaction():
                await events.add(conn, prepared)
        return time.process_time() - start


async def _pause(url: str, at: int | None) -> None:
    async with pool.opened(url, max_size=1) as opened:
        await opened.execute("UPDATE endpoints SET paused_at = $1", at)


async def _bodies(url: str, addresses: Sequence[str], count: int) -> list[tuple[str, bytes]]:
    """What the plain client posts: stored events, rendered and signed beforehand."""
    async with pool.opened(url, max_size=1) as opened, opened.acquire() as conn:
        found = await search.search(conn, Filter(), limit=min(count, 2_000))
    key, made = SigningKey("key-benchmark"), []
    for place in range(count):
        event = dumps(found[place % len(found)].render())
        body, _ = signed(key, seconds=1_700_000_000, token="ab" * 25, event=event)
        made.append((addresses[1 + place % (len(addresses) - 1)], body))
    return made


async def _plain(bodies: list[tuple[str, bytes]]) -> float:
    left = iter(bodies)

    async def work(session: aiohttp.ClientSession) -> None:
        for url, body in left:
            async with session.post(
                url, data=body, headers={"Content-Type": "application/json"}
            ) as response:
                await response.read()
                if response.status != 200:
                    raise RuntimeError(f"{url} answered {response.status}")

    start = time.perf_counter()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(work(session) for _ in range(AT_ONCE)))
    return time.perf_counter() - start


class Round:
    """One round: deliveries and plain posts per second, and µs of CPU per delivery."""

    def __init__(self, rate: float, plain: float, ours: float, database: float) -> None:
        self.rate, self.plain, self.ours, self.database = rate, plain, ours, database


def _round(
    edge: Edge,
    server: postgres.Postgres,
    url: str,
    domains: Sequence[int],
    addresses: Sequence[str],
    count: int,
    turn: int,
) -> Round:
    asyncio.run(_pause(url, SystemClock.now_us()))
    asyncio.run(_store(url, domains, count, turn))
    taken = edge.metric("edge_webhook_attempts_total", 'result="taken"')
    wanted = count - count // ENDPOINTS
    child = edge.children()["webhooks"]
    cpu, database = cpu_of(child), server.cpu()
    asyncio.run(_pause(url, None))
    start = time.perf_counter()
    while edge.metric("edge_webhook_attempts_total", 'result="taken"') - taken < wanted:
        if time.perf_counter() - start > 120:
            raise TimeoutError("deliveries are missing after 120 s")
        time.sleep(0.05)
    took = time.perf_counter() - start
    ours, base = cpu_of(child) - cpu, server.cpu() - database
    plain = uvloop.run(_plain(uvloop.run(_bodies(url, addresses, wanted))))
    return Round(wanted / took, wanted / plain, ours / wanted * 1e6, base / wanted * 1e6)


async def _plans(url: str) -> str:
    """How Postgres takes a round's deliveries; nothing stays taken."""
    statements = queries("webhook_queue")
    parts = []
    async with pool.opened(url, max_size=1) as opened, opened.acquire() as conn:
        await conn.execute("ANALYZE webhook_deliveries, events")
        rooms = [row[0] for row in await conn.fetch("SELECT id FROM endpoints")]
        now_us = SystemClock.now_us()
        for name, values in (
            ("waiting", [now_us]),
            ("lease", [rooms, [5] * len(rooms), now_us, "plan", now_us + 1]),
        ):
            begun = conn.transaction()
            await begun.start()
            rows = await conn.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {statements[name]}", *values)
            await begun.rollback()
            parts.append(f"-- {name}\n" + "\n".join(row[0] for row in rows))
        leased = await conn.fetch(
            "SELECT retention, event_at, domain, event FROM webhook_deliveries LIMIT 100"
        )
        columns = [[row[place] for row in leased] for place in range(4)]
        explain = f"EXPLAIN (ANALYZE, BUFFERS) {webhook_queue.EVENTS}"
        rows = await conn.fetch(explain, *columns)
        parts.append("-- events\n" + "\n".join(row[0] for row in rows))
    return "\n\n".join(parts) + "\n"


def _adding(directory: Path, scale: Scale) -> list[Figure]:
    """CPU to store events with no endpoint anywhere, and with one in every domain."""
    count, rounds = scale.pick(40_000, 10_000), scale.pick(3, 1)
    without, one = [], []

    def cost(turn: int) -> float:
        before = server.cpu()
        own = asyncio.run(_store(url, domains, count, turn))
        return (own + server.cpu() - before) / count * 1e6

    with postgres.running(directory) as server:
        url = server.create("edge")
        with serving(directory / "adding", database_url=url) as edge:
            domains = sorted(edge.add_domains(50))
        for turn in range(rounds):
            asyncio.run(_clear(url))
            without.append(cost(2 * turn))
            living = [f"https://{domain}.example/" for domain in domains]
            asyncio.run(_configure(url, domains, living))
            one.append(cost(2 * turn + 1))
        queued = asyncio.run(_depth(url))
    if queued < count:
        raise RuntimeError(f"{queued} deliveries were queued")
    return [
        ratio_figure(
            "CPU of storing an event with one endpoint, Postgres included",
            "µs",
            one,
            without,
            "with no endpoint anywhere",
        )
    ]


async def _clear(url: str) -> None:
    async with pool.opened(url, max_size=1) as opened:
        await opened.execute("TRUNCATE webhooks, endpoints")


async def _depth(url: str) -> int:
    async with pool.opened(url, max_size=1) as opened, opened.acquire() as conn:
        return (await webhook_queue.depth(conn, 10_000_000))[0]


def run(directory: Path, scale: Scale) -> Section:
    """Measure the dispatcher and the plain client in turn, then what queueing costs."""
    count, rounds = scale.pick(40_000, 4_000), scale.pick(3, 1)
    settings = {"EDGE_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8"}
    with postgres.running(directory) as server, endpoints() as ports:
        url, addresses = server.create("edge"), urls(*ports)
        with serving(directory / "line", database_url=url, settings=settings) as edge:
            domains = sorted(edge.add_domains(ENDPOINTS))
            asyncio.run(_configure(url, domains, addresses))
            found = [
                _round(edge, server, url, domains, addresses, count, turn) for turn in range(rounds)
            ]
        asyncio.run(_store(url, domains, count, 200))
        PLAN.parent.mkdir(exist_ok=True)
        PLAN.write_text(asyncio.run(_plans(url)))
    figures = [
        ratio_figure(
            "deliveries taken per second, 100 endpoints, one dead",
            "deliveries/s",
            [one.rate for one in found],
            [one.plain for one in found],
            "a plain aiohttp client with the bodies ready",
            limit=Limit.VALUE_AT_LEAST,
            accepted=1_000,
            aim=1_000,
        ),
        Figure(
            name="CPU of the webhooks child per delivery",
            value=sorted(one.ours for one in found)[len(found) // 2],
            unit="µs",
        ),
        Figure(
            name="CPU of Postgres per delivery",
            value=sorted(one.database for one in found)[len(found) // 2],
            unit="µs",
        ),
        *_adding(directory, scale),
    ]
    notes = [
        (
            f"{count:,} opens with facts over {ENDPOINTS} domains with an endpoint each, of which "
            "one takes connections and never answers; the rest answer 200 at once from one other "
            "process on the same machine, which shares its cores with Postgres and the edge."
        ),
        (
            f"The plain client has {AT_ONCE} requests under way and nothing else to do: no queue, "
            "no rendering, no signature, no record of what became of them."
        ),
        "The plans of the dispatcher's statements are kept in benchmarks/plans/webhooks.txt.",
    ]
    return Section(name=NAME, title="Webhooks", figures=figures, notes=notes)
