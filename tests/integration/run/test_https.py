"""https with real workers: tickets, replaced certificates, hostile names, no Postgres."""

import os
import re
import signal
import ssl
from pathlib import Path

import psutil
import pytest
from cryptography import x509

from edge.adapters.data_directory import read_vault
from edge.model.probe import PREFIX, probe_answer, probe_secret
from tests.integration.run.secure import (
    HOST,
    SECOND,
    THUMBPRINT,
    answer_to,
    anybody,
    default_file,
    https_edge,
    put,
    raw_hello,
    visit,
    workers,
)
from tests.integration.run.serving import Edge, until
from tests.unit.adapters.test_listening import certificate

HANDSHAKE = b"\x16"
"""First byte of a record with a ServerHello in it (RFC 8446 section 5.1); an alert has 0x15."""


def names(found: x509.Certificate) -> list[str]:
    """The DNS names of a certificate."""
    extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_resume_on_every_worker(version: ssl.TLSVersion) -> None:
    """Each connection with the ticket of the one before, whichever workers the two went to."""
    with https_edge() as one:
        context, session, taken = anybody(version), None, set()
        for number in range(60):
            with visit(one, context=context, session=session) as link:
                assert link.get("/o/x").startswith(b"HTTP/1.1 200")
                assert link.link.session_reused is (number > 0)
                session = link.link.session
                taken.add(link.worker)
        assert taken == set(workers(one).values())
        # One that was killed leaves its tickets to its successor.
        os.kill(workers(one)["tracking 0"], signal.SIGKILL)
        until("successor", lambda: workers(one).get("tracking 0") not in {None, *taken})
        with visit(one, context=context, session=session) as link:
            assert link.link.session_reused


def test_new_and_replaced_certificates_are_served_without_a_restart() -> None:
    """By all workers; a connection that is open goes on with what it has."""
    with https_edge() as one:
        before = workers(one)
        with visit(one) as old:
            first = old.certificate.serial_number
            assert old.get("/o/x").startswith(b"HTTP/1.1 200")
            replaced, new = put(one, HOST), put(one, "new.example.com")
            for name, serial in ((HOST, replaced), ("new.example.com", new)):
                served: set[int] = set()

                def everywhere(
                    name: str = name, serial: int = serial, served: set[int] = served
                ) -> bool:
                    try:
                        with visit(one, name) as link:
                            if link.certificate.serial_number == serial:
                                served.add(link.worker)
                    except (ssl.SSLError, ConnectionError):
                        assert name != HOST
                    return served == set(before.values())

                until(f"{name} from all workers", everywhere)
            assert old.certificate.serial_number == first != replaced
            assert old.get("/o/x").startswith(b"HTTP/1.1 200")
            assert old.get("/robots.txt").startswith(b"HTTP/1.1 200")
        assert workers(one) == before
        (one.data / "certificates" / "new.example.com.pem").unlink()
        until("gone", lambda: answer_to(one.https, raw_hello(b"new.example.com"))[:1] != HANDSHAKE)


OURS = HOST.encode()
HOSTILE = (
    *(b"unknown.example", b"example.com", b"x." + OURS, OURS + b".", OURS + b".pem", b"127.0.0.1"),
    *(b"../default", b"../../../etc/passwd", b"certificates/" + OURS, b"/", b".", b"*.example.com"),
    *(b"a\0b", OURS + b"\0", b"\xff\xfe\xfd", b"\xc3\xa9.example", b"a" * 255),
    *(b"\n\r\n", b"<script>alert(1)</script>", b"%s%n%d"),
)


def test_hostile_names_end_the_handshake_and_leave_no_trace() -> None:
    """Paths, NULs, 255 octets, no ASCII: no certificate, no line in the log, no file read."""
    with https_edge() as one:
        with visit(one) as link:
            link.get("/o/x")
        until("ready", lambda: len(one.events("tracking")) == 2)
        lines, loads = one.output.count("\n"), _metric(one, "edge_certificate_loads_total")
        for name in HOSTILE * 5:
            assert answer_to(one.https, raw_hello(name))[:1] != HANDSHAKE, name
        with visit(one) as link:
            assert link.get("/o/x").startswith(b"HTTP/1.1 200")
        # OpenSSL refuses NULs and Python what is not ASCII; they do not get as far as our count.
        refused = 5 * sum(name.isascii() and b"\0" not in name for name in HOSTILE)
        until("counted", lambda: _metric(one, "edge_names_refused_total") == refused)
        written = [
            line
            for line in one.output.splitlines()[lines:]
            if '"role": "tracking' in line or "Traceback" in line or "ignored" in line
        ]
        assert written == []
        assert _metric(one, "edge_certificate_loads_total") <= loads + 2
        assert set(workers(one)) == {"tracking 0", "tracking 1"}


def _metric(one: Edge, name: str) -> float:
    text = one.get("/metrics")[1].decode()
    return sum(float(v) for v in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


def test_who_names_no_host_gets_a_certificate_of_nobody() -> None:
    """Self-signed, 0600, the service user's, and the same after a restart."""
    with https_edge() as one:
        with visit(one, None) as link:
            first = link.certificate
            assert names(first) == ["edge.invalid"]
            answer = link.get("/o/x")
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"Strict-Transport-Security" not in answer
        status = default_file(one).stat()
        assert status.st_mode & 0o777 == 0o600
        assert {status.st_uid} == set(psutil.Process(workers(one)["tracking 0"]).uids())
        assert one.stop() == 0
        one.start()
        until("pixel", lambda: one.get("/o/x", one.http)[0] == 200)
        with visit(one, None) as link:
            assert link.certificate == first


def test_challenges_hsts_and_agreeing_names_without_postgres() -> None:
    """All workers answer from what is on disk; one certificate does not open another's host."""
    token = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
    with https_edge() as one:
        path = f"/.well-known/acme-challenge/{token}"
        request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode()
        for _ in range(20):
            answer = answer_to(one.http, request)
            assert answer.startswith(b"HTTP/1.1 200")
            assert answer.endswith(f"{token}.{THUMBPRINT}".encode())
        secret = probe_secret(read_vault(one.data / "master.key"))
        answer = answer_to(one.http, request.replace(path.encode(), f"{PREFIX}{token}".encode()))
        assert answer.endswith(b"\r\n\r\n" + probe_answer(secret, token).encode())
        with visit(one, HOST) as link:
            assert b"\r\nStrict-Transport-Security: max-age=300\r\n" in link.get("/o/x")
            assert link.get("/o/x", SECOND).startswith(b"HTTP/1.1 421")
        with visit(one, SECOND) as link:
            assert b"Strict-Transport-Security" not in link.get("/o/x", SECOND)


def test_given_files_are_served_for_their_names_and_to_who_names_none(tmp_path: Path) -> None:
    """Hosts with a certificate of their own get that; others are refused, as ever."""
    cert, key = certificate(tmp_path)
    with https_edge(EDGE_TLS_CERT_FILE=str(cert), EDGE_TLS_KEY_FILE=str(key)) as one:
        given = x509.load_pem_x509_certificate(cert.read_bytes())
        for name in (None, "localhost"):
            with visit(one, name) as link:
                assert link.certificate == given
        with visit(one, HOST) as link:
            assert names(link.certificate) == [HOST]
        assert answer_to(one.https, raw_hello(b"other.example"))[:1] != HANDSHAKE
        assert not default_file(one).exists()


def test_a_reload_changes_the_ticket_keys_and_nobody_notices() -> None:
    """Sessions from before are not resumed, but served by a full handshake, all the while."""
    with https_edge() as one:
        context, before = anybody(), set(workers(one).values())
        with visit(one, context=context) as link:
            link.get("/o/x")
            session = link.link.session
        os.kill(one.pid, signal.SIGHUP)

        def all_new() -> bool:
            with visit(one) as link:
                assert link.get("/o/x").startswith(b"HTTP/1.1 200")
            now = set(workers(one).values())
            return len(now) == 2 and not now & before

        until("new workers", all_new)
        with visit(one, context=context, session=session) as link:
            assert not link.link.session_reused
            assert link.get("/o/x").startswith(b"HTTP/1.1 200")


def test_a_key_directory_that_cannot_be_used_leaves_http(tmp_path: Path) -> None:
    """Without given files there is no https then, and the log says why; with them they serve."""
    cert, key = certificate(tmp_path)
    with https_edge() as one:
        assert one.stop() == 0
        keys = one.data / "certificates"
        keys.rename(one.data / "elsewhere")
        keys.symlink_to(one.data / "elsewhere")
        one.start()
        until("pixel", lambda: one.get("/o/x", one.http)[0] == 200)
        assert one.events("the certificates cannot be used")
        assert one.events("serving")[-1]["https"] is None
        assert one.stop() == 0
        one._environment |= {"EDGE_TLS_CERT_FILE": str(cert), "EDGE_TLS_KEY_FILE": str(key)}
        one.start()
        until("pixel", lambda: one.get("/o/x", one.http)[0] == 200)
        with visit(one, "localhost") as link:
            assert link.get("/o/x", "localhost").startswith(b"HTTP/1.1 200")
