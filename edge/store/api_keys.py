"""API keys: made, found, revoked; only their digests are stored.

A key is ``key-<prefix>-<secret>``: the prefix finds its row, the secret is 256 bits from the
system's generator. What is kept is one SHA-256 of the whole key. That is enough for a random
secret: a slow hash (scrypt, argon2) makes *guessable* passwords costly to try, but nobody tries
2^256 of them at any speed, and each request would pay for the slowness. SMTP passwords, which
people choose, are another matter: see :mod:`edge.store.credentials`.
"""

import hashlib
import hmac
import re
import secrets
from enum import StrEnum
from typing import Final

import msgspec

from edge.model.errors import CallerError, NotFound
from edge.store import domains
from edge.store.pool import Connection
from edge.store.sql import queries

SECRET_BYTES: Final = 32
LONGEST_NAME: Final = 100

_KEY = re.compile(r"key-([0-9a-f]{12})-[A-Za-z0-9_-]{43}")
_NOBODY: Final = bytes(32)
"""Compared with when no row is found, so that an unknown prefix takes as long as a wrong secret."""

_q = queries("api_keys")


class Role(StrEnum):
    """What a key may do: everything, look only, or send messages only."""

    ADMIN = "admin"
    ANALYST = "analyst"
    SENDING = "sending"


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key as stored; times in µs since the epoch. ``domain`` None is the whole account."""

    id: int
    name: str
    role: Role
    prefix: str
    digest: bytes
    domain: int | None
    domain_name: str | None
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    revoked_at: int | None

    def live(self, now_us: int) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now_us < self.expires_at)

    def state(self, now_us: int) -> str:
        """``live``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        return "live" if self.live(now_us) else "expired"


def digest(key: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


async def list_keys(conn: Connection) -> list[ApiKey]:
    """Every key, revoked and expired ones too, in the order of making."""
    return [
        ApiKey(**{**dict(row), "role": Role(row["role"])})
        for row in await conn.fetch(_q["list"], None)
    ]


async def create(
    conn: Connection,
    name: str,
    *,
    now_us: int,
    role: Role = Role.ADMIN,
    domain: str | None = None,
    expires_at: int | None = None,
) -> tuple[str, int]:
    """Make a key; the key itself (nothing can show it again) and its id.

    Raises CallerError for a name or an expiry that cannot be, NotFound for an unknown domain.
    """
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise CallerError(f"a key's name is 1 to {LONGEST_NAME} printable characters")
    if expires_at is not None and expires_at <= now_us:
        raise CallerError("the key would have expired already: give a time to come")
    number = None
    if domain is not None:
        found = await domains.get(conn, domain)
        if found.removed:
            raise NotFound(f"domain {found.name} is removed; `edge domain add` brings it back")
        number = found.number
    prefix = secrets.token_hex(6)
    key = f"key-{prefix}-{secrets.token_urlsafe(SECRET_BYTES)}"
    made = await conn.fetchval(
        _q["add"], name, role.value, prefix, digest(key), number, now_us, expires_at
    )
    return key, made


async def find(conn: Connection, key: str) -> ApiKey | None:
    """The row of a key whose secret is right; None otherwise. Takes the same time for any secret.

    Expiry and revocation are the caller's to look at (:meth:`ApiKey.live`).
    """
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    row = await conn.fetchrow(_q["list"], match[1])
    stored: bytes = _NOBODY if row is None else row["digest"]
    right = hmac.compare_digest(stored, digest(key))
    return ApiKey(**{**dict(row), "role": Role(row["role"])}) if row is not None and right else None


async def used(conn: Connection, number: int, now_us: int) -> None:
    """Note that a key was used; written at most once a minute, whoever asks."""
    await conn.execute(_q["used"], number, now_us)


async def revoke(conn: Connection, number: int, *, now_us: int) -> None:
    """End a key for good; raises NotFound for an unknown one, CallerError if it was ended."""
    if await conn.fetchval(_q["revoke"], number, now_us) is None:
        if any(key.id == number for key in await list_keys(conn)):
            raise CallerError(f"API key {number} is revoked already")
        raise NotFound(f"there is no API key {number}; `edge apikey list` shows them")
