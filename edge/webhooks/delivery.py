"""One POST to an endpoint: whom it connects to, how long it waits, how much it reads.

The name is resolved here, every address is judged, and the connection goes to exactly an address
that was judged: aiohttp leaves out its resolver for hosts that are addresses already, so the last
word is where the socket is made. No redirect is followed, no proxy of the environment is used.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult

from edge.clock import Clock
from edge.model.capture import Network
from edge.model.webhook import SigningKey
from edge.webhooks.addresses import refusal
from edge.webhooks.signature import signed

USER_AGENT: Final = "tracking-edge-webhooks/1"

CONNECT_SECONDS: Final = 5.0
RESOLVE_SECONDS: Final = 4.0
IDLE_SECONDS: Final = 15.0
"""For which an unused connection is kept."""

REMEMBERED_SECONDS: Final = 30
"""For which a resolved name is."""

MOST_READ: Final = 4_096
"""Bytes of an answer that are read at all."""

MOST_KEPT: Final = 300
"""Characters of it that are kept for the log."""

_RECEIVER: Final = re.compile(r"/receive/[A-Za-z0-9_-]{43}")

TRIES: Final = 2
"""A connection that was kept open may be closed by the other side just when it is used again: then
the same POST goes out once more, at once."""


class Refused(OSError):
    """An address that must not be called."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one POST; ``status`` None where there was no answer, ``error`` says why."""

    status: int | None
    duration_ms: int
    answer: str = ""
    error: str = ""


class Guard:
    """Judges addresses: public ones and those in the operator's networks may be called."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def check(self, address: str) -> None:
        """Raises Refused. An address of this machine is refused however public it is."""
        if why := refusal(address, self._allowed):
            raise Refused(why)
        if is_own(address) and not self._listed(address):
            raise Refused(f"{address} is an address of this machine")

    def _listed(self, address: str) -> bool:
        parsed = ipaddress.ip_address(address.partition("%")[0])
        return any(parsed.version == one.version and parsed in one for one in self._allowed)

    def open(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for an address that was judged: aiohttp connects to just that."""
        family, kind, protocol, _, address = info
        self.check(str(address[0]))
        return socket.socket(family, kind, protocol)


def is_own(address: str) -> bool:
    """Whether the kernel would reach it from the same address: then it is one of this machine."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))  # sends nothing
            return bool(probe.getsockname()[0] == probe.getpeername()[0])
    except OSError:
        return False  # no route: the connection will fail and say so


class Own(msgspec.Struct, frozen=True):
    """The built-in receiver: the one thing of this machine that may be called.

    ``bases`` are the URLs under which it is known, ``where`` is the one at which this machine
    reaches it. Only such a base with a receiver's path, to the letter, is its URL: nothing that has
    to be resolved, decoded or normalised first, so no other path of the port can be meant.
    """

    where: str
    bases: tuple[str, ...] = ()

    def target(self, url: str) -> str | None:
        """Where a URL of the receiver is posted to; None for any other URL."""
        for base in (self.where, *self.bases):
            if url.startswith(f"{base}/") and _RECEIVER.fullmatch(url[len(base) :]):
                return self.where + url[len(base) :]
        return None

    def open(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for the port of ``where``, on this machine and no other."""
        family, kind, protocol, _, address = info
        parts = urlsplit(self.where)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        if address[1] != port or not is_own(str(address[0])):
            raise Refused(f"{address[0]} is not where the receiver is")
        return socket.socket(family, kind, protocol)


class Names(AbstractResolver):
    """Resolves with the installation's resolvers, in the loop: a slow name holds up no thread."""

    def __init__(self, guard: Guard, resolvers: Sequence[tuple[str, int]] = ()) -> None:
        self._guard = guard
        self._resolver = dns.asyncresolver.Resolver(configure=not resolvers)
        self._resolver.lifetime = RESOLVE_SECONDS
        if resolvers:
            self._resolver.nameservers = [
                dns.nameserver.Do53Nameserver(address, port) for address, port in resolvers
            ]

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host that may be called; raises OSError, Refused among them."""
        found = await self._addresses(host)
        allowed, refused = [], None
        for address in found:
            try:
                self._guard.check(address)
            except Refused as error:
                refused = error
            else:
                allowed.append(address)
        if not allowed:
            raise refused or OSError(f"{host} has no address")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in allowed
        ]

    async def _addresses(self, host: str) -> list[str]:
        name = host.rstrip(".").lower()
        if name == "localhost" or name.endswith(".localhost"):  # RFC 6761: nobody else is asked
            return ["127.0.0.1", "::1"]
        answers = await asyncio.gather(self._records(host, "A"), self._records(host, "AAAA"))
        errors = [one for one in answers if isinstance(one, OSError)]
        found = [address for one in answers if isinstance(one, list) for address in one]
        if not found and errors:
            raise errors[0]
        return found

    async def _records(self, host: str, kind: str) -> list[str] | OSError:
        try:
            answer = await self._resolver.resolve(host, kind, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return OSError(f"{host} does not exist")
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            return OSError(f"{host} cannot be resolved: {type(error).__name__}")
        return [record.address for record in answer.rrset or ()]

    async def close(self) -> None:
        """Nothing is held."""


def _context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


class Poster:
    """Calls endpoints over connections that are kept open; ``seconds`` is for a whole attempt.

    Use it as an asynchronous context manager. ``allowed`` are private networks that may be called,
    ``ca_file`` holds authorities trusted beside the system's. ``own`` is the built-in receiver.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        allowed: Sequence[Network] = (),
        resolvers: Sequence[tuple[str, int]] = (),
        ca_file: Path | None = None,
        seconds: float = 15.0,
        own: Own | None = None,
    ) -> None:
        self._own = own
        self._own_session: aiohttp.ClientSession | None = None
        self._clock = clock
        self._guard = Guard(allowed)
        self._resolvers = resolvers
        self._context = _context(ca_file)
        self._timeout = aiohttp.ClientTimeout(
            total=seconds, sock_connect=min(CONNECT_SECONDS, seconds)
        )
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Poster":
        self._session = self._opened(
            limit=0,
            ssl=self._context,
            resolver=Names(self._guard, self._resolvers),
            socket_factory=self._guard.open,
            ttl_dns_cache=REMEMBERED_SECONDS,
        )
        if self._own is not None:
            # Its certificate, if it has one, is for the name by which others know this machine.
            self._own_session = self._opened(ssl=False, socket_factory=self._own.open)
        return self

    def _opened(self, **connector: Any) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_reused)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(keepalive_timeout=IDLE_SECONDS, **connector),
            timeout=self._timeout,
            headers={"User-Agent": USER_AGENT, "Content-Type": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[trace],
            auto_decompress=False,
            max_line_size=8_190,
            max_field_size=8_190,
        )

    async def __aexit__(self, *_: object) -> None:
        for session in (self._session, self._own_session):
            if session is not None:
                await session.close()

    async def post(self, url: str, key: SigningKey, *, token: str, event: str) -> Attempt:
        """Sign one event's JSON and post it; whatever fails is told, nothing is raised."""
        now_us = self._clock.now_us()
        body, headers = signed(
            key.at(now_us), seconds=now_us // 1_000_000, token=token, event=event
        )
        began = self._clock.monotonic()
        status, answer, error = await self._sent(url, body, dict(headers))
        took = round((self._clock.monotonic() - began) * 1000)
        return Attempt(status=status, duration_ms=took, answer=answer, error=error)

    async def _sent(
        self, url: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int | None, str, str]:
        for _ in range(TRIES):
            way: dict[str, bool] = {}
            try:
                return await self._once(url, body, headers, way)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if not way.get("reused"):
                    return None, "", _told(error)
            except (aiohttp.ClientError, OSError, ValueError) as error:
                return None, "", _told(error)
        return None, "", "no answer: the connection was closed"

    async def _once(
        self, url: str, body: bytes, headers: dict[str, str], way: dict[str, bool]
    ) -> tuple[int, str, str]:
        session = self._session
        if self._own is not None and (target := self._own.target(url)) is not None:
            session, url = self._own_session, target
        assert session is not None, "used outside of its context"
        async with session.post(
            url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=way
        ) as response:
            return response.status, await _beginning(response), ""


async def _reused(_: object, way: Any, __: object) -> None:
    way.trace_request_ctx["reused"] = True


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """The first characters of an answer; the status counts also where the rest never comes.

    What is longer than is read, or breaks off, ends its connection: nobody reads it to its end.
    """
    data = b""
    try:
        while len(data) < MOST_READ:
            chunk = await response.content.read(MOST_READ - len(data))
            if not chunk:
                break
            data += chunk
        else:
            response.close()
    except (aiohttp.ClientError, OSError):  # a timeout too
        response.close()
    text = data[: 4 * MOST_KEPT].decode("utf-8", "replace")
    return "".join(one if one.isprintable() else " " for one in text)[:MOST_KEPT].strip()


def _told(error: Exception) -> str:
    """Why there was no answer, in one line without the URL: that may hold a secret."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"the certificate is not trusted: {error.certificate_error}"[:MOST_KEPT]
    if isinstance(error, aiohttp.ClientConnectorError):
        inner = error.os_error
        return f"not connected: {inner.strerror or inner}"[:MOST_KEPT]
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.InvalidURL):
        return "the URL cannot be called"
    return f"no answer: {type(error).__name__}"
