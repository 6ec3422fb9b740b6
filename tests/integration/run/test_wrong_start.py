"""Starts that must fail, and say how to mend it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.run import serving
from tests.integration.run.serving import Edge, command, edge, finish, place, until


def refused(one: Edge) -> str:
    """Start it, expect exit status 1, and return what it said."""
    one.start()
    assert one.process is not None
    assert one.process.wait(30) == 1, one.output
    assert "Traceback" not in one.output
    return one.output


def test_every_wrong_setting_is_listed_at_once() -> None:
    """Three mistakes, one start, three lines."""
    with place() as base:
        said = refused(
            Edge(base, EDGE_SETTLE="soon", EDGE_WORKERSS="2", EDGE_SMTP_BIND="localhost")
        )
        for name in ("EDGE_SETTLE", "did you mean EDGE_WORKERS", "EDGE_SMTP_BIND"):
            assert name in said


def test_an_address_in_use_is_named_with_its_setting() -> None:
    """The error names the setting and the cause."""
    with edge() as one:
        until("health", lambda: one.get("/healthz")[0] == 200)
        with place() as base:
            second = Edge(base)
            second.http = one.http
            assert f"EDGE_HTTP_BIND: cannot listen on 127.0.0.1:{one.http}" in refused(second)


def test_a_missing_or_foreign_master_key_stops_the_start() -> None:
    """The error says what to restore; with the right file back the edge starts."""
    with edge() as one:
        one.ready()
        assert one.stop() == 0
        key = one.data / "master.key"
        saved = one.base / "saved.key"
        shutil.move(key, saved)
        assert "master.key is missing" in refused(one)
        key.write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
        assert "the master key does not open key:1" in refused(one)
        key.write_text("rubbish\n")
        assert "does not hold base64 of 32 bytes" in refused(one)
        shutil.move(saved, key)
        one.start()
        until("health", lambda: one.get("/healthz")[0] == 200)


def test_certificate_files_that_are_none() -> None:
    """The error names both settings."""
    with place() as base:
        for name in ("cert", "key"):
            (base / name).write_text("no PEM\n")
        one = Edge(base, EDGE_TLS_CERT_FILE=str(base / "cert"), EDGE_TLS_KEY_FILE=str(base / "key"))
        assert "EDGE_TLS_CERT_FILE" in refused(one)


def test_a_data_directory_of_another_postgres_major_version() -> None:
    """The start fails with the version that is needed, and leaves the data alone."""
    with place() as base:
        one = Edge(base)
        (one.data / "postgres").mkdir(parents=True)
        (one.data / "edge-id").write_text("8c8ab7a9-2b1f-4f43-a2ad-7d3f62f4a6a5\n")
        (one.data / "master.key").write_text("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
        (one.data / "postgres.password").write_text("secret\n")
        (one.data / "postgres" / "PG_VERSION").write_text("12\n")
        try:
            assert "is of PostgreSQL 12" in refused(one)
        finally:
            finish(one)
        assert (one.data / "postgres" / "PG_VERSION").read_text() == "12\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_root_is_told_about_a_directory_that_the_service_user_cannot_enter() -> None:
    """An explicit data directory below a closed one is an error that names the closed one."""
    with place() as base:
        (base / "home").mkdir(mode=0o700)
        one = Edge(base)
        one.data = base / "home" / "data"
        assert f"may not enter {base / 'home'}" in refused(one)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_root_does_not_take_over_a_directory_that_is_somebody_elses() -> None:
    """A non-empty directory that no edge made keeps its owner."""
    with place() as base:
        one = Edge(base)
        one.data.mkdir()
        (one.data / "thesis.txt").write_text("mine\n")
        assert "was not made by an edge" in refused(one)
        assert (one.data / "thesis.txt").stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_an_installation_that_the_service_user_cannot_read_works() -> None:
    """Everything children need is in memory before they give up root."""
    site = next(Path(entry) for entry in sys.path if entry.endswith("site-packages"))
    with place() as base:
        closed = base / "home"
        closed.mkdir(mode=0o700)
        (closed / "site").symlink_to(site)
        (closed / "source").symlink_to(Path(__file__).parents[3])
        run = (
            "import sys; "
            f"sys.path[:0] = [{str(closed / 'source')!r}, {str(closed / 'site')!r}]; "
            + (
                "from edge.__main__ import main; main()"
                if serving.PROGRAM[-1] == "edge"
                else f"exec(open({serving.PROGRAM[-1]!r}).read())"
            )
        )
        one = Edge(base).start((sys.executable, "-S", "-c", run))
        try:
            one.ready()
            pixel = re.findall(r'http://[^/"]+(/o/[\w-]+)', one.get("/sample")[1].decode())[0]
            assert one.get(pixel, one.http)[0] == 200
            assert one.get("/docs")[0] == 200
            assert one.get("/docs/webhooks")[0] == 200
            until("stored", lambda: b"edge_drain_events_total 1.0" in one.get("/metrics")[1])
            assert not one.events("child died")
        finally:
            finish(one)


def test_commands_without_a_database_say_so() -> None:
    """A command on an empty data directory fails with what to do."""
    with place() as base:
        done = command(Edge(base), "backup", "create", str(base / "backup"))
        assert done.returncode == 1
        assert "start the edge once" in done.stderr


def test_help_names_an_example() -> None:
    """``edge serve --help`` shows how it is called."""
    done = subprocess.run(
        [*serving.PROGRAM, "serve", "--help"], capture_output=True, text=True, check=True
    )
    assert "Example: edge serve" in done.stdout
