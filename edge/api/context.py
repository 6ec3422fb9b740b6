"""What every handler works with; built by assembly, once for each application."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from certs.storage import Gate
from edge.clock import Clock
from edge.doctor.examine import Doctor
from edge.doctor.look import Looker, Server
from edge.model.errors import PeerError
from edge.model.probe import probe_secret
from edge.model.vault import Vault
from edge.sending.accept import Acceptor
from edge.sending.path_keys import PathKeys
from edge.sending.returning import Returns
from edge.store.api_keys import ApiKey
from edge.store.pool import Connection, Pool
from edge.throttle import Bucket
from edge.webhooks.delivery import Poster

MAX_BODY: Final = 26 * 2**20
"""Bytes of a request's body: a message of 25 MB (Mailgun's limit) and its form around it."""


RECEIVED_A_MINUTE: Final = 600
"""POSTs that the built-in receiver takes."""

PATIENCE: Final = 10.0
"""Seconds that a request waits for a free connection to Postgres."""


QUERY_SECONDS: Final = 10.0
"""In which ``query_rate`` queries may be asked."""


def _nobody(_: str) -> bool:
    return False


@dataclass(kw_only=True)
class Api:
    """The API's surroundings.

    ``cname`` is what tracking hosts point at, ``public_url`` the base of absolute URLs, without a
    slash at its end, ``trusted`` tells which addresses are proxies whose
    ``X-Forwarded-For`` counts. ``resolvers`` (none: the system's) and ``probe_port`` are those of
    the ``doctor``, which is made unless ``examiner`` is given, ``soft_run`` that of ``returns``.
    ``failures`` are per minute and address, ``rate`` and ``send_rate`` per minute and key,
    ``query_rate`` per :data:`QUERY_SECONDS` and key (:mod:`edge.api.limits`); 0 is no limit.
    ``gate`` raises unless a certificate may be ordered for a host name; None while certificates are
    off. ``database`` is None until Postgres was reached. Who reads a large file holds ``files``:
    the rows of one take hundreds of megabytes. ``poster`` makes what calls webhooks that are tested
    (by the usual rules if not given); a replaced signing key goes on signing for ``key_grace``
    seconds.
    """

    clock: Clock
    cname: str
    vault: Vault
    acceptor: Acceptor
    entropy: Callable[[int], bytes] = secrets.token_bytes
    public_url: str
    trusted: Callable[[str], bool] = _nobody
    failures: int = 20
    rate: int = 0
    send_rate: int = 0
    query_rate: int = 0
    max_body: int = MAX_BODY
    gate: Gate | None = None
    database: Pool | None = None
    resolvers: Sequence[Server] = ()
    probe_port: int = 80
    examiner: Doctor | None = None
    poster: Callable[[], Poster] | None = None
    key_grace: int = 86_400
    soft_run: int = 5
    doctor: Doctor = field(init=False)
    returns: Returns = field(init=False)
    failed: Bucket = field(init=False)
    requests: Bucket = field(init=False)
    sends: Bucket = field(init=False)
    queries: Bucket = field(init=False)
    receiving: Bucket = field(init=False)
    known: dict[bytes, tuple[float, ApiKey]] = field(init=False, default_factory=dict)
    files: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.doctor = self.examiner or Doctor(
            Looker(self.resolvers), probe_secret(self.vault), http_port=self.probe_port
        )
        self.failed = Bucket(self.failures, self.clock)
        self.returns = Returns(
            self.clock,
            PathKeys(self.vault),
            public_url=self.public_url,
            soft_run=self.soft_run,
        )
        self.requests = Bucket(self.rate, self.clock)
        self.sends = Bucket(self.send_rate, self.clock)
        self.queries = Bucket(self.query_rate, self.clock, seconds=QUERY_SECONDS)
        self.receiving = Bucket(RECEIVED_A_MINUTE, self.clock)

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


API: Final = web.AppKey("api", Api)
KEY: Final = web.RequestKey("api_key", ApiKey)
