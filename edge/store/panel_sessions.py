"""Who is logged in to the control panel: sessions, of which only digests are kept.

A session ends when nobody used it for :data:`IDLE_US`, :data:`LONGEST_US` after it began, at
logging out, and with its user.
"""

import hashlib
import secrets
from typing import Final

import msgspec

from edge.store.panel_users import Role
from edge.store.pool import Connection
from edge.store.sql import queries

IDLE_US: Final = 8 * 3_600_000_000
LONGEST_US: Final = 7 * 86_400_000_000
TOUCH_US: Final = 60_000_000
"""How often (µs) the use of a session is written down."""

MOST: Final = 50
"""Sessions of one user; the longest unused one ends first."""

LONGEST_AGENT: Final = 300

_q = queries("panel_sessions")


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A live session and its user; times in µs since the epoch."""

    digest: bytes
    created_at: int
    seen_at: int
    user: int
    name: str
    role: Role
    has_totp: bool


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A session as its user sees it in a list."""

    digest: bytes
    created_at: int
    seen_at: int
    address: str
    agent: str


def digest(token: str) -> bytes:
    """What is kept of a session's token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


async def begin(conn: Connection, user: int, *, address: str, agent: str, now_us: int) -> str:
    """A new session; its token, which nothing can show again. Ended ones are cleared away."""
    token = secrets.token_urlsafe(32)
    told = "".join(one if one.isprintable() else "\ufffd" for one in agent[:LONGEST_AGENT])
    async with conn.transaction():
        await conn.execute(_q["expire"], now_us - IDLE_US, now_us - LONGEST_US)
        await conn.execute(_q["surplus"], user, MOST - 1)
        await conn.execute(_q["begin"], digest(token), user, now_us, address, told)
        await conn.execute(_q["mark_user"], user, now_us)
    return token


async def find(conn: Connection, token: str, *, now_us: int) -> Session | None:
    """The live session of a token; its use is written down once in a while."""
    key = digest(token)
    row = await conn.fetchrow(_q["find"], key, now_us - IDLE_US, now_us - LONGEST_US)
    if row is None:
        return None
    if now_us - row["seen_at"] >= TOUCH_US:
        await conn.execute(_q["touch"], key, now_us)
    return Session(
        digest=key,
        created_at=row["created_at"],
        seen_at=row["seen_at"],
        user=row["id"],
        name=row["name"],
        role=Role(row["role"]),
        has_totp=row["has_totp"],
    )


async def end(conn: Connection, key: bytes) -> None:
    """End one session by its digest."""
    await conn.execute(_q["end"], key)


async def end_all(conn: Connection, user: int, *, keep: bytes = b"") -> None:
    """End every session of a user, but for one."""
    await conn.execute(_q["end_all"], user, keep)


async def list_sessions(conn: Connection, user: int, *, now_us: int) -> list[Line]:
    """A user's live sessions, the last used first."""
    rows = await conn.fetch(_q["list"], user, now_us - IDLE_US, now_us - LONGEST_US)
    return [Line(**dict(row)) for row in rows]
