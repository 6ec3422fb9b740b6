"""Assembly of the control panel: its surroundings from the settings, and serving it."""

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from certs.storage import Gate
from edge.adapters import first_run, webhooks
from edge.adapters.proxies import trusts
from edge.clock import Clock
from edge.control import KEEP_ALIVE, SAMPLE_FILE
from edge.doctor.examine import Doctor
from edge.enrich.geo_update import load_geo_record
from edge.model.vault import Vault
from edge.panel import routes
from edge.panel.context import Panel
from edge.sending.accept import Acceptor
from edge.sending.homes import Homes, Ports
from edge.settings import Settings

LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


def hosts_of(settings: Settings) -> Callable[[str], bool]:
    """Which ``Host`` headers are ours: loopback names, the bound address, that of EDGE_PANEL_URL.

    A page elsewhere whose name is made to lead here (DNS rebinding) comes with its own name.
    """
    bind = settings.panel_bind
    names = {*LOOPBACK, f"[{bind.host}]" if ":" in bind.host else bind.host}
    known = {f"{name}:{bind.port}" for name in names}
    if settings.panel_url:
        known.add(urlsplit(settings.panel_url).netloc.lower())
    return lambda host: host in known


def is_secure(settings: Settings) -> bool:
    """Whether browsers reach the panel over https."""
    return first_run.panel_url(settings).startswith("https://")


def panel_of(
    settings: Settings,
    *,
    clock: Clock,
    vault: Vault,
    acceptor: Acceptor,
    doctor: Doctor,
    gate: Gate | None,
) -> Panel:
    """The panel's surroundings."""

    def sample() -> str:
        there = (settings.data_dir / SAMPLE_FILE).exists()
        return f"{first_run.control_url(settings)}/sample" if there else ""

    def geo_note() -> str:
        record = load_geo_record(settings.geo_path)
        return record.attribution if record else ""

    ports = Ports(settings.http_port, settings.https_port)
    return Panel(
        clock=clock,
        vault=vault,
        acceptor=acceptor,
        doctor=doctor,
        gate=gate,
        cname=settings.public_host or "localhost",
        hosts=hosts_of(settings),
        secure=is_secure(settings),
        trusted=trusts(settings.trusted_proxies) or (lambda _: False),
        homes=Homes(vault, clock, ports, settings.route),
        sample=sample,
        geo_note=geo_note,
        smtp=str(settings.smtp_bind),
        poster=lambda: webhooks.poster_of(settings, clock),
        receiver=settings.public_url.rstrip("/") or first_run.control_url(settings),
        key_grace=settings.webhook_key_grace * 3600,
    )


@asynccontextmanager
async def serving(
    panel: Panel, sockets: list[socket.socket], ssl_context: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Serve the panel on these inherited sockets; nothing to do without any."""
    runner = web.AppRunner(
        routes.application(panel),
        access_log=None,
        keepalive_timeout=KEEP_ALIVE,
        shutdown_timeout=3.0,
    )
    await runner.setup()
    try:
        for listener in sockets:
            await web.SockSite(runner, listener, ssl_context=ssl_context).start()
        yield
    finally:
        await panel.tasks.close()
        await runner.cleanup()
