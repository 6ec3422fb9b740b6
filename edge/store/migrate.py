"""Numbered migrations: ``migrations/NNNN_name.sql``, each applied once, in order, under a lock.

All that are missing are applied in one transaction, so a database is never between two releases.
A migration that was applied is never edited: its checksum is recorded and compared.
"""

import hashlib
from functools import cache
from pathlib import Path

import msgspec

from edge.clock import Clock, SystemClock
from edge.model.errors import OperatorError
from edge.store import partitions
from edge.store.pool import Connection, prepare
from edge.store.sql import MIGRATIONS

_LOCK = 0x65646765
"""Key of the transaction lock that keeps two migrations apart ("edge" in ASCII)."""


class Migration(msgspec.Struct, frozen=True):
    """One numbered file."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@cache
def available(directory: Path = MIGRATIONS) -> list[Migration]:
    """The migrations of this release in order; OperatorError for a gap in their numbers."""
    found = []
    for path in sorted(directory.glob("*.sql")):
        number, _, name = path.stem.partition("_")
        found.append(Migration(int(number), name, path.read_text(encoding="utf-8")))
    if [m.number for m in found] != list(range(1, len(found) + 1)):
        raise OperatorError(f"{directory} does not hold every migration: install the release again")
    return found


async def migrate(conn: Connection, *, clock: Clock | None = None) -> list[int]:
    """Bring the database to this release; the numbers that were applied.

    Also makes the event partitions of the days to come, so that the database is usable at once.
    Safe to call from several processes at the same time. Raises
    :class:`~edge.model.errors.OperatorError` for a database of a newer release, or one whose
    applied migrations are not ours.
    """
    await prepare(conn)
    known = available()
    async with conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await conn.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (number integer PRIMARY KEY, "
            "name text NOT NULL, checksum text NOT NULL, "
            "applied_at timestamptz NOT NULL DEFAULT now())"
        )
        applied = {
            row["number"]: row
            for row in await conn.fetch("SELECT number, name, checksum FROM schema_migrations")
        }
        if applied and max(applied) > len(known):
            raise OperatorError(
                f"the database is at migration {max(applied)} of a newer release; this one knows "
                f"{len(known)}: install that release again, or restore a backup made before it"
            )
        done = []
        for migration in known:
            row = applied.get(migration.number)
            if row is None:
                await conn.execute(migration.text)
                await conn.execute(
                    "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)",
                    migration.number,
                    migration.name,
                    migration.checksum,
                )
                done.append(migration.number)
            elif row["checksum"] != migration.checksum:
                raise OperatorError(
                    f"migration {migration.number} ({row['name']}) of this database is not the "
                    "one of this release: it was made by another build; install that one"
                )
    await partitions.ensure(conn, now_us=(clock or SystemClock()).now_us())
    return done
