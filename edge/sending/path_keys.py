"""The keys that return paths are checked with, as the roster has them now."""

from edge.model.roster import Snapshot
from edge.model.tokens import KeyState
from edge.model.vault import Vault
from edge.sending.return_path import ReturnPaths
from edge.store import roster
from edge.store.pool import Connection


class PathKeys:
    """Reads the keys again when the roster has changed; ``paths`` is None until they were read, and
    in an installation that has none yet."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._version = -1
        self.paths: ReturnPaths | None = None

    async def refresh(self, conn: Connection) -> ReturnPaths | None:
        """The present keys; raises what Postgres raises."""
        version = await roster.version(conn)
        if version != self._version:
            snapshot = await roster.read(conn)
            self.paths = return_paths(snapshot, self._vault) if snapshot.keys else None
            self._version = snapshot.version
        return self.paths


def return_paths(snapshot: Snapshot, vault: Vault) -> ReturnPaths:
    """The return paths of a roster that has keys; revoked ones open nothing."""
    secrets = {
        key.id: vault.open(f"key:{key.id}", key.sealed)
        for key in snapshot.keys
        if key.state is not KeyState.REVOKED
    }
    current = next(key.id for key in snapshot.keys if key.state is KeyState.CURRENT)
    return ReturnPaths(secrets, current)
