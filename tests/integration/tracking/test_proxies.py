"""Behind proxies, and TLS: who the client is, and what reaches the protocol untouched."""

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from edge.adapters.proxies import trusts
from tests.integration.tracking.worlds import captures, tracking
from tests.threats.serving import KEYRING, OPEN, OURS, World
from tests.unit.test_tracking_proxy_header import version_2

LOOPBACK = trusts((ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("10.0.0.0/8")))
NOBODY = trusts((ipaddress.ip_network("192.0.2.0/24"),))
PATH = f"/o/{KEYRING.seal(OPEN)}"
V1 = b"PROXY TCP4 203.0.113.9 192.0.2.1 5000 80\r\n"
LOCAL = version_2("203.0.113.9", command=0x20)


def _request(forwarded: str = "", close: bool = True) -> bytes:
    more = f"X-Forwarded-For: {forwarded}\r\n" if forwarded else ""
    end = "Connection: close\r\n" if close else ""
    return f"GET {PATH} HTTP/1.1\r\nHost: {OURS.decode()}\r\n{more}{end}\r\n".encode()


def _contexts(directory: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate made now, and a client's that trusts only that."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, OURS.decode())])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(OURS.decode())]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = directory / "server.pem"
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(plain + certificate.public_bytes(Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cafile=str(pem))


async def _ask(
    world: World, pieces: list[bytes], request: bytes, client: ssl.SSLContext | None
) -> bytes:
    """Send the pieces in plain, a moment apart, then the request, in TLS if a context is given."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.05 if len(pieces) > 1 else 0)
    if client is not None:
        await writer.start_tls(client, server_hostname=OURS.decode())
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):  # the server closed first
        await writer.wait_closed()
    return answer


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    "header,forwarded,expected",
    [
        (b"", "", "127.0.0.1"),
        (b"", "203.0.113.5", "203.0.113.5"),
        (b"", "198.51.100.1, 203.0.113.5", "203.0.113.5"),
        (b"", "203.0.113.5, 10.1.1.1", "203.0.113.5"),
        (V1, "", "203.0.113.9"),
        (V1, "198.51.100.1", "203.0.113.9"),
        (version_2("203.0.113.9"), "", "203.0.113.9"),
        (version_2("2001:db8::9"), "", "2001:db8::9"),
        (version_2("::ffff:203.0.113.9"), "", "203.0.113.9"),
        (version_2("10.0.0.7"), "198.51.100.1", "198.51.100.1"),
        (LOCAL, "", "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n", "", "127.0.0.1"),
    ],
)
async def test_a_trusted_proxy_names_the_client(
    tmp_path: Path, tls: bool, header: bytes, forwarded: str, expected: str
) -> None:
    """PROXY header first, then X-Forwarded-For, as far as trust reaches; the same under TLS."""
    server, client = _contexts(tmp_path) if tls else (None, None)
    async with tracking(tmp_path, trusted=LOOPBACK, context=server) as world:
        answer = await _ask(world, [header] if header else [], _request(forwarded), client)
        assert answer.startswith(b"HTTP/1.1 200")
        assert LOOPBACK is not None
        (capture,) = captures(world, LOOPBACK)
        assert (capture.ip, capture.tls) == (expected, tls)


async def test_a_proxy_header_in_pieces_is_taken_whole(tmp_path: Path) -> None:
    """However the network cuts it, exactly its bytes are taken."""
    async with tracking(tmp_path, trusted=LOOPBACK) as world:
        for header in (V1, version_2("203.0.113.9")):
            for cut in (1, 7, 13, len(header) - 1):
                pieces = [header[:cut], header[cut:]]
                answer = await _ask(world, pieces, _request(), None)
                assert answer.startswith(b"HTTP/1.1 200")
        assert {capture.ip for capture in captures(world)} == {"203.0.113.9"}


@pytest.mark.parametrize("trusted", [None, NOBODY], ids=["no proxies", "other proxies"])
async def test_what_a_stranger_claims_is_ignored(
    tmp_path: Path, trusted: Callable[[str], bool] | None
) -> None:
    """X-Forwarded-For does not count, and a PROXY header is not HTTP."""
    async with tracking(tmp_path, trusted=trusted) as world:
        answer = await _ask(world, [], _request("203.0.113.5"), None)
        assert answer.startswith(b"HTTP/1.1 200")
        for header in (V1, version_2("203.0.113.9")):
            answer = await _ask(world, [header], _request(), None)
            assert b" 400 " in answer[:20] or answer == b""
        (capture,) = captures(world, NOBODY)
        assert capture.ip == "127.0.0.1"


async def test_a_broken_proxy_header_closes_the_connection(tmp_path: Path) -> None:
    """No answer, no record, and the next connection is served."""
    async with tracking(tmp_path, trusted=LOOPBACK) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(b"PROXY nonsense\r\n" + _request())
        with contextlib.suppress(ConnectionResetError):  # unread bytes make it a reset
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        assert (await _ask(world, [V1], _request(), None)).startswith(b"HTTP/1.1 200")
        assert len(captures(world)) == 1


async def test_many_connections_at_once_are_all_accepted(tmp_path: Path) -> None:
    """None is lost between the socket's queue and the protocol."""
    async with tracking(tmp_path, trusted=LOOPBACK, max_connections=1000) as world:
        answers = await asyncio.gather(*(_ask(world, [V1], _request(), None) for _ in range(150)))
        assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
        assert len(captures(world)) == 150


async def test_tls_without_proxies_serves_both_ways(tmp_path: Path) -> None:
    """Hot requests, and one that is handed over in the middle of a connection, under TLS."""
    server, client = _contexts(tmp_path)
    async with tracking(tmp_path, context=server) as world:
        robots = b"GET /robots.txt HTTP/1.1\r\nHost: " + OURS + b"\r\n\r\n"
        request = _request(close=False) + robots + _request()
        answer = await _ask(world, [], request, client)
        assert answer.count(b"HTTP/1.1 200") == 3
        assert [capture.tls for capture in captures(world)] == [True, True]


async def test_plain_http_on_the_tls_port_is_no_crash(tmp_path: Path) -> None:
    """The handshake fails, nothing is recorded, TLS goes on."""
    server, client = _contexts(tmp_path)
    async with tracking(tmp_path, context=server, trusted=NOBODY) as world:
        with contextlib.suppress(ConnectionResetError):  # an alert, a close or a reset
            assert b"200 OK" not in await _ask(world, [], _request(), None)
        assert b"200 OK" in await _ask(world, [], _request(), client)
        assert len(captures(world)) == 1
