"""The sealed keys of a database that may not have been migrated yet.

Asked at a start, to tell a new database from one whose master key must be restored.
"""

import asyncio

from edge.store.pool import opened
from edge.store.sql import queries

_q = queries("sealed_keys")


async def _read(url: str) -> list[tuple[int, bytes]]:
    async with opened(url, max_size=1) as pool:
        if not await pool.fetchval(_q["has_keys_table"]):
            return []
        return [(row["id"], row["sealed"]) for row in await pool.fetch(_q["sealed_keys"])]


def read(url: str) -> list[tuple[int, bytes]]:
    """Id and sealed secret of every key; empty for a new database. Synchronous.

    Raises :class:`~edge.model.errors.PeerError` when the server cannot be reached.
    """
    return asyncio.run(_read(url))
