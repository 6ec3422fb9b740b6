"""An edge of two workers that serves https, with a roster of its own and no Postgres at all."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from cryptography import x509

from certs.keys import self_signed
from edge import service_user
from edge.adapters.data_directory import make_master_key
from edge.clock import SystemClock
from edge.model.domain import Domain
from edge.model.roster import SealedKey, Snapshot
from edge.model.tokens import KeyState
from edge.private_files import make_private_directory, write_private
from edge.roster.snapshot import FILE_NAME, save
from tests.integration.run.serving import Edge, finish, place, until

HOST, SECOND = "email.example.com", "email.example.net"
THUMBPRINT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
NOWHERE = "postgresql://edge@127.0.0.1:1/edge"


@contextlib.contextmanager
def https_edge(*arguments: str, **environment: str) -> Iterator[Edge]:
    """A started edge that serves ``HOST`` and ``SECOND`` over https; stopped at the end."""
    with place() as base:
        given = {"EDGE_DATABASE_URL": NOWHERE, "EDGE_WORKERS": "2"} | environment
        one = Edge(base, "--role", "edge", *arguments, **given)
        one.data.mkdir(mode=0o700)
        vault = make_master_key(one.data / "master.key", None)
        make_private_directory(one.data / "certificates", None)
        sealed = SealedKey(1, KeyState.CURRENT, vault.seal("key:1", bytes(32)))
        roster = Snapshot(
            version=1,
            domains=[Domain(number=1, name="example.com"), Domain(number=2, name="example.net")],
            hosts={HOST: 1, SECOND: 2},
            keys=[sealed],
            thumbprint=THUMBPRINT,
            hsts={HOST: 300},
        )
        save(one.data / FILE_NAME, roster)
        for host in (HOST, SECOND):
            put(one, host)
        try:
            one.start()
            until("pixel", lambda: one.get("/o/x", one.http)[0] == 200)
            until("both workers", lambda: len(workers(one)) == int(given["EDGE_WORKERS"]))
            yield one
        finally:
            finish(one)


def put(one: Edge, host: str) -> int:
    """Put a new certificate of a host into the key directory, as ingest does; its number."""
    pem = self_signed(host, SystemClock.now()).encode()
    user = service_user.find() if one.process is not None else None
    write_private(one.data / "certificates" / f"{host}.pem", pem, user)
    return x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERT") :]).serial_number


def workers(one: Edge) -> dict[str, int]:
    """Process ids of the tracking workers."""
    return {name: pid for name, pid in one.children().items() if name.startswith("tracking")}


def anybody(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """A client's context of one TLS version that checks no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    return context


@dataclass
class Visit:
    """An open connection, and what its handshake was."""

    link: ssl.SSLSocket
    worker: int

    def get(self, path: str, host: str = HOST) -> bytes:
        """One request on it; what came back first."""
        self.link.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return self.link.recv(65536)

    @property
    def certificate(self) -> x509.Certificate:
        """What was served."""
        found = self.link.getpeercert(binary_form=True)
        assert found is not None
        return x509.load_der_x509_certificate(found)


@contextlib.contextmanager
def visit(
    one: Edge,
    name: str | None = HOST,
    *,
    context: ssl.SSLContext | None = None,
    session: ssl.SSLSession | None = None,
) -> Iterator[Visit]:
    """Connect for a host name, and find out which worker took the connection."""
    with (
        socket.create_connection(("127.0.0.1", one.https), timeout=10) as raw,
        (context or anybody()).wrap_socket(raw, server_hostname=name, session=session) as link,
    ):
        yield Visit(link, _holder(one, link.getsockname()[1]))


def _holder(one: Edge, port: int) -> int:
    """The worker that holds the connection from this port."""
    for pid in workers(one).values():
        with contextlib.suppress(psutil.NoSuchProcess):
            for connection in psutil.Process(pid).net_connections("tcp"):
                if connection.raddr and connection.raddr.port == port:
                    return pid
    return 0


def raw_hello(name: bytes) -> bytes:
    """A ClientHello that asks for these bytes, which no proper client would send.

    A hello is not authenticated until the end of a handshake: a name of the same length takes the
    place of a proper one.
    """
    proper = (b"a" * 40 + b".") * 10
    proper = proper[: len(name) - 1] + b"a"
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = anybody().wrap_bio(to_client, to_server, server_hostname=proper.decode())
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    hello = to_server.read()
    start = b"\x00" + len(proper).to_bytes(2)  # its type and length (RFC 6066 section 3)
    assert hello.count(start + proper) == 1
    return hello.replace(start + proper, start + name)


def answer_to(port: int, hello: bytes) -> bytes:
    """What a server says to raw bytes until it closes; empty for a reset."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(hello)
        try:
            return raw.recv(65536)
        except ConnectionError:
            return b""


def default_file(one: Edge) -> Path:
    """The self-signed certificate for who names no host."""
    return one.data / "default.pem"
