"""``edge serve``: first run, kills, restarts, drains, reload, roles."""

import os
import re
import signal
import socket
import ssl
import time
from pathlib import Path

import psutil
import pytest

from tests.integration.run.serving import (
    Edge,
    alive,
    edge,
    finish,
    place,
    until,
)
from tests.ports import free_port
from tests.unit.adapters.test_listening import certificate


def links(one: Edge) -> dict[str, str]:
    """Paths of the sample message's pixel, first link and unsubscribe link."""
    page = one.get("/sample")[1].decode()
    return {kind: re.findall(rf'http://[^/"]+(/{kind}/[\w-]+)', page)[0] for kind in "ocu"}


def counted(one: Edge, name: str) -> float:
    """A series of /metrics, summed over its labels."""
    text = one.get("/metrics")[1].decode()
    return sum(float(v) for v in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


def test_the_first_run_has_a_sample_message_whose_events_are_stored_and_a_second_run_keeps_it() -> (
    None
):
    """A start answers the sample's pixel, link and page, stores the events; so does the next."""
    with edge() as one:
        one.ready()
        assert f"http://127.0.0.1:{one.control}/sample" in one.output
        urls = links(one)
        assert one.get(urls["o"], one.http)[0] == 200
        assert one.get(urls["c"], one.http)[0] == 200  # followed to /readyz
        assert one.get(urls["u"], one.http)[0] == 200
        until("two events", lambda: counted(one, "edge_events_total") == 2)
        assert one.stop() == 0
        one.start().ready()
        assert one.get(urls["o"], one.http)[0] == 200
        assert len(one.events("made the master key; back it up (edge keys export)")) == 1


def test_children_run_as_the_service_user_named_by_role_without_core_dumps() -> None:
    """Each child has its role in its title, no root rights and no core dumps."""
    with edge() as one:
        one.ready()
        children = one.children()
        assert set(children) == {"tracking 0", "ingest", "control", "sending", "webhooks"}
        for pid in children.values():
            status = psutil.Process(pid)
            if os.geteuid() == 0:
                assert 0 not in status.uids()
                assert 0 not in status.gids()
            limits = Path(f"/proc/{pid}/limits").read_text()
            assert re.search(r"Max core file size +0 +0 ", limits)
        assert psutil.Process(one.pid).cmdline()[0].startswith("edge: supervisor")


@pytest.mark.parametrize("role", ["tracking 0", "ingest", "control", "sending", "webhooks"])
def test_a_killed_child_is_replaced_and_the_others_stay(role: str) -> None:
    """kill -9 of one child: a new one answers within seconds, nobody else is touched."""
    with edge() as one:
        one.ready()
        before = one.children()
        os.kill(before[role], signal.SIGKILL)
        until("restart", lambda: one.children().get(role) not in {None, before[role]})
        until("health", lambda: one.get("/healthz")[0] == 200)
        until("pixel", lambda: one.get("/o/x", one.http)[0] == 200)
        after = one.children()
        assert {k: v for k, v in after.items() if k != role} == {
            k: v for k, v in before.items() if k != role
        }
        assert until("metric", lambda: counted(one, "edge_child_restarts_total") == 1)


def _postmaster(one: Edge) -> int | None:
    """The database's process; None while its file is not there or not written yet."""
    try:
        return one.postmaster()
    except (OSError, ValueError):
        return None


def test_a_killed_database_comes_back_and_the_edge_serves_meanwhile() -> None:
    """kill -9 of the postmaster: pixels are still answered, /readyz recovers, events are stored."""
    with edge() as one:
        one.ready()
        urls = links(one)
        old = one.postmaster()
        os.kill(old, signal.SIGKILL)
        assert one.get(urls["o"], one.http)[0] == 200
        until("another postmaster", lambda: _postmaster(one) not in {None, old})
        until("database", lambda: b'"postgres": {"ok": true}' in one.get("/readyz")[1])
        until("stored", lambda: counted(one, "edge_events_total") == 1)


def test_a_killed_supervisor_leaves_no_children_and_the_next_one_adopts_the_database() -> None:
    """kill -9 of the supervisor: children end within 10 s; the next adopts the database."""
    with edge() as one:
        one.ready()
        children, database = one.children(), one.postmaster()
        one.stop(signal.SIGKILL)
        until("children end", lambda: not any(map(alive, children.values())), 10)
        one.start().ready()
        assert one.postmaster() == database
        assert one.events("adopted the running database")
        assert one.stop() == 0
        assert not alive(database)


def test_two_supervisors_on_one_data_directory() -> None:
    """The second says who runs there and ends with 1; one that waits for a stopping one starts."""
    with edge() as one:
        one.ready()
        second = Edge(one.base)
        begun = time.monotonic()
        assert second.start().process is not None
        assert second.process is not None
        assert second.process.wait(20) == 1
        assert time.monotonic() - begun < 8
        assert f"another edge (process {one.pid})" in one.output
        assert one.process is not None
        one.process.send_signal(signal.SIGTERM)
        try:
            second.start()
            until("second is up", lambda: second.get("/healthz")[0] == 200)
        finally:
            finish(second)


def test_sigterm_is_a_clean_end() -> None:
    """SIGTERM drains: exit status 0, no child and no database left, the lock is free."""
    with edge() as one:
        one.ready()
        processes = [*one.children().values(), one.postmaster()]
        begun = time.monotonic()
        assert one.stop() == 0
        assert time.monotonic() - begun < 10
        assert not any(map(alive, processes))
        assert not (one.data / "postgres" / "postmaster.pid").exists()


def test_sighup_rereads_the_settings_and_restarts_children_one_by_one() -> None:
    """After SIGHUP every child is a new process, and the listener never refuses a connection."""
    with place() as base:
        config = base / "edge.toml"
        config.write_text('log_level = "info"\n')
        one = Edge(base, "--config", str(config)).start()
        try:
            one.ready()
            before = one.children()
            config.write_text('log_level = "debug"\n')
            os.kill(one.pid, signal.SIGHUP)
            statuses = []

            def all_new() -> bool:
                statuses.append(one.get("/o/x", one.http)[0])
                now = one.children()
                return set(now) == set(before) and not set(now.values()) & set(before.values())

            until("new children", all_new)
            assert set(statuses) == {200}
            config.write_text("log_level = 7\n")
            os.kill(one.pid, signal.SIGHUP)
            until("complaint", lambda: one.events("not reloaded"))
            assert one.get("/healthz")[0] == 200
        finally:
            finish(one)


@pytest.mark.parametrize(
    "role, titles",
    [("edge", {"tracking 0", "ingest"}), ("control", {"ingest", "control", "sending", "webhooks"})],
)
def test_roles(role: str, titles: set[str]) -> None:
    """--role picks the children; health is answered in each; only the edge role tracks."""
    with edge("--role", role) as one:
        until("children", lambda: set(one.children()) - {"first run"} == titles)
        until("ready", lambda: one.get("/readyz")[0] == 200)
        assert (one.get("/o/x", one.http)[0] == 200) is (role == "edge")


def test_the_control_port_answers_json_for_what_it_does_not_know() -> None:
    """An unknown path is a JSON 404, a wrong method a 405 with Allow."""
    with edge(EDGE_HTTP_BIND=f"127.0.0.1:{free_port()}") as one:
        until("health", lambda: one.get("/healthz") == (200, b'{"status": "ok"}'))
        assert one.get("/nothing") == (404, b'{"message": "Not Found"}')
        assert one.get("/sample")[0] in {200, 404}
        assert b"edge_records_written_total" in one.get("/metrics")[1]


def test_https_with_a_given_certificate_and_a_new_one_after_sighup(tmp_path: Path) -> None:
    """The pixel is served over TLS; replaced files are served after SIGHUP."""

    def served(port: int) -> bytes:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as link,
        ):
            link.sendall(b"GET /o/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert link.recv(1000).startswith(b"HTTP/1.1 200 ")
            return link.getpeercert(binary_form=True) or b""

    cert, key = certificate(tmp_path)
    port = free_port()
    with edge(
        "--https-bind",
        f"127.0.0.1:{port}",
        EDGE_TLS_CERT_FILE=str(cert),
        EDGE_TLS_KEY_FILE=str(key),
    ) as one:
        one.ready()
        first = served(port)
        certificate(tmp_path)
        assert served(port) == first
        os.kill(one.pid, signal.SIGHUP)
        until("new certificate", lambda: served(port) != first)
