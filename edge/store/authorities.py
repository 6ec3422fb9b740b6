"""What authorities say of themselves, and the pause while our account there changes its key.

Apart from :mod:`edge.store.certificates`, which keeps the accounts: edges need none of this, so a
change of it is no news to them.
"""

from collections.abc import Sequence

from edge.model.certificate import KnownAuthority
from edge.store.pool import Connection
from edge.store.sql import queries

_q = queries("authorities")


async def note(conn: Connection, directory: str, identities: Sequence[str]) -> None:
    """Keep by which names CAA records let an authority issue, as its directory says now."""
    await conn.execute(_q["note"], directory, list(identities))


async def current(conn: Connection) -> KnownAuthority | None:
    """The authority whose account answers challenges; None while there is none."""
    row = await conn.fetchrow(_q["current"])
    if row is None:
        return None
    held = row["identities"]
    identities = None if held is None else tuple(held)
    return KnownAuthority(directory=row["directory"], account=row["account"], identities=identities)


async def pause(conn: Connection, directory: str, until: float) -> None:
    """Let nobody begin anything for a host before ``until`` (seconds since the epoch; 0: now).

    Under a lock that lets claims which run end first: none that began before is missed by whoever
    calls :func:`working` next.
    """
    async with conn.transaction():
        await conn.execute(_q["hold"])
        await conn.execute(_q["pause"], directory, until)


async def working(conn: Connection, now: float) -> list[str]:
    """The hosts that somebody works on, under a lease that lives."""
    return [row["host"] for row in await conn.fetch(_q["working"], now)]
