"""A private PostgreSQL with the durability of a production server: nothing is switched off."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.machine import postgres_binaries
from benchmarks.processes import tree_cpu, wait_until


class Postgres:
    """A running server on a unix socket; ``pid`` is the postmaster's."""

    def __init__(self, directory: Path) -> None:
        binaries = postgres_binaries()
        if binaries is None:
            raise RuntimeError("no PostgreSQL is installed (apt-get install postgresql)")
        self._binaries = binaries
        self.directory = directory
        directory.mkdir(mode=0o700)
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(directory, user.pw_uid, user.pw_gid)
            directory.chmod(0o755)
        self._run("initdb", "-A", "trust", "-U", "edge", "-E", "UTF8", "--locale=C")
        self._server: subprocess.Popen[bytes] | None = None
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._binaries / program), "-D", str(self.directory / "data"), *arguments],
            capture_output=True,
            cwd="/",
            check=False,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            **self._as,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.decode(errors='replace')}")

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        assert self._server is not None, "the server runs"
        return self._server.pid

    def start(self) -> None:
        """Start and wait until it answers."""
        with (self.directory.parent / "postgres.log").open("ab") as log:
            self._server = subprocess.Popen(
                [
                    str(self._binaries / "postgres"),
                    *("-D", str(self.directory / "data"), "-k", str(self.directory)),
                    *("-c", "listen_addresses=", "-c", "max_connections=100"),
                    *("-c", "max_wal_size=2GB"),
                ],
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                **self._as,
            )
        wait_until(self._answers, 60, "Postgres")

    def _answers(self) -> bool:
        async def ask() -> bool:
            try:
                connection = await asyncpg.connect(self.url("postgres"))
            except (OSError, asyncpg.PostgresError):
                return False
            await connection.close()
            return True

        return asyncio.run(ask())

    def url(self, database: str) -> str:
        """URL of one database."""
        return f"postgresql://edge@/{database}?host={self.directory}"

    def create(self, database: str, template: str = "template1") -> str:
        """Make a database, a copy of ``template`` to which nobody is connected; its URL."""

        async def make() -> None:
            connection = await asyncpg.connect(self.url("postgres"))
            await connection.execute(f"CREATE DATABASE {database} TEMPLATE {template}")
            await connection.close()

        asyncio.run(make())
        return self.url(database)

    def cpu(self) -> float:
        """Seconds of CPU of the whole server."""
        return tree_cpu(self.pid)

    def stop(self) -> None:
        """Fast shutdown; done when the process is gone."""
        server, self._server = self._server, None
        if server is not None and server.poll() is None:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


@contextmanager
def running(directory: Path) -> Iterator[Postgres]:
    """A server for the duration of a block; its directory is removed afterwards."""
    server = Postgres(directory / "pg")
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.directory, ignore_errors=True)
