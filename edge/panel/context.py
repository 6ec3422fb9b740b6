"""What every handler of the panel works with; built by assembly, once for each application."""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from certs.storage import Gate
from edge.clock import Clock
from edge.doctor.examine import Doctor
from edge.lifecycle import Tasks
from edge.model.errors import PeerError
from edge.model.vault import Vault
from edge.panel.permissions import ALLOWED, Permit
from edge.panel.replay import Replay
from edge.sending.accept import Acceptor
from edge.sending.homes import Homes
from edge.store.panel_sessions import Session
from edge.store.panel_users import AT_ONCE
from edge.store.pool import Connection, Pool
from edge.throttle import Bucket
from edge.webhooks.delivery import Poster

MAX_BODY: Final = 26 * 2**20
"""Bytes of a request's body: a CSV file of 25 MB and its form around it."""

TESTS_A_MINUTE: Final = 30
"""Made-up events that one user may have posted."""

PATIENCE: Final = 10.0
"""Seconds that a request waits for a free connection to Postgres."""


@dataclass(kw_only=True)
class Panel:
    """The panel's surroundings.

    ``hosts`` are the names (``host`` or ``host:port``, lower case) under which it may be asked for,
    ``secure`` whether browsers reach it over https, ``cname`` what tracking hosts point at,
    ``trusted`` tells which addresses are proxies. ``failures`` are failed logins a minute, for each
    address and for each name. ``sample`` is the address of the sample message, if there is one.
    ``geo_note`` is the attribution of the geolocation database; ``homes`` are the domains as
    sending has them, ``smtp`` is where submission listens. ``database`` is None until Postgres was
    reached. Who reads a large file holds ``files``, and who proves a password one of ``logins``:
    those wait before they take a connection. ``poster`` makes what calls webhooks, ``receiver`` is
    the URL under which the control port is known, ``key_grace`` are the seconds for which a
    replaced signing key goes on signing. ``tasks`` are replays under way.
    """

    clock: Clock
    vault: Vault
    acceptor: Acceptor
    doctor: Doctor
    gate: Gate | None
    cname: str
    hosts: Callable[[str], bool]
    secure: bool
    trusted: Callable[[str], bool]
    homes: Homes
    failures: int = 10
    sample: Callable[[], str] = str
    geo_note: Callable[[], str] = str
    smtp: str = ""
    poster: Callable[[], Poster] | None = None
    receiver: str = ""
    key_grace: int = 86_400
    database: Pool | None = None
    tasks: Tasks = field(default_factory=lambda: Tasks(grace=1.0))
    replays: dict[str, Replay] = field(init=False, default_factory=dict)
    failed: Bucket = field(init=False)
    tests: Bucket = field(init=False)
    files: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)
    logins: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.failed = Bucket(self.failures, self.clock)
        self.tests = Bucket(TESTS_A_MINUTE, self.clock)
        self.logins = asyncio.Semaphore(AT_ONCE)

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection for the length of an ``async with``.

        Raises PeerError while there is no pool, and TimeoutError when none is free in time.
        """
        if self.database is None:
            raise PeerError("Postgres was not reached since the start")
        return self.database.acquire(timeout=PATIENCE)

    def posting(self) -> AbstractAsyncContextManager[Poster]:
        """What calls webhooks, for the length of an ``async with``."""
        return self.poster() if self.poster else Poster(self.clock)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PANEL: Final = web.AppKey("panel", Panel)
SESSION: Final = web.RequestKey("panel_session", Session)
FORM: Final = web.RequestKey("panel_form", str)
"""The secret that tokens of this visitor's forms are made of."""

SUBJECT: Final = web.RequestKey("panel_subject", str)
"""What a write was about, for the audit log; set by its handler."""


def may(request: web.Request, permit: Permit) -> bool:
    """Whether the one who asks may do this; nobody may who is not logged in."""
    session = request.get(SESSION)
    return session is not None and permit in ALLOWED[session.role]


def form_token(request: web.Request) -> str:
    """What the forms of this visitor's pages carry, and no other page can know."""
    secret = request.get(FORM, "")
    return hmac.new(secret.encode(), b"edge panel form", hashlib.sha256).hexdigest()
