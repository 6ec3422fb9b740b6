"""One SMTP connection: opened, secured, and used for one message after another.

Every wait has a deadline of its own (RFC 5321 § 4.5.3.2). The final dot leaves only after the
message has: so a failure before it is known to have delivered nothing, and only a missing answer
to the dot itself leaves the outcome unknown.
"""

import asyncio
import socket
import ssl
from typing import cast

import aiosmtplib
import msgspec

from edge.model.errors import PeerError
from edge.returns.reasons import Phase, Reason
from edge.sending.replies import Reply, Verdict, classify, parse_reply, unanswered
from edge.sending.routes import Tls

_CHUNK = 256 * 1024


class Deadlines(msgspec.Struct, frozen=True):
    """Seconds to wait for each step; RFC 5321 § 4.5.3.2's minima, but for connecting and TLS."""

    connect: float = 30.0
    greeting: float = 300.0
    helo: float = 300.0
    tls: float = 60.0
    auth: float = 120.0
    mail: float = 300.0
    rcpt: float = 300.0
    data: float = 120.0
    block: float = 180.0
    dot: float = 600.0
    reset: float = 10.0


class SessionFailure(PeerError):
    """The step that failed. ``broken``: the connection cannot be used again. ``unknown``: the
    dot was sent and not answered, so the message may have been taken.
    """

    def __init__(
        self, phase: Phase, verdict: Verdict, *, broken: bool, unknown: bool = False
    ) -> None:
        super().__init__(f"{phase}: {verdict.text}")
        self.phase = phase
        self.verdict = verdict
        self.broken = broken
        self.unknown = unknown


class TlsFailure(SessionFailure):
    """TLS could not be had: not offered where required, or the handshake failed."""


class Peer(msgspec.Struct, frozen=True):
    """Whom to connect to and how; connections are shared among deliveries to an equal one."""

    host: str
    address: str
    port: int
    tls: Tls
    implicit: bool = False
    user: str = ""
    password: str = ""


class Session:
    """A connection after its greeting; :func:`open_session` makes one."""

    def __init__(self, smtp: aiosmtplib.SMTP, peer: Peer, deadlines: Deadlines) -> None:
        self.peer = peer
        self.used = 0
        self.idle_since = 0.0
        self._smtp = smtp
        self._deadlines = deadlines

    @property
    def usable(self) -> bool:
        """Whether the connection still stands, as far as this side knows."""
        return self._smtp.is_connected

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.usable and self._smtp.get_transport_info("sslcontext") is not None

    async def secure(self, context: ssl.SSLContext | None) -> None:
        """EHLO, then STARTTLS and AUTH as the peer asks. Raises SessionFailure, TlsFailure."""
        peer, deadlines = self.peer, self._deadlines
        await self._helo()
        if context is not None and not peer.implicit:
            if self._smtp.supports_extension("starttls"):
                try:
                    await self._smtp.starttls(
                        server_hostname=peer.host, tls_context=context, timeout=deadlines.tls
                    )
                except (aiosmtplib.SMTPException, OSError, ValueError) as error:
                    verdict = unanswered(Reason.NETWORK, "tls-failed", _said(error))
                    raise TlsFailure(Phase.HELO, verdict, broken=True) from error
                await self._helo()
            elif peer.tls in (Tls.REQUIRED, Tls.ENCRYPTED):
                verdict = unanswered(Reason.POLICY, "tls-not-offered", "STARTTLS is not offered")
                raise TlsFailure(Phase.HELO, verdict, broken=True)
        if peer.user:
            try:
                await self._smtp.login(peer.user, peer.password, timeout=deadlines.auth)
            except aiosmtplib.SMTPResponseException as error:
                verdict = unanswered(Reason.AUTH_FAILURE, "login-refused", _said(error))
                raise SessionFailure(Phase.HELO, verdict, broken=True) from error
            except (aiosmtplib.SMTPException, OSError) as error:
                raise _broken(Phase.HELO, error) from error

    async def _helo(self) -> None:
        """EHLO, or HELO for a server that does not know it (RFC 5321 § 4.1.1.1)."""
        try:
            try:
                await self._smtp.ehlo(timeout=self._deadlines.helo)
            except aiosmtplib.SMTPHeloError:
                await self._smtp.helo(timeout=self._deadlines.helo)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _broken(Phase.HELO, error) from error

    async def send(self, sender: str, recipient: str, message: bytes) -> Reply:
        """Hand one message over; the reply to the final dot. Raises SessionFailure."""
        self.used += 1
        utf8 = not (sender.isascii() and recipient.isascii())
        options = self._options(message, utf8=utf8)
        mail = b" ".join([b"MAIL FROM:<" + sender.encode() + b">", *options])
        await self._command(Phase.MAIL, mail, 250, self._deadlines.mail)
        rcpt = b"RCPT TO:<" + recipient.encode() + b">"
        await self._command(Phase.RCPT, rcpt, 250, self._deadlines.rcpt)
        await self._command(Phase.DATA, b"DATA", 354, self._deadlines.data)
        await self._content(message)
        return await self._dot()

    def _options(self, message: bytes, *, utf8: bool) -> list[bytes]:
        """SIZE (RFC 1870), BODY (RFC 6152) and SMTPUTF8 (RFC 6531), where offered."""
        options = []
        if self._smtp.supports_extension("size"):
            limit = self._smtp.esmtp_extensions.get("size", "").strip()
            if limit.isdecimal() and 0 < int(limit) < len(message):
                text = f"{len(message)} bytes are more than the {limit} that the server takes"
                raise self._unfit(unanswered(Reason.TOO_BIG, "size-offered", text))
            options.append(b"SIZE=%d" % len(message))
        if not message.isascii() and self._smtp.supports_extension("8bitmime"):
            options.append(b"BODY=8BITMIME")
        if utf8:
            if not self._smtp.supports_extension("smtputf8"):
                text = "the server does not take non-ASCII addresses (SMTPUTF8)"
                raise self._unfit(unanswered(Reason.CONTENT, "no-smtputf8", text))
            options.append(b"SMTPUTF8")
        return options

    @staticmethod
    def _unfit(verdict: Verdict) -> SessionFailure:
        return SessionFailure(Phase.MAIL, verdict, broken=False)

    async def _command(self, phase: Phase, command: bytes, wanted: int, timeout: float) -> None:
        try:
            response = await self._smtp.execute_command(command, timeout=timeout)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _broken(phase, error) from error
        except ValueError as error:  # a line break in an address: it would be a second command
            raise self._unfit(unanswered(Reason.CONTENT, "bad-address", str(error))) from error
        fine = response.code == wanted or (wanted == 250 and response.code in (251, 252))
        if not fine:
            raise _refused(phase, response)

    async def _content(self, message: bytes) -> None:
        """Write the message dot-stuffed (RFC 5321 § 4.5.2) and wait until it has left."""
        stuffed = message.replace(b"\r\n.", b"\r\n..")
        if stuffed.startswith(b"."):
            stuffed = b"." + stuffed
        if not stuffed.endswith(b"\r\n"):
            stuffed += b"\r\n"
        for at in range(0, len(stuffed), _CHUNK):
            self._write(stuffed[at : at + _CHUNK])
            try:
                async with asyncio.timeout(self._deadlines.block):
                    await self._left()
            except TimeoutError as error:
                raise _broken(Phase.DATA, error) from error

    def _write(self, data: bytes) -> None:
        protocol = self._smtp.protocol
        try:
            if protocol is None:
                raise aiosmtplib.SMTPServerDisconnected("Connection lost")
            protocol.write(data)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _broken(Phase.DATA, error) from error

    async def _left(self) -> None:
        """Until the transport's buffer is empty; at once for all but long messages."""
        pause = 0.0
        while (transport := self._smtp.transport) is not None and not transport.is_closing():
            # uvloop's transports are none of asyncio's classes, and have the method all the same.
            if cast(asyncio.WriteTransport, transport).get_write_buffer_size() == 0:
                return
            await asyncio.sleep(pause)
            pause = 0.005

    async def _dot(self) -> Reply:
        self._write(b".\r\n")
        protocol = self._smtp.protocol
        try:
            if protocol is None:
                raise aiosmtplib.SMTPServerDisconnected("Connection lost")
            response = await protocol.read_response(timeout=self._deadlines.dot)
        except (aiosmtplib.SMTPException, OSError) as error:
            verdict = unanswered(Reason.NETWORK, "no-answer-to-dot", _said(error))
            raise SessionFailure(Phase.DOT, verdict, broken=True, unknown=True) from error
        if response.code != 250:
            raise _refused(Phase.DOT, response)
        return parse_reply(response.code, response.message)

    async def reset(self) -> bool:
        """RSET after a refusal; whether the connection may be used again."""
        try:
            await self._smtp.rset(timeout=self._deadlines.reset)
        except (aiosmtplib.SMTPException, OSError):
            return False
        return True

    async def quit(self) -> None:
        """QUIT with a short wait, then close, whatever the server says."""
        try:
            if self.usable:
                await self._smtp.quit(timeout=self._deadlines.reset)
        except (aiosmtplib.SMTPException, OSError):
            pass
        self.close()

    def close(self) -> None:
        """Close at once, dropping what was not sent: a peer that does not read holds nothing."""
        transport = self._smtp.transport
        self._smtp.close()
        if transport is not None:
            cast(asyncio.WriteTransport, transport).abort()


async def open_session(
    peer: Peer, helo: str, context: ssl.SSLContext | None, deadlines: Deadlines
) -> Session:
    """Connect, read the greeting, secure and log in. Raises SessionFailure, TlsFailure.

    ``context`` None means no TLS.
    """
    family = socket.AF_INET6 if ":" in peer.address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        async with asyncio.timeout(deadlines.connect):
            await asyncio.get_running_loop().sock_connect(sock, (peer.address, peer.port))
    except OSError as error:  # TimeoutError is one
        sock.close()
        raise _broken(Phase.CONNECT, error) from error
    smtp = aiosmtplib.SMTP(
        hostname=peer.host,
        sock=sock,
        local_hostname=helo,
        start_tls=False,
        use_tls=peer.implicit,
        tls_context=context,
    )
    session = Session(smtp, peer, deadlines)
    try:
        try:
            await smtp.connect(timeout=deadlines.greeting)
        except aiosmtplib.SMTPConnectResponseError as error:
            raise _refused(
                Phase.CONNECT, aiosmtplib.SMTPResponse(error.code, error.message)
            ) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise _broken(Phase.CONNECT, error) from error
        await session.secure(context)
    except BaseException:
        session.close()
        sock.close()
        raise
    return session


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _refused(phase: Phase, response: aiosmtplib.SMTPResponse) -> SessionFailure:
    """A reply that refuses. After 421 the server closes (RFC 5321 § 3.8)."""
    verdict = classify(parse_reply(response.code, response.message), phase)
    broken = response.code == 421 or phase in (Phase.CONNECT, Phase.HELO)
    return SessionFailure(phase, verdict, broken=broken)


def _broken(phase: Phase, error: BaseException) -> SessionFailure:
    """No reply, or none that is SMTP."""
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code >= 100:
        return _refused(phase, aiosmtplib.SMTPResponse(error.code, error.message))
    if isinstance(error, aiosmtplib.SMTPResponseException):
        evidence = "not-smtp"
    elif isinstance(error, TimeoutError):
        evidence = f"timeout-{phase}"
    else:
        evidence = f"connection-lost-{phase}" if phase is not Phase.CONNECT else "no-connection"
    return SessionFailure(phase, unanswered(Reason.NETWORK, evidence, _said(error)), broken=True)
