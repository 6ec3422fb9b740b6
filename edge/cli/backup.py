"""``edge backup``: everything that cannot be made again, in one directory or file."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from edge import service_user
from edge import settings as settings_of
from edge.adapters import backup, data_directory
from edge.cli import session
from edge.clock import SystemClock
from edge.model.errors import CallerError, OperatorError
from edge.settings import Settings
from edge.store import binaries, dump, pool
from edge.store.embedded import Cluster

GROUP = True
app = typer.Typer(help="Back up and restore the database, the keys and the spool.")

Config = Annotated[Path | None, typer.Option(help="TOML file of settings.", show_default=False)]
DataDir = Annotated[
    Path | None, typer.Option(help="Data directory (EDGE_DATA_DIR).", show_default=False)
]


@app.command(epilog="Example: edge backup create /var/backups/edge-monday.tar.gz")
def create(
    target: Annotated[
        Path, typer.Argument(help="New or empty directory, or a new .tar, .tar.gz or .tgz file.")
    ],
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Back up database, master key, roster and spool, beside a running edge or without one.

    The backup holds the master key: keep it as secret as the edge itself.
    """
    settings = settings_of.load(config, data_dir=data_dir)
    manifest = asyncio.run(_create(settings, target))
    typer.echo(
        f"backed up to {target}: database of PostgreSQL {manifest.major}, "
        f"{manifest.segments} segments, keys"
    )


async def _create(settings: Settings, target: Path) -> backup.Manifest:
    async with session.database(settings) as opened:
        url = session.database_url(settings)
        return await backup.create(opened, url, settings, target, SystemClock())


@app.command(epilog="Example: edge backup restore /var/backups/edge-monday.tar.gz --data-dir data2")
def restore(
    source: Annotated[Path, typer.Argument(help="What `edge backup create` wrote.")],
    config: Config = None,
    data_dir: DataDir = None,
) -> None:
    """Restore into a new data directory (and, with EDGE_DATABASE_URL, an empty database)."""
    settings = settings_of.load(config, data_dir=data_dir)
    settings = settings.model_copy(update={"data_dir": settings.data_dir.absolute()})
    with backup.opened(source) as (place, manifest):
        _restore(settings, place, manifest)
    typer.echo(f"restored to {settings.data_dir}; start it with `edge serve`")


def _restore(settings: Settings, place: Path, manifest: backup.Manifest) -> None:
    user = service_user.find(settings.user)
    data_directory.prepare(settings.data_dir, user)
    with data_directory.Lock(settings.data_dir) as lock:
        lock.take("command", SystemClock())
        if settings.master_key_path.exists():
            raise CallerError(
                f"{settings.master_key_path} exists: restore into a new data directory, so that "
                "nothing of another installation is overwritten"
            )
        if settings.database_url:
            asyncio.run(_refuse_full(settings.database_url))
            backup.load(manifest, settings.database_url, place)
        else:
            _restore_embedded(settings, user, place, manifest)
        owner = (user.uid, user.gid) if user else None
        backup.put_back(place, settings, owner)


async def _refuse_full(url: str) -> None:
    async with pool.opened(url, max_size=1) as opened:
        if not await dump.is_empty(opened):
            raise CallerError("the database of EDGE_DATABASE_URL is not empty; name an empty one")


def _restore_embedded(
    settings: Settings,
    user: service_user.ServiceUser | None,
    place: Path,
    manifest: backup.Manifest,
) -> None:
    new_enough = [one for one in binaries.installed() if one.major >= manifest.major]
    if not new_enough:
        raise OperatorError(
            f"the backup is of PostgreSQL {manifest.major}; install that version or a newer one"
        )
    cluster = Cluster(settings.data_dir, clock=SystemClock(), user=user, candidates=new_enough)
    if not cluster.create():
        raise CallerError(f"{settings.data_dir} holds a database already; name a new directory")
    try:
        cluster.start(60)
        backup.load(manifest, cluster.dsn, place)
    finally:
        cluster.stop()
