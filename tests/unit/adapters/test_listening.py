"""Listening sockets and the TLS context."""

import contextlib
import datetime
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.adapters import data_directory, listening, opening
from edge.clock import SystemClock
from edge.model.errors import OperatorError
from edge.setting_types import Bind
from edge.settings import load
from tests.integration.run.serving import place

CLOCK = SystemClock()


def certificate(directory: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    paths = directory / "cert.pem", directory / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


def test_a_taken_address_names_the_setting() -> None:
    """The operator learns which setting and why; the kernel's choice of port is told."""
    (first,) = listening.bind("EDGE_HTTP_BIND", Bind(host="127.0.0.1", port=0), CLOCK, 0)
    with first:
        port = listening.port_of(first)
        assert port > 0
        with pytest.raises(
            OperatorError, match=r"EDGE_HTTP_BIND: cannot listen .* another program"
        ):
            listening.bind("EDGE_HTTP_BIND", Bind(host="127.0.0.1", port=port), CLOCK, 0.2)


def test_a_host_that_is_no_address() -> None:
    """The error names the setting and the host."""
    with pytest.raises(OperatorError, match=r"EDGE_HTTP_BIND: no\.such\.invalid"):
        listening.bind("EDGE_HTTP_BIND", Bind(host="no.such.invalid", port=1), CLOCK, 0)


def handshake(listener: socket.socket, server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    """Protocol version that the two agree on; SSLError if they do not."""

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            try:
                with server.wrap_socket(peer, server_side=True) as secured:
                    secured.recv(1)
            except OSError:
                return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with (
            socket.create_connection(listener.getsockname(), timeout=5) as raw,
            client.wrap_socket(raw, server_hostname="localhost") as secured,
        ):
            assert secured.selected_alpn_protocol() == "http/1.1"
            return str(secured.version())
    finally:
        thread.join()


def test_tls_is_modern_or_nothing(tmp_path: Path) -> None:
    """1.3 and 1.2 with forward secrecy are served; 1.2 with RSA key exchange is not."""
    server = listening.tls_context(*certificate(tmp_path))
    assert server.minimum_version is ssl.TLSVersion.TLSv1_2
    assert all(cipher["name"].startswith(("TLS_", "ECDHE-")) for cipher in server.get_ciphers())
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    client.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert handshake(listener, server, client) == "TLSv1.3"
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        assert handshake(listener, server, client) == "TLSv1.2"
        client.set_ciphers("AES128-GCM-SHA256")
        with pytest.raises(ssl.SSLError):
            handshake(listener, server, client)


def test_files_that_are_no_certificate(tmp_path: Path) -> None:
    """A key that does not belong to the certificate is an error naming both settings."""
    cert, _ = certificate(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    _, key = certificate(other)
    with pytest.raises(OperatorError, match="EDGE_TLS_CERT_FILE"):
        listening.tls_context(cert, key)


def test_smtp_takes_trackings_certificate_unless_it_has_its_own(tmp_path: Path) -> None:
    """Its context is another one all the same: no protocol of the web, and no tickets."""
    cert, private = certificate(tmp_path)
    assert listening.contexts(load()) == listening.Contexts(None, None, None)
    shared = listening.contexts(load(tls_cert_file=cert, tls_key_file=private))
    assert shared.smtp is not None
    assert shared.smtp.minimum_version is ssl.TLSVersion.TLSv1_2
    assert shared.smtp.num_tickets == 0
    assert shared.panel is None
    panel = listening.contexts(load(panel_tls_cert_file=cert, panel_tls_key_file=private)).panel
    assert panel is not None
    with pytest.raises(OperatorError, match="EDGE_PANEL_TLS_CERT_FILE"):
        listening.contexts(load(panel_tls_cert_file=private, panel_tls_key_file=cert))
    own = listening.contexts(load(smtp_tls_cert_file=cert, smtp_tls_key_file=private))
    assert own.smtp is not None
    with pytest.raises(OperatorError, match="EDGE_SMTP_TLS_CERT_FILE"):
        listening.contexts(load(smtp_tls_cert_file=private, smtp_tls_key_file=cert))


def test_half_a_pair_of_smtp_files_is_a_mistake(tmp_path: Path) -> None:
    """As with the other certificates; networks are read and checked."""
    cert, _ = certificate(tmp_path)
    with pytest.raises(OperatorError, match="EDGE_SMTP_TLS_CERT_FILE and EDGE_SMTP_TLS_KEY_FILE"):
        load(smtp_tls_cert_file=cert)
    with pytest.raises(OperatorError, match="EDGE_SMTP_NETWORKS"):
        load(smtp_networks="127.0.0.1/8")
    assert len(load(smtp_networks="127.0.0.0/8, ::1/128").smtp_networks) == 2


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("sends", [False, True])
def test_smtp_is_bound_only_for_the_child_that_sends(
    tmp_path: Path, sends: bool, tls: bool
) -> None:
    """And the port of TLS from the first byte only where there is a certificate."""
    files = dict(zip(("tls_cert_file", "tls_key_file"), certificate(tmp_path), strict=True))
    with place() as base:
        data_directory.make_master_key(base / "key", None)
        settings = load(
            smtp_bind="127.0.0.1:0",
            smtps_bind="127.0.0.1:0",
            returns_bind="127.0.0.1:0",
            control_bind="127.0.0.1:0",
            panel_bind="127.0.0.1:0",
            data_dir=base / "data",
            database_url="postgresql://nowhere.invalid/",
            master_key_file=base / "key",
            **(files if tls else {}),
        )
        bound, opened = opening.open_all(settings, tracks=False, sends=sends, clock=CLOCK)
        with contextlib.ExitStack() as closing:
            closing.callback(opened.lock.end)
            mail = [*opened.smtp, *opened.smtps, *opened.returns]
            for listener in [*mail, *opened.panel, *opened.control]:
                closing.enter_context(listener)
            assert (len(opened.smtp), len(opened.smtps)) == (sends, sends and tls)
            assert len(opened.returns) == sends
            assert (bound.smtp_bind.port > 0) == sends
            assert (len(opened.panel), bound.panel_bind.port > 0) == (sends, sends)
            assert (bound.smtps_bind.port > 0) == (sends and tls)
