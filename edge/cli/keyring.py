"""The roster for commands: from the snapshot on disk, else from the database."""

from edge.cli import session
from edge.cli.options import run
from edge.model.roster import Snapshot
from edge.model.tokens import Keyring
from edge.model.vault import Vault
from edge.roster.snapshot import FILE_NAME, load
from edge.settings import Settings
from edge.store import keys, roster


def from_disk(settings: Settings) -> Snapshot | None:
    """The snapshot that the edge serves from, if there is one; never touches the database."""
    return load(settings.data_dir / FILE_NAME)


def from_database(settings: Settings, vault: Vault) -> Snapshot:
    """The roster as it is now; makes the first key if there is none."""

    async def work() -> Snapshot:
        async with session.database(settings) as pool, pool.acquire() as conn:
            await keys.create_first(conn, vault)
            return await roster.read(conn)

    return run(work())


def current(settings: Settings) -> tuple[Snapshot, Keyring]:
    """Roster and opened keyring, without the database where the snapshot is on disk."""
    vault = session.vault(settings)
    snapshot = from_disk(settings) or from_database(settings, vault)
    return snapshot, snapshot.keyring(vault)
