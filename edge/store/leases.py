"""Leases: what only one process of all machines may do at a time.

A lease is a row with a holder and an end, by Postgres' clock alone. Its token grows whenever the
holder changes; work that must not be done by a holder who lost the lease without noticing locks
the row with :func:`holds` in the transaction that does it.
"""

from edge.store.pool import Connection
from edge.store.sql import queries

_q = queries("leases")


async def take(conn: Connection, name: str, holder: str, seconds: float) -> int | None:
    """Take or renew a lease; its token, or None while another holds it."""
    token: int | None = await conn.fetchval(_q["take"], name, holder, seconds)
    return token


async def holds(conn: Connection, name: str, holder: str, token: int) -> bool:
    """Whether the lease still is ours; locks its row until the caller's transaction ends."""
    return await conn.fetchval(_q["holds"], name, holder, token) is not None


async def release(conn: Connection, name: str, holder: str) -> None:
    """End a lease early, if it is ours."""
    await conn.execute(_q["release"], name, holder)
