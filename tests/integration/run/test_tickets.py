"""The supervisor's part in https: what it opens, and when ticket keys change."""

import contextlib
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import supervisor
from edge.adapters import certificates, data_directory
from edge.clock import ManualClock, SystemClock
from edge.model.errors import OperatorError
from edge.settings import Settings, load
from tests.integration.run.serving import place
from tests.unit.adapters.test_listening import certificate
from tests.unit.certs.handshakes import client_context, shake


def settings_for(base: Path, **more: Path) -> Settings:
    """Settings of an edge without a database, on ports that the kernel chooses."""
    anywhere = "127.0.0.1:0"
    return load(
        http_bind=anywhere,
        https_bind=anywhere,
        control_bind=anywhere,
        data_dir=base / "data",
        database_url="postgresql://nowhere.invalid/",
        master_key_file=base / "key",
        workers=2,
        tls_cert_file=more.get("certificate"),
        tls_key_file=more.get("key"),
    )


@contextlib.contextmanager
def supervising(settings: Settings, clock: ManualClock) -> Iterator[supervisor.Supervisor]:
    """A supervisor that has opened everything and forked nobody; closed at the end."""
    found = supervisor.Supervisor(settings, "edge", lambda: settings, clock)
    try:
        yield found
    finally:
        opened = found._open
        opened.lock.end()
        for listener in [*opened.http, *opened.https, *opened.control]:
            listener.close()
        for descriptor in (*found._pipe, *found._wake):
            os.close(descriptor)


def listener_of(one: supervisor.Supervisor) -> ssl.SSLContext:
    """The context that its workers would listen with."""
    assert one._open.certificates is not None
    return one._open.certificates.listener


def test_ticket_keys_are_replaced_after_twelve_hours(tmp_path: Path) -> None:
    """By a new context and a rolling restart of the tracking workers; not a second sooner."""
    with place() as base:
        data_directory.make_master_key(base / "key", None)
        clock = ManualClock()
        with supervising(settings_for(base), clock) as one:
            first, client = listener_of(one), client_context()
            session = shake(first, None, client=client).session
            one._rotate_ticket_keys(clock.monotonic() + supervisor.TICKET_KEYS)
            assert listener_of(one) is first
            assert shake(first, None, client=client, session=session).resumed
            one._rotate_ticket_keys(clock.monotonic() + supervisor.TICKET_KEYS + 1)
            assert listener_of(one) is not first
            assert [child.name for child in one._rolling] == ["tracking 0", "tracking 1"]
            again = shake(listener_of(one), None, client=client, session=session)
            assert not again.resumed
            assert one._open.https[0].fileno() >= 0


def test_given_files_that_became_wrong_leave_the_ticket_keys(tmp_path: Path) -> None:
    """An error in the log, no restart; a start with such files is refused."""
    cert, key = certificate(tmp_path)
    with place() as base:
        data_directory.make_master_key(base / "key", None)
        settings = settings_for(base, certificate=cert, key=key)
        with supervising(settings, ManualClock()) as one:
            first = listener_of(one)
            key.write_text("broken")
            one._rotate_ticket_keys(supervisor.TICKET_KEYS + 1)
            assert listener_of(one) is first
            assert one._rolling == []
        with pytest.raises(OperatorError, match="EDGE_TLS_CERT_FILE"):
            certificates.opened(settings, None, SystemClock())


def test_a_default_certificate_that_cannot_be_read_is_made_anew(tmp_path: Path) -> None:
    """Broken, or not there; one that can be used stays."""
    settings = load(data_dir=tmp_path)
    path = tmp_path / certificates.DEFAULT
    for damage in ("missing", "broken"):
        if damage == "broken":
            path.write_text("broken")
        assert certificates.opened(settings, None, SystemClock()) is not None
        assert path.stat().st_mode & 0o777 == 0o600
        made = path.read_text()
        assert certificates.opened(settings, None, SystemClock()) is not None
        assert path.read_text() == made != "broken"
