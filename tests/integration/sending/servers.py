"""SMTP servers that behave and misbehave, and a DNS server with a zone of its own."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Inbox:
    """An aiosmtpd handler that keeps what it takes; ``refusals`` answers a recipient otherwise."""

    def __init__(self, refusals: Mapping[str, str] | None = None) -> None:
        self.taken: list[Envelope] = []
        self.sessions: set[int] = set()
        self.refusals = dict(refusals or {})

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """The refusal for the address, or 250."""
        if (refusal := self.refusals.get(address)) is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        """Keep it."""
        self.taken.append(envelope)
        self.sessions.add(id(session))
        return "250 2.0.0 kept"


@asynccontextmanager
async def smtp_server(
    inbox: Inbox,
    *,
    context: ssl.SSLContext | None = None,
    implicit: bool = False,
    password: str | None = None,
) -> AsyncIterator[int]:
    """A good server on loopback; its port. STARTTLS with a context, AUTH with a password."""

    def check(
        server: SMTP, session: Session, envelope: Envelope, how: str, data: object
    ) -> AuthResult:
        given = getattr(data, "password", b"")
        return AuthResult(success=given == (password or "").encode(), handled=False)

    made: list[SMTP] = []

    def protocol() -> SMTP:
        smtp = SMTP(
            inbox,
            hostname="mx.test",
            tls_context=None if implicit else context,
            authenticator=check if password else None,
            auth_require_tls=False,
            enable_SMTPUTF8=False,
            loop=asyncio.get_running_loop(),
        )
        made.append(smtp)
        return smtp

    server = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", 0, ssl=context if implicit else None
    )
    async with server:
        yield server.sockets[0].getsockname()[1]
    for smtp in made:
        if smtp.transport is not None:
            smtp.transport.close()
    await asyncio.sleep(0.02)  # lets the loop close the sockets


CLOSE = b"(close)"
SILENCE = b"(silence)"


@asynccontextmanager
async def scripted_server(
    answers: Mapping[str, bytes], greeting: bytes = b"220 mx.test ESMTP\r\n"
) -> AsyncIterator[int]:
    """A server that says what it is told to, by verb; ``.`` is the final dot, ``body`` its start.

    CLOSE ends the connection instead of answering, SILENCE never answers.
    """
    usual = {"EHLO": b"250 mx.test\r\n", "DATA": b"354 go\r\n"}

    talks: list[asyncio.Task[None] | None] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())
        try:
            await converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def say(writer: asyncio.StreamWriter, answer: bytes) -> bool:
        if answer == SILENCE:
            await asyncio.sleep(30)
        if answer in (CLOSE, SILENCE):
            return False
        writer.write(answer)
        await writer.drain()
        return True

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await say(writer, greeting):
            return
        while line := await reader.readline():
            verb = line.split(b" ")[0].strip().decode("latin-1").upper()
            answer = answers.get(verb) or usual.get(verb, b"250 OK\r\n")
            if not await say(writer, answer):
                return
            if verb == "DATA" and answer.startswith(b"354"):
                if "body" in answers:
                    await reader.readline()
                    return
                await reader.readuntil(b"\r\n.\r\n")
                if not await say(writer, answers.get(".", b"250 OK\r\n")):
                    return

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in talks:
            if task is not None:
                task.cancel()
        await asyncio.sleep(0.02)  # lets the loop close the sockets


class _Zone(asyncio.DatagramProtocol):
    """Answers from a table of (name, type) → records; SERVFAIL and silence are values too."""

    def __init__(self, records: Mapping[tuple[str, str], list[str] | str]) -> None:
        self._records = records
        self._names = {name for name, _ in records}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to answer."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """One answer."""
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        kind = dns.rdatatype.to_text(question.rdtype)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA | dns.flags.RA
        found = self._records.get((name, kind), self._records.get((name, "CNAME"), []))
        if found == "silence":
            return
        if found == "servfail":
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif found and isinstance(found, list):
            held = kind if (name, kind) in self._records else "CNAME"
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", held, *found))
            if held == "CNAME" and (rest := self._records.get((found[0].rstrip("."), kind))):
                answer.answer.append(dns.rrset.from_text(found[0], 60, "IN", kind, *rest))
        elif name not in self._names:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        assert self._transport is not None
        self._transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def dns_server(records: Mapping[tuple[str, str], list[str] | str]) -> AsyncIterator[int]:
    """An authoritative server on loopback over UDP; its port."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Zone(records), local_addr=("127.0.0.1", 0)
    )
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def certificate(directory: Path, host: str) -> tuple[ssl.SSLContext, str]:
    """A server context with a new self-signed certificate, and the file to trust it by."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = directory / "cert.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = directory / "key.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return context, str(pem)
