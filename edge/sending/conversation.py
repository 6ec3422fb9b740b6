"""One SMTP connection of somebody who hands messages in: lines, limits, small talk (RFC 5321).

aiosmtpd carries the connection, its session and its timer. Commands are read here, because the edge
needs them stricter than a library for everyone can have them: a line ends in CRLF and nothing else,
holds no control characters, and errors, failed logins and idle talk are bounded. What matters is in
:mod:`edge.sending.dialogue`.

Whoever needs an answer about the world (may this address send? whose password is it? take this
message) asks :class:`Shared`. Nothing that a client sends is logged, only its address.
"""

import asyncio
import ssl
from typing import Final, Protocol, cast

import msgspec
import structlog
from aiosmtpd.smtp import SMTP

from edge.model.domain import Domain
from edge.sending.message import MAX_MESSAGE

log = structlog.get_logger()

IDLE_SECONDS: Final = 300.0
"""RFC 5321 § 4.5.3.2.7: a server waits at least five minutes for the next command."""

CLOSE_SECONDS: Final = 5.0

COMMAND_OCTETS: Final = 1024
MAIL_OCTETS: Final = 2048
AUTH_OCTETS: Final = 12_288
"""Octets of a line: RFC 5321 § 4.5.3.1.4 with its extensions, and RFC 4954 § 4."""

MOST_FAULTS: Final = 20
MOST_JUNK: Final = 100
"""Refused commands of a connection, and commands that lead nowhere between two messages."""

_WEB: Final = frozenset({"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "HOST:"})
_LIMITS: Final = {"AUTH": AUTH_OCTETS, "MAIL": MAIL_OCTETS, "RCPT": MAIL_OCTETS}
_FREE: Final = frozenset({"MAIL", "RCPT", "DATA", "QUIT"})
_SYNTAX: Final = "500 5.5.2 lines end in CRLF and hold UTF-8 without control characters"


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """One message as it came; ``domain`` is that of the login, None without one."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    helo: str
    ip: str
    extended: bool
    tls: bool
    utf8: bool
    domain: Domain | None


class Shared(Protocol):
    """What all connections share. ``context`` is STARTTLS's, None where there is no certificate."""

    hostname: str
    context: ssl.SSLContext | None
    draining: bool

    def admit(self, conversation: "Conversation") -> str:
        """Take a connection in; a reply that refuses it, or nothing."""
        ...

    def gone(self, conversation: "Conversation") -> None:
        """The connection has ended; may be told again."""
        ...

    def trusts(self, ip: str) -> bool:
        """Whether an address may send without AUTH."""
        ...

    def hold(self, octets: int) -> bool:
        """Take from the budget of message bytes in memory; negative gives back, always True."""
        ...

    def refused(self, reason: str) -> None:
        """Count a refusal that was answered here."""
        ...

    async def login(self, user: str, password: str, ip: str) -> Domain | str:
        """The domain of a login, or the reply that refuses it."""
        ...

    async def take(self, submission: Submission) -> str:
        """Accept a message; the reply. It may be cancelled when the client goes away."""
        ...


class End(Exception):
    """The conversation is over; its text is the last reply."""


class Conversation(SMTP):
    """A connection; ``implicit`` where TLS began with its first byte."""

    line_length_limit = 64 * 1024  # the buffer: pieces of DATA come as long as this

    def __init__(self, shared: Shared, *, implicit: bool, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            None,
            hostname=shared.hostname,
            enable_SMTPUTF8=True,
            data_size_limit=MAX_MESSAGE,
            timeout=IDLE_SECONDS,
            loop=loop,
        )
        self.shared = shared
        self.tls = implicit
        self.ip = ""
        self.waiting = False
        self.domain: Domain | None = None
        self.helo = ""
        self.extended = False
        self.sender: str | None = None
        self.recipients: list[str] = []
        self.utf8 = False
        self._faults = self.junk = 0

    # --- the connection -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; aiosmtpd starts :meth:`_handle_client`."""
        peer = transport.get_extra_info("peername")
        self.ip = str(peer[0]).partition("%")[0].removeprefix("::ffff:") if peer else ""
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """The end; whatever was going on is cancelled."""
        self.shared.gone(self)
        super().connection_lost(error)

    def eof_received(self) -> bool | None:
        """Nothing more comes; what came is answered, over TLS only if it was already."""
        keep: bool | None = asyncio.StreamReaderProtocol.eof_received(self)
        return keep

    def hang_up(self, reply: str = "") -> None:
        """Close after a last reply, and cut the connection if it does not get away in time."""
        transport = cast(asyncio.Transport | None, self.transport)
        if transport is None or transport.is_closing():
            return
        if reply:
            transport.write(reply.encode("ascii") + b"\r\n")
        transport.close()
        self.loop.call_later(CLOSE_SECONDS, transport.abort)

    def cut(self) -> None:
        """Close at once, whatever is still to be said."""
        if (transport := cast(asyncio.Transport | None, self.transport)) is not None:
            transport.abort()

    def _timeout_cb(self) -> None:
        self.shared.refused("timeout")
        self.hang_up(f"421 4.4.2 {self.hostname} nothing came for too long")

    async def say(self, reply: str) -> None:
        """Send a reply. Raises ConnectionError where nobody listens any more."""
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError("the connection is closing")
        charset = "utf-8" if self.utf8 else "ascii"
        self._writer.write(reply.encode(charset, "replace") + b"\r\n")
        await self._writer.drain()

    async def _handle_client(self) -> None:
        """The whole conversation."""
        last = ""
        try:
            last = self.shared.admit(self)
            if not last:
                await self.say(f"220 {self.hostname} ESMTP")
                while True:
                    if self.shared.draining:
                        raise End(f"421 4.3.2 {self.hostname} is closing down; try again")
                    await self._command(await self.line())
        except End as end:
            last = str(end)
        except (asyncio.IncompleteReadError, OSError):  # the client is gone
            last = ""
        except asyncio.CancelledError:  # connection_lost cancels, and then nobody waits for this
            last = ""
        except Exception as error:  # the one broad catch of this loop: a fault ends one connection
            log.error("submission failed", error=repr(error), exc_info=error, ip=self.ip)
            self.shared.refused("fault")
            last = "421 4.3.0 a fault of ours; try again"
        finally:
            if self._timeout_handle is not None:
                self._timeout_handle.cancel()
            self.shared.gone(self)
            self.hang_up(last)

    async def line(self) -> bytes:
        """The next line with its end. Raises End when it is longer than any may be."""
        self.waiting = True
        try:
            line: bytes = await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            raise End("421 4.7.0 that line has no end") from None
        finally:
            self.waiting = False
        self._reset_timeout()
        return line

    async def _command(self, line: bytes) -> None:
        verb, _, rest = line.partition(b" ")
        name = verb.strip().upper().decode("ascii", "replace")
        if name in _WEB:
            raise End("421 4.7.0 this is a mail server")
        method = self._smtp_methods.get(name)
        argument = text_of(rest if rest else line[len(verb.rstrip()) :])
        if argument is None:
            await self.fault(_SYNTAX)
        elif len(line) > _LIMITS.get(name, COMMAND_OCTETS):
            await self.fault("500 5.5.2 line too long")
        elif method is None:
            await self.fault("500 5.5.1 unknown command")
        else:
            if name not in _FREE:
                self.junk += 1
                if self.junk > MOST_JUNK:
                    raise End("421 4.7.0 too many commands without a message")
            await method(argument)

    def reset(self) -> None:
        """Forget the message that was begun."""
        self.sender, self.recipients, self.utf8 = None, [], False

    async def fault(self, reply: str) -> None:
        """Answer an error; raises End after too many of them."""
        self._faults += 1
        if self._faults >= MOST_FAULTS:
            await self.say(reply)
            raise End("421 4.7.0 too many errors")
        await self.say(reply)

    # --- greeting and small talk ----------------------------------------------------------------

    async def smtp_HELO(self, argument: str) -> None:  # noqa: N802 - aiosmtpd finds it by its name
        """RFC 5321 § 4.1.1.1."""
        await self._greet(argument, extended=False)

    async def smtp_EHLO(self, argument: str) -> None:  # noqa: N802 - as above
        """The same, with what can be asked of this server."""
        await self._greet(argument, extended=True)

    async def _greet(self, argument: str, *, extended: bool) -> None:
        if not argument or " " in argument or len(argument) > 255:
            await self.fault("501 5.5.4 Syntax: EHLO host name")
            return
        self.reset()
        self.helo, self.extended = argument, extended
        lines = [self.hostname]
        if extended:
            lines += [f"SIZE {MAX_MESSAGE}", "8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES"]
            lines += ["SMTPUTF8"]
            if self.shared.context is not None and not self.tls:
                lines.append("STARTTLS")
            if self.tls and self.domain is None:
                lines.append("AUTH PLAIN LOGIN")
        *first, last = lines
        await self.say("".join(f"250-{line}\r\n" for line in first) + f"250 {last}")

    async def smtp_NOOP(self, _: str) -> None:  # noqa: N802 - as above
        """Nothing."""
        await self.say("250 2.0.0 OK")

    async def smtp_RSET(self, argument: str) -> None:  # noqa: N802 - as above
        """Forget the message that was begun."""
        if argument:
            await self.fault("501 5.5.4 Syntax: RSET")
            return
        self.reset()
        await self.say("250 2.0.0 OK")

    async def smtp_VRFY(self, _: str) -> None:  # noqa: N802 - as above
        """Neither yes nor no (RFC 5321 § 3.5.3)."""
        await self.say("252 2.5.0 send some mail, and it will be tried")

    async def smtp_EXPN(self, _: str) -> None:  # noqa: N802 - as above
        """Lists are nobody's business."""
        await self.fault("502 5.5.1 not offered")

    async def smtp_HELP(self, _: str) -> None:  # noqa: N802 - as above
        """RFC 5321 § 4.1.1.8."""
        await self.say("214 2.0.0 RFC 5321, RFC 6409")

    async def smtp_QUIT(self, _: str) -> None:  # noqa: N802 - as above
        """The end."""
        raise End("221 2.0.0 Bye")


def text_of(line: bytes) -> str | None:
    """The line without its CRLF and outer spaces; None where it does not end so or is no text."""
    if not line.endswith(b"\r\n"):
        return None
    try:
        text = line[:-2].decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text.strip(" ") if text.isprintable() else None
