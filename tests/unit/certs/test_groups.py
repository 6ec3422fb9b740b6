"""Which groups and ciphers a listener agrees to, asked by OpenSSL's own client."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from certs import groups
from certs.clock import SystemClock
from certs.directory_storage import write_private
from certs.keys import self_signed
from certs.tls import server_context
from tests.unit.certs.handshakes import client_context, shake
from tests.unit.certs.listening import listening

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="the openssl program is not installed"
)


def context(place: Path) -> ssl.SSLContext:
    """A server's context with a certificate made now."""
    write_private(place / "pem", self_signed("edge.example", SystemClock.now()))
    return server_context(place / "pem")


def agreed(port: int, *options: str) -> bool:
    """Whether OpenSSL's client got through a handshake: then it names the key that was used."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options],
        input=b"",
        capture_output=True,
        check=False,
        timeout=20,
    )
    return b"Server Temp Key" in done.stdout


@needs_openssl
def test_only_the_groups_of_mozillas_intermediate_are_left(tmp_path: Path) -> None:
    """X25519, P-256 and P-384 are agreed to in both versions; P-521 and X448 are not."""
    server = context(tmp_path)
    assert groups.narrow(server)
    with listening(server) as port:
        for group in ("X25519", "P-256", "P-384"):
            assert agreed(port, "-groups", group), group
            # In 1.2 the list also says which curves a certificate may have.
            both = ":".join(dict.fromkeys((group, "P-256")))
            assert agreed(port, "-groups", both, "-tls1_2"), group
        for group in ("P-521", "X448"):
            assert not agreed(port, "-groups", group), group
            assert not agreed(port, "-groups", group, "-tls1_2"), group


@needs_openssl
def test_a_pointer_that_cannot_be_believed_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another Python, or a library without the names: nothing changes, and TLS works."""
    server = context(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("sys.implementation.name", "other")
        assert not groups.narrow(server)
    with monkeypatch.context() as patched:
        patched.setattr("_ssl.__file__", str(tmp_path / "none.so"))
        assert not groups.narrow(server)
    with monkeypatch.context() as patched:
        patched.setattr(type(server), "options", 0)
        assert not groups.narrow(server)
    with listening(server) as port:
        assert agreed(port, "-groups", "P-521")


def test_key_and_chain_may_be_two_files_and_tickets_are_optional(tmp_path: Path) -> None:
    """A context without tickets and protocols is for other things than the web."""
    text = self_signed("edge.example", SystemClock.now())
    place = text.index("-----BEGIN CERT")
    (tmp_path / "key").write_text(text[:place])
    (tmp_path / "chain").write_text(text[place:])
    server = server_context(tmp_path / "chain", tmp_path / "key", protocols=(), tickets=False)
    client = client_context()
    first = shake(server, None, client=client)
    assert first.alpn is None
    assert first.session is None or not first.session.has_ticket
    with pytest.raises(FileNotFoundError):
        server_context(tmp_path / "chain", tmp_path / "none")
