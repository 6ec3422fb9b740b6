"""Keeps this machine's roster file in step with Postgres, and tells Postgres that it did."""

import asyncio
from pathlib import Path
from typing import Final

import structlog

from edge.model.roster import Snapshot
from edge.observe import metrics
from edge.roster.snapshot import load, save
from edge.store import roster
from edge.store.pool import Pool

log = structlog.get_logger()

KEEP_LIMIT: Final = 60.0
"""Seconds for one look at the database; then the next one tries."""


class Keeper:
    """Polls the roster's version and rewrites the file when it grew.

    The file is written before the version is acknowledged: a key that every edge acknowledged can
    be opened by every edge.
    """

    def __init__(self, *, pool: Pool, path: Path, edge_id: str, name: str) -> None:
        self._pool = pool
        self._path = path
        self._edge_id = edge_id
        self._name = name
        self._names: dict[int, str] = {}
        self._version = -1
        snapshot = load(path)
        if snapshot is not None:
            self._know(snapshot)

    def _know(self, snapshot: Snapshot) -> None:
        self._names = {domain.number: domain.name for domain in snapshot.domains}

    def name(self, number: int) -> str | None:
        """The domain's name, or None when it is not known yet."""
        return self._names.get(number)

    async def refresh(self) -> None:
        """Rewrite the file if Postgres has another version."""
        async with asyncio.timeout(KEEP_LIMIT), self._pool.acquire() as conn:
            version = await roster.version(conn)
            if version != self._version:
                snapshot = await roster.read(conn)
                self._know(snapshot)
                save(self._path, snapshot)
                self._version = snapshot.version
                metrics.ROSTER_VERSION.set(snapshot.version)
                log.info("roster written", version=snapshot.version, domains=len(self._names))
            await roster.acknowledge(conn, self._edge_id, self._name, self._version)
