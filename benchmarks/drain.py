"""Events per second that the drain stores, beside a bare COPY of the same rows.

The spool is filled beside a running edge and released at once; the rate is that between the first
and the last batch, from the edge's own counter, and checked against the rows afterwards. Then the
stored rows are read out, the table is truncated, and the same rows go in again by COPY in batches
of the same size, each committed, over one connection: what Postgres can take without anybody
thinking about what it takes.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks import postgres
from benchmarks.backlog import Backlog
from benchmarks.data_files import write_geo, write_ranges
from benchmarks.figure import Figure, Limit, Scale, Section, ratio_figure
from benchmarks.processes import cpu_of
from benchmarks.serving import Edge, serving, store_facts, stored
from benchmarks.traffic import messages
from edge.ingest.drain import BATCH
from edge.store import pool
from edge.store.event_rows import COLUMNS, HEADER, TRAILER

NAME = "drain"


class _Shipped:
    """One drained backlog: events/s, and µs of CPU per event of ingest and of Postgres."""

    def __init__(self, rate: float, ingest: float, database: float) -> None:
        self.rate, self.ingest, self.database = rate, ingest, database


def drained(edge: Edge, server: postgres.Postgres, backlog: Backlog) -> _Shipped:
    """Release a backlog and watch it go."""
    ingest = edge.children()["ingest"]
    begin = edge.metric("edge_drain_events_total")
    cpu, database = cpu_of(ingest), server.cpu()
    backlog.release()
    first_at = first = last_at = 0.0
    while True:
        now, done = time.perf_counter(), edge.metric("edge_drain_events_total") - begin
        if done and not first_at:
            first_at, first = now, done
        if done >= backlog.count:
            last_at = now
            break
        if first_at and now - first_at > 300:
            raise TimeoutError(f"{done:.0f} of {backlog.count} events drained in 300 s")
        time.sleep(0.05)
    rate = (backlog.count - first) / (last_at - first_at)
    return _Shipped(
        rate,
        (cpu_of(ingest) - cpu) / backlog.count * 1e6,
        (server.cpu() - database) / backlog.count * 1e6,
    )


async def _rows(url: str) -> list[bytes]:
    """All stored rows in the order they were stored, as bodies of binary COPY, a batch each."""
    names = ", ".join(COLUMNS)
    batches = []
    async with pool.opened(url, max_size=1) as opened, opened.acquire() as conn:
        await conn.execute(
            f"CREATE TEMP TABLE taken AS SELECT row_number() OVER (ORDER BY xid, at, id) - 1 "
            f"AS place, {names} FROM events"
        )
        count = await conn.fetchval("SELECT count(*) FROM taken")
        await conn.execute("CREATE INDEX ON taken (place)")
        for start in range(0, count, BATCH):
            parts: list[bytes] = []

            async def take(data: bytes, into: list[bytes] = parts) -> None:
                into.append(bytes(data))

            await conn.copy_from_query(
                f"SELECT {names} FROM taken WHERE place >= $1 AND place < $2 ORDER BY place",
                start,
                start + BATCH,
                output=take,
                format="binary",
            )
            body = b"".join(parts)
            batches.append(body[len(HEADER) : len(body) - len(TRAILER)])
    return batches


async def _source(body: bytes) -> AsyncIterator[bytes]:
    yield HEADER + body + TRAILER


async def _copy(url: str, batches: list[bytes]) -> float:
    """Seconds to COPY the batches into the emptied table."""
    async with pool.opened(url, max_size=1) as opened, opened.acquire() as conn:
        await conn.execute("TRUNCATE events")
        await conn.execute("CHECKPOINT")
        start = time.perf_counter()
        for body in batches:
            await conn.copy_to_table(
                "events", source=_source(body), columns=COLUMNS, format="binary"
            )
        return time.perf_counter() - start


def _measure(directory: Path, scale: Scale, count_domains: int) -> list[Figure]:
    count = scale.pick(300_000, 60_000)
    rounds = scale.pick(2, 1)
    shipped: list[_Shipped] = []
    copied: list[float] = []
    copy_cpu: list[float] = []
    place = directory / f"with-{count_domains}"
    place.mkdir(mode=0o755)
    with postgres.running(place) as server:
        url = server.create("edge")
        data_dir = place / "edge"
        with serving(data_dir, database_url=url):
            pass
        write_ranges(data_dir / "ranges.mmdb")
        write_geo(data_dir / "geo.mmdb")
        for name in ("ranges.mmdb", "geo.mmdb"):
            (data_dir / name).chmod(0o644)
        with serving(data_dir, database_url=url) as edge:
            made = messages(edge.add_domains(count_domains), count * 2 // 5)
            asyncio.run(store_facts(url, made))
            identity = (data_dir / "edge-id").read_text().strip()
            for number in range(rounds):
                backlog = Backlog(
                    data_dir / "spool", made, count, seconds=600, edge_id=identity, seed=number
                )
                shipped.append(drained(edge, server, backlog))
                if (found := asyncio.run(stored(url))) != count:
                    raise RuntimeError(f"{count} records were drained, {found} are stored")
                batches = asyncio.run(_rows(url))
                before = server.cpu()
                copied.append(count / asyncio.run(_copy(url, batches)))
                copy_cpu.append((server.cpu() - before) / count * 1e6)
                asyncio.run(_empty(url))
    text = f"{count_domains:,} domains"
    return [
        *_rates(text, shipped, copied),
        *(
            Figure(name=f"{text}: CPU of {what} per event", value=_middle(values), unit="µs")
            for what, values in (
                ("ingest", [s.ingest for s in shipped]),
                ("Postgres while draining", [s.database for s in shipped]),
                ("Postgres in the bare COPY", copy_cpu),
            )
        ),
    ]


async def _empty(url: str) -> None:
    async with pool.opened(url, max_size=1) as opened:
        await opened.execute("TRUNCATE events, uniques, hourly")


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _rates(text: str, shipped: list[_Shipped], copied: list[float]) -> list[Figure]:
    figure = ratio_figure(
        f"{text}: events drained per second",
        "events/s",
        [s.rate for s in shipped],
        copied,
        "bare COPY into the same indexed table",
        limit=Limit.VALUE_AT_LEAST,
        accepted=20_000,
        aim=20_000,
    )
    return [figure]


def run(directory: Path, scale: Scale) -> Section:
    """Measure with few and with many domains."""
    count = scale.pick(300_000, 60_000)
    figures = [figure for domains in (50, 3000) for figure in _measure(directory, scale, domains)]
    notes = [
        (
            f"{count:,} records of ten minutes, 2.5 for each message and recipient, a quarter of "
            "them clicks, 1,000 user agents, 20,000 addresses, range and geolocation files of "
            "realistic size, two tags of twenty per domain in the message facts; default "
            "settings, Postgres with full durability on the same machine."
        ),
        (
            "The bare COPY has its rows ready in memory, sets no counters, looks up no tags and "
            "judges nothing: it is what the disk and the indexes allow, not a rival."
        ),
        (
            "Ingest and its backend each use at most one core; the machine has two, which they "
            "share with Postgres' own writers."
        ),
    ]
    return Section(name=NAME, title="The drain", figures=figures, notes=notes)
