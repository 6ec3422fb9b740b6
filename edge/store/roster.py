"""The roster as it is in Postgres, and which edges have which version of it."""

from edge.model.domain import DEFAULT_FOOTERS, Domain, Footers
from edge.model.roster import SealedKey, Snapshot
from edge.model.tokens import KeyState
from edge.store.pool import Connection
from edge.store.sql import queries

CHANNEL = "roster"
"""NOTIFY channel; the payload is the new version."""
_q = queries("roster")


async def version(conn: Connection) -> int:
    """The roster's version: a cheap question, for polling."""
    found: int = await conn.fetchval(_q["version"])
    return found


async def read(conn: Connection) -> Snapshot:
    """Everything edges serve from: removed domains and every host too, keys but for revoked ones.

    The version is read first: what is read after it is of that version or newer, so an edge never
    claims to have more than it has; a change in between brings it back for the next version.
    """
    number = await version(conn)
    domains = [Domain(**dict(row)) for row in await conn.fetch(_q["domains"])]
    default = DEFAULT_FOOTERS
    footers = {
        row["number"]: Footers(row["html_footer"], row["text_footer"])
        for row in await conn.fetch(_q["footers"], default.html, default.text)
    }
    hosts = {row["host"]: row["domain"] for row in await conn.fetch(_q["hosts"])}
    keys = [
        SealedKey(id=row["id"], state=KeyState(row["state"]), sealed=row["sealed"])
        for row in await conn.fetch(_q["keys"])
    ]
    return Snapshot(
        version=number,
        domains=domains,
        hosts=hosts,
        keys=keys,
        footers=footers,
        thumbprint=await conn.fetchval(_q["thumbprint"]) or "",
        hsts={row["host"]: row["max_age"] for row in await conn.fetch(_q["hsts"])},
    )


async def acknowledge(conn: Connection, edge_id: str, name: str, version: int) -> None:
    """An edge's heartbeat: it lives, and serves from this version."""
    await conn.execute(_q["acknowledge"], edge_id, name, version)
