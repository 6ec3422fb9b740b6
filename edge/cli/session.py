"""What commands share: the database and the vault, beside a running server or without one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import typer

from edge import service_user
from edge.adapters import data_directory, opening
from edge.cli.options import run
from edge.clock import SystemClock
from edge.model.domain import Domain
from edge.model.errors import NotFound, OperatorError
from edge.model.vault import Vault
from edge.roster.snapshot import FILE_NAME
from edge.settings import Settings
from edge.store import domains, migrate
from edge.store.embedded import Cluster
from edge.store.pool import Connection, Pool, opened

T = TypeVar("T")

_PATIENCE = 60.0
"""Seconds that a command waits for a database that somebody else is starting or using."""


def vault(settings: Settings) -> Vault:
    """The vault of this installation; OperatorError when its master key is missing or damaged.

    Where nothing was ever set up the error says that, rather than that a key was lost.
    """
    data_dir = settings.data_dir.absolute()
    known = settings.database_url or (data_dir / FILE_NAME).exists()
    if not known and not settings.master_key_path.exists():
        _existing(data_dir)
    return data_directory.read_vault(settings.master_key_path)


def database_url(settings: Settings) -> str:
    """The URL of the database, the embedded one's too; OperatorError when there is none."""
    return settings.database_url or _existing(settings.data_dir.absolute()).dsn


@asynccontextmanager
async def database(settings: Settings, *, create: bool = False) -> AsyncIterator[Pool]:
    """An open pool on a database of this release.

    ``EDGE_DATABASE_URL`` if set; else the embedded database: the running one, or one that is
    started for this command and stopped after it. Where there is none it is made with ``create``
    (setting up before the first ``edge serve``), and an error without: a mistyped directory must
    not look like an empty installation. Raises :class:`~edge.model.errors.OperatorError`, and
    PeerError when the database is away.
    """
    if settings.database_url:
        async with _prepared(settings.database_url) as pool:
            yield pool
        return
    data_dir = settings.data_dir.absolute()
    if create:
        _prepare(data_dir, settings.user)
    cluster = _existing(data_dir) if not create else _cluster(data_dir)
    lock = data_directory.Lock(data_dir)
    try:
        mine = await _reach(cluster, lock, settings)
        try:
            async with _prepared(cluster.dsn) as pool:
                yield pool
        finally:
            if mine:
                await asyncio.to_thread(cluster.stop)
    finally:
        lock.leave()


def _prepare(data_dir: Path, user: str) -> None:
    if not (data_dir / "postgres").exists():
        typer.echo(f"edge: making a new database in {data_dir}", err=True)
        data_directory.prepare(data_dir, service_user.find(user))


def _cluster(data_dir: Path) -> Cluster:
    user = service_user.find() if data_dir.exists() else None
    return Cluster(data_dir, clock=SystemClock(), user=user and _owner(data_dir, user))


def _existing(data_dir: Path) -> Cluster:
    cluster = _cluster(data_dir)
    if not cluster.exists:
        raise OperatorError(
            f"there is no database in {data_dir}: start the edge once (edge serve), or name the "
            "right place with --data-dir, EDGE_DATA_DIR or EDGE_DATABASE_URL"
        )
    return cluster


def _owner(data_dir: Path, default: service_user.ServiceUser) -> service_user.ServiceUser:
    """Who root runs the database as: whoever owns it, which is not always today's default."""
    status = (data_dir / "postgres").stat() if (data_dir / "postgres").exists() else None
    if status is None or status.st_uid in {0, default.uid}:
        return default
    return service_user.ServiceUser(str(status.st_uid), status.st_uid, status.st_gid)


async def _reach(cluster: Cluster, lock: data_directory.Lock, settings: Settings) -> bool:
    """Wait for the running database, or start it; True if it was started here."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PATIENCE
    told = False
    while True:
        holder = lock.holder()
        served = holder is not None and holder.state == "running"
        if lock.try_take("command"):
            if not cluster.exists:
                opening.vault_for(settings, cluster, service_user.find(settings.user))
                await asyncio.to_thread(cluster.create)
            await asyncio.to_thread(cluster.start, _PATIENCE)
            return True
        if served and await asyncio.to_thread(cluster.answer) == "ready":
            return False
        if loop.time() > deadline:
            raise OperatorError(
                f"the database in {cluster.directory.parent} is held by process "
                f"{holder.pid if holder else 'unknown'} and does not answer"
            )
        if not told:
            told = True
            typer.echo("edge: waiting for the database ...", err=True)
        await asyncio.sleep(0.1)


@asynccontextmanager
async def _prepared(url: str) -> AsyncIterator[Pool]:
    async with opened(url) as pool:
        async with pool.acquire() as conn:
            await migrate.migrate(conn)
        yield pool


def on_domain(
    settings: Settings, name: str, act: Callable[[Connection, Domain], Awaitable[T]]
) -> T:
    """Do something with a domain that is there; raises NotFound for one that is not, or no more."""

    async def work() -> T:
        async with database(settings) as pool, pool.acquire() as conn:
            domain = await domains.get(conn, name)
            if domain.removed:
                raise NotFound(f"domain {domain.name} is removed; `edge domain add` brings it back")
            return await act(conn, domain)

    return run(work())
