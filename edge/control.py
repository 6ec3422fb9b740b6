"""The control port, and the jobs that only one process of an installation does at a time.

``/healthz``: this process is alive. ``/readyz``: can mail be served, and is everything behind it
well? It stays 200 with ``degraded`` while Postgres is down, because the edge serves without it; 503
only when nothing could be served. ``/metrics``: Prometheus. ``/sample``: the sample message of the
first run. With an :class:`~edge.api.context.Api` the same port serves the API of :mod:`edge.api`,
described at ``/docs`` and ``/openapi.json``. Whoever reaches the port may ask all but the API,
for which a key is needed. Everything else is a JSON 404.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from aiohttp import web

from edge.api import receiver, reference, routes
from edge.api.auth import keys_required
from edge.api.context import API, Api
from edge.api.errors import errors_as_json
from edge.api.limits import tell
from edge.api.request_ids import request_ids
from edge.clock import Clock, SystemClock
from edge.model.certificate import DAY
from edge.observe import metrics
from edge.roster.snapshot import FILE_NAME
from edge.store import certificates, keys, leases, partitions, retention, rollups, webhook_queue
from edge.store.pool import UNAVAILABLE, Connection, Pool

log = structlog.get_logger()

SAMPLE_FILE: Final = "sample.html"

KEEP_ALIVE: Final = 15.0
"""Seconds; aiohttp's own default is over an hour (3,630)."""

LAG_LIMIT: Final = 60.0
"""Seconds that the oldest record may wait for Postgres before the edge calls itself degraded."""

MOST_SERIES: Final = 100
"""Hosts or endpoints of one metric: a series for each of ten thousand would be too many."""

_CHECK_SECONDS = 2.0


@dataclass
class View:
    """What the control port tells about; ``pool`` is there once Postgres was reached."""

    data_dir: Path
    role: str
    pool: Pool | None = None


_VIEW: Final = web.AppKey("view", View)


async def healthz(_: web.Request) -> web.Response:
    """Alive: the process answers."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Ready: 200 ``ok`` or ``degraded`` with the failed checks, 503 ``unavailable``."""
    view = request.app[_VIEW]
    postgres = await _postgres(view)
    serving = await asyncio.to_thread(_roster_exists, view) if view.role != "control" else None
    checks: dict[str, dict[str, Any]] = {"postgres": postgres, "spool": _spool()}
    if serving is not None:
        checks["roster"] = serving
    dead = not (postgres["ok"] if serving is None else serving["ok"])
    well = all(check["ok"] for check in checks.values())
    status = "unavailable" if dead else "ok" if well else "degraded"
    return web.json_response({"status": status, "checks": checks}, status=503 if dead else 200)


async def _postgres(view: View) -> dict[str, Any]:
    problem = "not reached since the start"
    if view.pool is not None:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await view.pool.fetchval("SELECT 1")
            problem = ""
        except UNAVAILABLE as error:
            problem = str(error) or type(error).__name__
    metrics.POSTGRES_UP.set(0 if problem else 1)
    return {"ok": not problem} | ({"error": problem[:200]} if problem else {})


def _spool() -> dict[str, Any]:
    oldest = metrics.sample("edge_spool_oldest_seconds")
    size = metrics.sample("edge_spool_bytes")
    if size is None:
        return {"ok": False, "error": "ingest does not report"}
    waited = oldest or 0.0
    return {"ok": waited <= LAG_LIMIT, "oldest_seconds": round(waited, 3), "bytes": int(size)}


def _roster_exists(view: View) -> dict[str, Any]:
    if (view.data_dir / FILE_NAME).exists():
        return {"ok": True}
    return {"ok": False, "error": "no roster yet: Postgres was never reached"}


async def exposition(request: web.Request) -> web.Response:
    """Prometheus' text format, all processes of this machine together."""
    view = request.app[_VIEW]
    await _postgres(view)
    return web.Response(
        body=metrics.render() + await _certificates(view) + await _breakers(view),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )


async def _certificates(view: View) -> bytes:
    """Days left of the certificates that end first; nothing while Postgres is away."""
    if view.pool is None:
        return b""
    try:
        async with asyncio.timeout(_CHECK_SECONDS), view.pool.acquire() as conn:
            ends = await certificates.ends(conn, MOST_SERIES)
    except UNAVAILABLE:
        return b""
    now = SystemClock.now()
    return metrics.render_gauge(
        "edge_certificate_days_left",
        f"Days until a host's certificate ends, of the {MOST_SERIES} that end first.",
        "host",
        ((host, round((end - now) / DAY, 3)) for host, end in ends),
    )


async def _breakers(view: View) -> bytes:
    """Endpoints of webhooks that are down; nothing while Postgres is away."""
    if view.pool is None:
        return b""
    try:
        async with asyncio.timeout(_CHECK_SECONDS), view.pool.acquire() as conn:
            down = await webhook_queue.broken(conn, MOST_SERIES)
    except UNAVAILABLE:
        return b""
    return metrics.render_gauge(
        "edge_webhook_breaker_open",
        f"1 for an endpoint that is not called because it is down, of the first {MOST_SERIES}.",
        "endpoint",
        ((str(endpoint), 1.0) for endpoint in down),
    )


async def sample(request: web.Request) -> web.Response:
    """The sample message of the first run."""
    path: Path = request.app[_VIEW].data_dir / SAMPLE_FILE
    try:
        body = await asyncio.to_thread(path.read_bytes)
    except FileNotFoundError:
        raise web.HTTPNotFound from None
    return web.Response(
        body=body,
        headers={"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store"},
    )


ROUTES: Final = (
    ("/healthz", healthz),
    ("/readyz", readyz),
    ("/metrics", exposition),
    ("/sample", sample),
    ("/openapi.json", reference.document),
    ("/docs", reference.index),
    ("/docs/{resource}", reference.resource),
)


def application(view: View, api: Api | None = None) -> web.Application:
    """The control port's application; with the API where there is one."""
    app = web.Application(middlewares=[request_ids, errors_as_json, keys_required])
    app[_VIEW] = view
    if api is not None:
        app[API] = api
        app.on_response_prepare.append(tell)
        routes.add_to(app)
        app.router.add_post(receiver.PATH, receiver.take)
    for path, handler in ROUTES:
        app.router.add_get(path, handler)
    return app


@asynccontextmanager
async def serving(
    view: View,
    sockets: list[socket.socket],
    ssl_context: ssl.SSLContext | None = None,
    api: Api | None = None,
) -> AsyncIterator[None]:
    """Serve the control port on these inherited sockets; nothing to do without any."""
    runner = web.AppRunner(
        application(view, api), access_log=None, keepalive_timeout=KEEP_ALIVE, shutdown_timeout=3.0
    )
    await runner.setup()
    try:
        for listener in sockets:
            await web.SockSite(runner, listener, ssl_context=ssl_context).start()
        yield
    finally:
        await runner.cleanup()


Job = tuple[str, float, Callable[[Connection], Awaitable[Any]]]
"""Name, period in seconds, and work of a job."""


@dataclass
class Jobs:
    """Upkeep of the database; each job is done by one process of the installation at a time.

    ``holder`` names this process in the leases; ``more`` are jobs of others.
    """

    pool: Pool
    holder: str
    clock: Clock
    days: retention.Days
    more: tuple[Job, ...] = ()

    def schedule(self) -> list[tuple[str, float, Callable[[], Awaitable[Any]]]]:
        """Name, period in seconds, and work of every job."""
        table: tuple[Job, ...] = (
            ("promotion", 5.0, keys.promote_due),
            ("partitions", 600.0, self._partitions),
            ("rollups", 300.0, self._rollups),
            ("retention", 3600.0, self._retention),
            *self.more,
        )
        return [
            (name, every, partial(self._leased, name, every, work)) for name, every, work in table
        ]

    async def _leased(
        self, name: str, every: float, work: Callable[[Connection], Awaitable[Any]]
    ) -> None:
        """Do the work if the lease is ours or free; it outlives the work by three periods."""
        async with self.pool.acquire() as conn:
            lease = max(60.0, 3 * every)
            if await leases.take(conn, name, self.holder, lease) is not None:
                await work(conn)

    async def _partitions(self, conn: Connection) -> None:
        await partitions.ensure(conn, now_us=self.clock.now_us())

    async def _rollups(self, conn: Connection) -> None:
        await rollups.run(conn, now_us=self.clock.now_us())

    async def _retention(self, conn: Connection) -> None:
        removed = await retention.run(conn, now_us=self.clock.now_us(), days=self.days)
        log.info("retention", partitions=removed.partitions, rows=sum(removed.rows.values()))
