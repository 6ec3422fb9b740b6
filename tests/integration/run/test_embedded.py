"""The embedded database: both kinds of binaries, recovery, adoption, refusals."""

import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from edge import service_user
from edge.adapters import data_directory
from edge.clock import SystemClock
from edge.model.errors import OperatorError
from edge.store import binaries
from edge.store.embedded import Cluster, ask
from tests.integration.run.serving import alive, place, until

CLOCK = SystemClock()


@contextmanager
def cluster(base: Path, kind: str = "any") -> Iterator[Cluster]:
    """A prepared, not yet created cluster below ``base``; stopped at the end."""
    user = service_user.find()
    data = base / "data"
    data_directory.prepare(data, user)
    one = Cluster(data, clock=CLOCK, user=user, candidates=candidates(kind))
    try:
        yield one
    finally:
        one.stop()


def candidates(kind: str) -> list[binaries.Binaries]:
    """Installations of one kind; skips where the machine has none."""
    found = binaries.installed(system=kind != "wheel", wheel=kind != "system")
    if not found:
        if os.environ.get("CI"):
            raise AssertionError(f"no PostgreSQL programs of kind {kind}")
        pytest.skip(f"no PostgreSQL programs of kind {kind}")
    return found


async def value(one: Cluster, query: str) -> object:
    """One value from the database."""
    connection = await asyncpg.connect(one.dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.mark.parametrize("kind", ["system", "wheel"])
async def test_a_cluster_is_made_private_and_survives_the_death_of_its_postmaster(
    kind: str,
) -> None:
    """Checksums, UTF-8, scram, no TCP, socket 0700; rows are there after kill -9 and a restart."""
    with place() as base, cluster(base, kind) as one:
        assert one.create() is True
        assert one.create() is False
        one.start(60)
        assert await value(one, "SHOW data_checksums") == "on"
        assert await value(one, "SHOW server_encoding") == "UTF8"
        assert await value(one, "SHOW listen_addresses") == ""
        assert await value(
            one, "SELECT bool_and(auth_method = 'scram-sha-256') FROM pg_hba_file_rules"
        )
        assert one.socket_dir.stat().st_mode & 0o777 == 0o700
        await value(one, "CREATE TABLE kept AS SELECT generate_series(1, 1000)")
        assert one.pid is not None
        os.kill(one.pid, signal.SIGKILL)
        one.start(60)
        assert await value(one, "SELECT count(*) FROM kept") == 1000


async def test_a_wrong_password_does_not_get_in() -> None:
    """The unix socket alone gives nobody access."""
    with place() as base, cluster(base) as one:
        one.create()
        one.start(60)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(one.dsn, password="guess")


async def test_a_restart_succeeds_while_a_backend_of_the_killed_postmaster_lingers() -> None:
    """A stopped backend keeps the shared memory attached: starting repeats until it is gone."""
    with place() as base, cluster(base) as one:
        one.create()
        one.start(60)
        connection = await asyncpg.connect(one.dsn)
        backend = connection.get_server_pid()
        os.kill(backend, signal.SIGSTOP)
        assert one.pid is not None
        os.kill(one.pid, signal.SIGKILL)
        letting_go = threading.Timer(1.0, os.kill, (backend, signal.SIGKILL))
        letting_go.start()
        one.start(60)
        letting_go.join()
        assert await value(one, "SELECT 1") == 1
        connection.terminate()


def test_another_supervisor_adopts_a_running_postmaster_and_stops_it() -> None:
    """What outlived its supervisor is found again, not started twice."""
    with place() as base, cluster(base) as one:
        one.create()
        one.start(60)
        heir = Cluster(base / "data", clock=CLOCK, user=service_user.find())
        heir.start(60)
        assert heir.pid == one.pid
        heir.stop()
        until("its exit is seen", lambda: not one.running())
        assert heir.answer() == "down"
        assert not heir.socket_dir.exists()


def test_a_stale_pid_file_that_names_a_living_stranger_does_not_stop_a_start() -> None:
    """PostgreSQL would refuse when the number is another process's of the same user."""
    with place() as base, cluster(base) as one:
        one.create()
        pid_file = one.directory / "postmaster.pid"
        pid_file.write_text(f"{os.getpid()}\n{one.directory}\n0\n5432\n/tmp\n\n")
        one.start(60)
        assert one.pid != os.getpid()


def test_a_cluster_of_another_major_version_is_refused_with_what_to_install() -> None:
    """PG_VERSION decides; the message names the version and what was found."""
    with place() as base, cluster(base) as one:
        one.create()
        (one.directory / "PG_VERSION").write_text("13\n")
        other = Cluster(base / "data", clock=CLOCK, user=service_user.find())
        with pytest.raises(OperatorError, match=r"of PostgreSQL 13.*install PostgreSQL 13"):
            other.start(5)


def test_a_half_made_cluster_is_made_anew_and_a_strange_directory_is_refused() -> None:
    """A crash while making it leaves nothing that is believed; files of others are not touched."""
    with place() as base, cluster(base) as one:
        (base / "data" / "postgres.new").mkdir()
        (base / "data" / "postgres.new" / "PG_VERSION").write_text("15\n")
        assert one.create() is True
        shutil.move(one.directory / "PG_VERSION", base / "PG_VERSION")
        strange = Cluster(base / "data", clock=CLOCK, user=service_user.find())
        with pytest.raises(OperatorError, match="is not a database"):
            strange.create()


def test_a_long_or_odd_data_directory_gets_a_short_socket_path() -> None:
    """sockaddr_un has room for 108 bytes; commas and spaces have a meaning to PostgreSQL."""
    short = Cluster(Path("/srv/edge"), clock=CLOCK)
    assert short.socket_dir == Path("/srv/edge/run/postgres")
    for path in (Path("/srv/" + "x" * 90), Path("/srv/a b"), Path("/srv/a,b"), Path("/srv/é")):
        assert len(str(Cluster(path, clock=CLOCK).socket_dir)) < 60


def test_a_lost_password_file_is_named() -> None:
    """The error says which file to restore."""
    with place() as base, cluster(base) as one:
        one.create()
        (base / "data" / "postgres.password").unlink()
        with pytest.raises(OperatorError, match=r"postgres\.password is missing"):
            _ = one.dsn


def test_ask_tells_the_states_of_a_server_apart(tmp_path: Path) -> None:
    """Nobody there, a server that is starting, one that asks for a password."""
    path = tmp_path / "s"
    assert ask(path) == "down"
    for reply, state in (
        (b"E\0\0\0\x10SFATAL\0C57P03\0\0", "starting"),
        (b"E\0\0\0\x10SFATAL\0C53300\0\0", "ready"),
        (b"R\0\0\0\x17\0\0\0\nSCRAM-SHA-256\0\0", "ready"),
        (b"", "down"),
    ):
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()

            def answer(listener: socket.socket = listener, reply: bytes = reply) -> None:
                peer, _ = listener.accept()
                with peer:
                    peer.recv(1024)
                    peer.sendall(reply)

            thread = threading.Thread(target=answer)
            thread.start()
            assert ask(path) == state
            thread.join()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_as_a_plain_user_everything_runs_as_that_user() -> None:
    """A process without root makes and runs the cluster as itself."""
    with place() as base:
        user = service_user.find()
        assert user is not None
        os.chown(base, user.uid, user.gid)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                found = candidates("system")
                service_user.become(user)
                data_directory.prepare(base / "data", service_user.find())
                one = Cluster(base / "data", clock=CLOCK, candidates=found)
                one.create()
                one.start(60)
                ready = one.answer() == "ready" and one.pid is not None and alive(one.pid)
                one.stop()
                status = 0 if ready and one.answer() == "down" else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert (base / "data" / "postgres").stat().st_uid == user.uid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a service user")
def test_wheel_binaries_in_a_closed_place_are_copied_into_the_data_directory() -> None:
    """A virtual environment under a 0700 home is out of the service user's reach."""
    wheel = next((one for one in candidates("wheel") if one.major >= 18), None)
    if wheel is None:
        pytest.skip("the wheel has no PostgreSQL 18")
    with place() as base:
        closed = base / "home"
        closed.mkdir(mode=0o700)
        (closed / "pginstall").symlink_to(wheel.directory.parent)
        user = service_user.find()
        data_directory.prepare(base / "data", user)
        hidden = binaries.Binaries(closed / "pginstall" / "bin", wheel.version, from_wheel=True)
        one = Cluster(base / "data", clock=CLOCK, user=user, candidates=[hidden])
        assert one.binaries.directory.is_relative_to(base / "data")
        one.create()
        one.start(60)
        assert one.answer() == "ready"
        one.stop()
