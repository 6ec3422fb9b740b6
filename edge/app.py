"""Composition root: what every child is built of, and the order in which it opens and closes.

One function per child, each run in a process of its own that the supervisor forked. All modules
are imported here, at the top, because a child that gave up root may no longer read them from disk.
"""

import asyncio
import gc
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
import uvloop

from certs.sni import Certificates
from edge import control, crash
from edge.adapters import certificate_jobs, first_run, panel, reaching, webhooks
from edge.adapters.child_process import only_one, short_slices
from edge.adapters.first_run import control_url
from edge.adapters.proxies import trusts
from edge.adapters.returns import returns_server
from edge.api.context import PATIENCE, Api
from edge.clock import SystemClock
from edge.ingest.key_files import KEY_DIRECTORY, KeyFiles
from edge.ingest.station import IngestStation
from edge.lifecycle import Tasks
from edge.model.vault import Vault
from edge.roster.snapshot import FILE_NAME
from edge.sending.accept import Acceptor
from edge.sending.dispatch import Dispatcher
from edge.sending.homes import Homes, Ports
from edge.sending.hops import mark_of
from edge.sending.relay import Relay
from edge.sending.resolve import Exchangers
from edge.sending.submission import SubmissionServer
from edge.setting_types import Durability
from edge.settings import Settings
from edge.spool.writer import SpoolWriter
from edge.store import pool
from edge.store.retention import Days
from edge.tracking.handshakes import unraisable
from edge.tracking.server import TrackingServer
from edge.tracking.well_known import prober_of

log = structlog.get_logger()

TRACKING: Final = "tracking"
INGEST: Final = "ingest"
CONTROL: Final = "control"
SENDING: Final = "sending"
WEBHOOKS: Final = "webhooks"
FIRST_RUN: Final = "first run"

LAST_BREATH: Final = 10
"""Seconds from the first sign of the end to the last moment of a child."""

SENDING_CONNECTIONS: Final = 8
"""Connections to Postgres of the queue's worker."""

API_CONNECTIONS: Final = 8
"""Connections to Postgres that the API and the leased jobs share."""

SENDING_NICE: Final = 5
"""The same for sending, which people wait for sooner than for figures."""

INGEST_NICE: Final = 10
"""How far ingest steps back behind tracking where they share a core (see nice(2))."""

ROLES: Final = {
    "edge": (TRACKING, INGEST),
    "control": (INGEST, CONTROL, SENDING, WEBHOOKS),
    "all": (TRACKING, INGEST, CONTROL, SENDING, WEBHOOKS),
}
"""Children of each ``--role``."""


@dataclass(frozen=True, kw_only=True)
class Inheritance:
    """What the supervisor hands to a child at its fork.

    ``dsn`` is Postgres' URL; ``parent_pipe`` becomes readable when the supervisor is gone;
    ``control`` is empty but for the one child that answers the control port, ``panel`` but for
    control, ``smtp``, ``smtps`` and ``returns`` but for the one that takes mail, ``certificates``
    is of tracking; ``name`` is the machine's host name and ``edge_id`` the data directory's UUID.
    """

    settings: Settings
    role: str
    http: list[socket.socket]
    https: list[socket.socket]
    control: list[socket.socket]
    panel: list[socket.socket]
    smtp: list[socket.socket]
    smtps: list[socket.socket]
    returns: list[socket.socket]
    certificates: Certificates | None
    control_context: ssl.SSLContext | None
    smtp_context: ssl.SSLContext | None
    panel_context: ssl.SSLContext | None
    vault: Vault
    dsn: str
    parent_pipe: int
    index: int
    edge_id: str
    name: str


def run_tracking(inh: Inheritance) -> None:
    """Answer tracking hostnames until told to stop."""
    if not short_slices():  # a sandbox may forbid the call; nothing depends on it
        log.debug("no slices of its own")
    sys.unraisablehook = unraisable
    _run(_tracking(inh))


def run_ingest(inh: Inheritance) -> None:
    """Move this machine's spool to Postgres, and keep its roster, until told to stop."""
    # A batch is tens of thousands of small immutable objects without cycles: looking through them
    # at CPython's default pace cost a quarter of the drain's CPU (48 against 37 µs an event).
    gc.set_threshold(100_000, 50, 100)
    # A backlog keeps a core busy for minutes, and no mail reader may wait for it.
    os.nice(INGEST_NICE)
    _run(_ingest(inh))


def run_control(inh: Inheritance) -> None:
    """Serve the control port and the panel, and run the leased jobs, until told to stop."""
    _run(_control(inh))


def run_sending(inh: Inheritance) -> None:
    """Send what is queued until told to stop."""
    # As ingest: many small objects, hardly a cycle; and a campaign must not make readers wait.
    gc.set_threshold(100_000, 50, 100)
    os.nice(SENDING_NICE)
    _run(_sending(inh))


def run_webhooks(inh: Inheritance) -> None:
    """Call the webhooks that are queued until told to stop."""
    gc.set_threshold(100_000, 50, 100)  # as sending
    os.nice(SENDING_NICE)
    _run(_webhooks(inh))


def run_first_run(inh: Inheritance) -> None:
    """Make the sandbox domain and the sample message if the database has no domain; say so."""
    _run(_first_run(inh))


RUN: Final[dict[str, Callable[[Inheritance], None]]] = {
    TRACKING: run_tracking,
    INGEST: run_ingest,
    CONTROL: run_control,
    SENDING: run_sending,
    WEBHOOKS: run_webhooks,
    FIRST_RUN: run_first_run,
}


def _run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


@asynccontextmanager
async def _child(inh: Inheritance) -> AsyncIterator[Tasks]:
    """The tasks of a child that ends with its supervisor; they are drained at the end."""
    tasks = Tasks(last_breath=LAST_BREATH)
    tasks.on_signals()
    tasks.stop_with_parent(inh.parent_pipe)
    try:
        yield tasks
    finally:
        await tasks.close()


async def _tracking(inh: Inheritance) -> None:
    settings, clock = inh.settings, SystemClock()
    crash.arm(settings.crash_at)
    async with _child(inh) as tasks:
        spool = SpoolWriter(
            settings.spool_dir, edge=inh.edge_id, clock=clock, max_bytes=settings.spool_max_bytes
        )
        server = TrackingServer(
            roster_path=settings.data_dir / FILE_NAME,
            vault=inh.vault,
            spool=spool,
            clock=clock,
            fsync=settings.durability is Durability.FSYNC,
            repeat_limit=settings.repeat_limit,
            max_connections=settings.max_connections,
            trusted=trusts(settings.trusted_proxies),
            certificates=inh.certificates,
            https_port=settings.https_port,
            prober=prober_of(inh.vault),
        )
        await server.start(inh.http, inh.https, tasks)
        log.info("tracking", worker=inh.index)
        await tasks.stopping.wait()
        await server.drain()


def _database(
    inh: Inheritance, tasks: Tasks, *, size: int = 4
) -> AbstractAsyncContextManager[pool.Pool | None]:
    return reaching.database(inh.dsn, tasks, size=size)


async def _ingest(inh: Inheritance) -> None:
    crash.arm(inh.settings.crash_at)
    async with _child(inh) as tasks:
        view = control.View(data_dir=inh.settings.data_dir, role=inh.role)
        async with (
            control.serving(view, inh.control, inh.control_context),
            _database(inh, tasks) as opened,
        ):
            if opened is None:
                return
            view.pool = opened
            log.info("ingest")
            settings, keys = inh.settings, None
            if TRACKING in ROLES[inh.role]:
                keys = KeyFiles(settings.data_dir / KEY_DIRECTORY, opened, inh.vault)
            station = IngestStation(
                spool=settings.spool_dir,
                roster_path=settings.data_dir / FILE_NAME,
                ranges_path=settings.data_dir / "ranges.mmdb",
                geo_path=settings.geo_path,
                gmail_image_proxy=settings.gmail_image_proxy,
                settle=settings.settle,
                trusted=trusts(settings.trusted_proxies) or (lambda _: False),
                edge_id=inh.edge_id,
                name=inh.name,
                pool=opened,
                clock=SystemClock(),
                tasks=tasks,
                keys=keys,
            )
            await station.run()


def _acceptor(settings: Settings) -> Acceptor:
    return Acceptor(
        SystemClock(),
        public_url=settings.public_url or control_url(settings),
        queue_limit=settings.queue_limit,
        most_tags=settings.tags_per_domain,
    )


def _api(inh: Inheritance, acceptor: Acceptor) -> Api:
    settings = inh.settings
    return Api(
        clock=SystemClock(),
        vault=inh.vault,
        acceptor=acceptor,
        cname=settings.public_host or "localhost",
        public_url=settings.public_url or first_run.control_url(settings),
        trusted=trusts(settings.trusted_proxies) or (lambda _: False),
        failures=settings.api_failures,
        rate=settings.api_rate_limit,
        send_rate=settings.api_send_limit,
        query_rate=settings.api_analytics_limit,
        gate=certificate_jobs.gate_of(settings, inh.vault),
        resolvers=[(bind.host, bind.port) for bind in settings.resolvers],
        probe_port=settings.acme_http_port,
        poster=partial(webhooks.poster_of, settings, SystemClock()),
        key_grace=settings.webhook_key_grace * 3600,
        soft_run=settings.soft_run,
    )


async def _control(inh: Inheritance) -> None:
    crash.arm(inh.settings.crash_at)
    async with _child(inh) as tasks:
        view = control.View(data_dir=inh.settings.data_dir, role=inh.role)
        acceptor = _acceptor(inh.settings)
        api = _api(inh, acceptor)
        pages = panel.panel_of(
            inh.settings,
            clock=SystemClock(),
            vault=inh.vault,
            acceptor=acceptor,
            doctor=api.doctor,
            gate=api.gate,
        )
        async with (
            control.serving(view, inh.control, inh.control_context, api),
            panel.serving(pages, inh.panel, inh.panel_context),
            _database(inh, tasks, size=API_CONNECTIONS) as opened,
            _database(inh, tasks) as for_pages,
        ):
            if opened is None or for_pages is None:
                return
            view.pool = api.database = acceptor.database = opened
            pages.database = for_pages
            log.info("control")
            accepting = tasks.spawn("accept", acceptor.run(tasks))
            certificates = certificate_jobs.CertificateJobs(
                settings=inh.settings,
                pool=opened,
                vault=inh.vault,
                clock=SystemClock(),
                holder=inh.edge_id,
                gate=api.gate,
            )
            ordering = tasks.spawn("certificates", certificates.run(tasks))
            jobs = control.Jobs(
                pool=opened,
                holder=inh.edge_id,
                clock=SystemClock(),
                days=Days(
                    inh.settings.facts_days, inh.settings.message_days, inh.settings.webhook_days
                ),
                more=certificates.upkeep(),
            )
            for name, seconds, work in jobs.schedule():
                tasks.spawn(name, tasks.every(seconds, work, name))
            await tasks.stopping.wait()
            await accepting
            await ordering


async def _sending(inh: Inheritance) -> None:
    crash.arm(inh.settings.crash_at)
    settings, clock = inh.settings, SystemClock()
    async with (
        _child(inh) as tasks,
        only_one(settings.data_dir / "sending.lock", tasks) as mine,
        _database(inh, tasks, size=SENDING_CONNECTIONS) as opened,
    ):
        if opened is None or not mine:
            return
        name = settings.smtp_name or settings.public_host or inh.name
        ports = Ports(settings.http_port, settings.https_port)
        resolvers = [(bind.host, bind.port) for bind in settings.resolvers]
        exchangers = Exchangers(resolvers, own_host=name)
        ca_file = str(settings.smtp_ca_file) if settings.smtp_ca_file else None
        dispatcher = Dispatcher(
            pool=opened,
            clock=clock,
            tasks=tasks,
            homes=Homes(inh.vault, clock, ports, settings.route),
            relay=Relay(clock, exchangers, helo=name, ca_file=ca_file),
            holder=f"{inh.edge_id}:{SENDING}",
            public_url=settings.public_url or control_url(settings),
            most=settings.deliveries_at_once,
        )
        acceptor = _acceptor(settings)
        acceptor.database = opened
        accepting = tasks.spawn("accept", acceptor.run(tasks))
        submission = SubmissionServer(
            accepts=acceptor,
            connect=lambda: opened.acquire(timeout=PATIENCE),
            clock=clock,
            hostname=name,
            mark=mark_of(inh.vault),
            trusted=trusts(settings.smtp_networks),
            failures=settings.api_failures,
        )
        await submission.start(inh.smtp, inh.smtp_context, tasks, inh.smtps)
        returning = returns_server(settings, inh.vault, opened, name)
        await returning.start(inh.returns, inh.smtp_context, tasks)
        log.info("sending")
        dispatching = tasks.spawn("dispatch", dispatcher.run())
        await tasks.stopping.wait()
        await submission.drain()
        await returning.drain()
        await dispatching
        await accepting


async def _webhooks(inh: Inheritance) -> None:
    crash.arm(inh.settings.crash_at)
    async with (
        _child(inh) as tasks,
        only_one(inh.settings.data_dir / "webhooks.lock", tasks) as mine,
        _database(inh, tasks, size=webhooks.CONNECTIONS) as opened,
    ):
        if opened is not None and mine:
            log.info("webhooks")
            holder = f"{inh.edge_id}:{WEBHOOKS}"
            await webhooks.dispatch(inh.settings, opened, inh.vault, SystemClock(), tasks, holder)


async def _first_run(inh: Inheritance) -> None:
    async with _child(inh) as tasks, _database(inh, tasks, size=1) as opened:
        if opened is not None:
            has_api = CONTROL in ROLES[inh.role]
            await first_run.greet(
                opened, inh.settings, inh.vault, SystemClock(), tasks, has_api=has_api
            )
