"""A submission server on loopback, whoever takes its messages, and a client of raw bytes."""

import asyncio
import base64
import smtplib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from edge.clock import ManualClock
from edge.lifecycle import Tasks
from edge.model.domain import Domain
from edge.sending.message import Accepted, Message
from edge.sending.submission import SubmissionServer
from edge.store import credentials, domains
from edge.store.pool import Pool

DOMAIN, OTHER = "mg.example.com", "brand.example"
LOGIN, PASSWORD = f"ann@{DOMAIN}", "correct horse"
MARK = "0123456789ab"
MESSAGE = b"From: Ann <ann@mg.example.com>\r\nSubject: hello\r\n\r\nbody\r\n"

T = TypeVar("T")


@dataclass
class Recorder:
    """Takes messages, or fails as told; waits for ``gate`` first if there is one."""

    taken: list[Message] = field(default_factory=list)
    error: Exception | None = None
    gate: asyncio.Event | None = None
    began: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: bool = False

    async def accept(self, message: Message) -> Accepted:
        """Keep it."""
        self.began.set()
        if self.gate is not None:
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        if self.error is not None:
            raise self.error
        self.taken.append(message)
        return Accepted(f"{len(self.taken)}@{DOMAIN}", "key")


@dataclass
class World:
    """A server that listens; ``tls_port`` speaks TLS from the first byte, 0 without a context."""

    server: SubmissionServer
    port: int
    tls_port: int
    inbox: Recorder
    clock: ManualClock

    @asynccontextmanager
    async def talk(self) -> AsyncIterator["Talk"]:
        """A raw connection after its greeting."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        talk = Talk(reader, writer)
        try:
            talk.greeting = await talk.reply()
            yield talk
        finally:
            writer.close()

    async def send(self, message: bytes = MESSAGE, sender: str = LOGIN, *to: str) -> str:
        """One message over a connection of its own; the reply to its end."""
        async with self.talk() as talk:
            return await talk.send(message, sender, *to)


@dataclass
class Talk:
    """One connection, said line by line."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: str = ""

    async def reply(self) -> str:
        """The next reply, of one line or more; empty at the end of the connection."""
        lines = []
        async with asyncio.timeout(20):
            while line := (await self.reader.readline()).decode():
                lines.append(line.rstrip("\r\n"))
                if line[3:4] != "-":
                    break
        return "\n".join(lines)

    async def say(self, line: str | bytes) -> str:
        """Send a line, with its CRLF unless it is bytes; the reply."""
        self.writer.write(line if isinstance(line, bytes) else line.encode() + b"\r\n")
        return await self.reply()

    async def hello(self) -> str:
        """EHLO."""
        return await self.say("EHLO client.example")

    async def begin(self, sender: str = LOGIN, *to: str) -> str:
        """Up to DATA; its reply."""
        await self.hello()
        assert (await self.say(f"MAIL FROM:<{sender}>")).startswith("250")
        for recipient in to or ("bob@example.net",):
            assert (await self.say(f"RCPT TO:<{recipient}>")).startswith("250")
        return await self.say("DATA")

    async def send(self, message: bytes = MESSAGE, sender: str = LOGIN, *to: str) -> str:
        """A message, its dots stuffed; the reply to its end."""
        assert (await self.begin(sender, *to)).startswith("354")
        stuffed = (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:]
        return await self.say(stuffed + b".\r\n")


def plain(login: str = LOGIN, password: str = PASSWORD) -> str:
    """The argument of AUTH PLAIN."""
    return base64.b64encode(f"\0{login}\0{password}".encode()).decode()


def _listener() -> socket.socket:
    listener = socket.socket()
    listener.setblocking(False)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


@asynccontextmanager
async def submitting(
    db: Pool,
    *,
    context: ssl.SSLContext | None = None,
    trusted: Callable[[str], bool] | None = lambda _: True,
    **more: Any,
) -> AsyncIterator[World]:
    """A server with two domains and one login; everybody may send unless told otherwise."""
    clock, inbox, tasks = ManualClock(), Recorder(), Tasks()
    async with db.acquire() as conn:
        for name in () if await domains.list_domains(conn) else (DOMAIN, OTHER):
            domain = await domains.add(conn, Domain(number=0, name=name), now_us=clock.now_us())
            if name == DOMAIN:
                await credentials.add(conn, domain, LOGIN, PASSWORD, now_us=clock.now_us())
    options: dict[str, Any] = {"connect": lambda: db.acquire(timeout=10), "accepts": inbox} | more
    server = SubmissionServer(
        clock=clock, hostname="edge.example.org", mark=MARK, trusted=trusted, **options
    )
    listeners = [_listener(), _listener()] if context else [_listener()]
    ports = [listener.getsockname()[1] for listener in listeners]
    await server.start(listeners[:1], context, tasks, listeners[1:])
    try:
        yield World(server, ports[0], ports[1] if context else 0, inbox, clock)
    finally:
        await server.drain(1.0)
        await tasks.close()
        await asyncio.sleep(0.02)  # lets the loop close the sockets


async def with_smtplib(world: World, talk: Callable[[smtplib.SMTP], T], *, tls: bool = False) -> T:
    """A conversation of the standard library's client, in a thread."""

    def work() -> T:
        if tls:
            with smtplib.SMTP_SSL("127.0.0.1", world.tls_port, context=unverified()) as client:
                return talk(client)
        with smtplib.SMTP("127.0.0.1", world.port, timeout=20) as client:
            return talk(client)

    return await asyncio.to_thread(work)


def unverified() -> ssl.SSLContext:
    """A client's context that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
