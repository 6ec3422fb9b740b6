"""Users of the control panel: their passwords (argon2id), second factors and roles.

A wrong name takes as long as a wrong password, and costs the same memory. Hashing runs in threads,
:data:`AT_ONCE` at a time: at 64 MiB each, more would be a way to fill the machine. Whatever takes
something from a user (a new password, another role, a removal) ends that user's sessions in the
same transaction.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
from enum import StrEnum
from typing import Final

import argon2
import msgspec
import pyotp

from edge.model.errors import CallerError, NotFound
from edge.model.vault import Vault
from edge.store.pool import Connection
from edge.store.sql import queries

SHORTEST: Final = 10
LONGEST: Final = 200
"""Characters of a password."""

LONGEST_NAME: Final = 100
STEP: Final = 30
"""Seconds for which a code is good (RFC 6238); the one before and the one after it count too."""

FIRST_RUN_US: Final = 24 * 3_600_000_000
"""How long (µs) the first run's link is good."""

AT_ONCE: Final = 2

_NAME = re.compile(r"[a-z0-9][a-z0-9.@_+-]*")
_NOBODY: Final = b""
_hasher = argon2.PasswordHasher()
"""argon2id with the library's parameters, which are RFC 9106's second choice (64 MiB)."""

_DUMMY: Final = _hasher.hash("nobody has this password")
"""What a password is compared with where there is no user."""

_turns = asyncio.Semaphore(AT_ONCE)
_q = queries("panel_users")


class Role(StrEnum):
    """What a user may do; :mod:`edge.panel.permissions` says it route by route."""

    OWNER = "owner"
    ANALYST = "analyst"
    SUPPORT = "support"


class User(msgspec.Struct, frozen=True, kw_only=True):
    """One user; times in µs since the epoch."""

    id: int
    name: str
    role: Role
    has_totp: bool
    created_at: int
    changed_at: int
    seen_at: int | None


class Proof(msgspec.Struct, frozen=True):
    """What an attempt to log in came to: the user's id, else why not.

    ``code_missing``: the password was right, and a second factor is asked for.
    """

    user: int | None = None
    code_missing: bool = False


def user_name(text: str) -> str:
    """A user's name as it is kept, in lower case; raises CallerError."""
    name = text.strip().lower()
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise CallerError(
            f"a name is 1 to {LONGEST_NAME} letters, digits and any of . @ _ + -, and begins with "
            "a letter or digit"
        )
    return name


def _checked(password: str) -> str:
    if not SHORTEST <= len(password) <= LONGEST:
        raise CallerError(f"a password has {SHORTEST} to {LONGEST} characters")
    if not password.isprintable():
        raise CallerError("a password holds no control characters")
    return password


async def _hashed(password: str) -> str:
    _checked(password)
    async with _turns:
        return await asyncio.to_thread(_hasher.hash, password)


def _verified(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except argon2.exceptions.VerificationError:
        return False


async def _matches(stored: str, password: str) -> bool:
    async with _turns:
        return await asyncio.to_thread(_verified, stored, password[: LONGEST + 1])


def _user(row: object) -> User:
    fields = dict(row)  # type: ignore[call-overload]  # a record is a mapping, says its library
    return User(**{**fields, "role": Role(fields["role"])})


async def list_users(conn: Connection) -> list[User]:
    """Every user by name."""
    return [_user(row) for row in await conn.fetch(_q["list"])]


async def get(conn: Connection, name: str) -> User:
    """One user; raises NotFound."""
    row = await conn.fetchrow(_q["get"], user_name(name))
    if row is None:
        raise NotFound(f"there is no user {name}; `edge user list` shows them")
    return _user(row)


async def add(conn: Connection, name: str, role: Role, password: str, *, now_us: int) -> User:
    """Add a user; raises CallerError for a name that is taken or cannot be."""
    whole = user_name(name)
    made = await _hashed(password)
    if await conn.fetchval(_q["add"], whole, role.value, made, now_us) is None:
        raise CallerError(f"there is a user {whole} already")
    return await get(conn, whole)


async def set_password(
    conn: Connection, user: User, password: str, *, now_us: int, keep: bytes = _NOBODY
) -> None:
    """Change a password and end the user's sessions but the one whose digest is ``keep``."""
    made = await _hashed(password)
    async with conn.transaction():
        await conn.execute(_q["set_password"], user.id, made, now_us)
        await conn.execute(queries("panel_sessions")["end_all"], user.id, keep)


async def reset(conn: Connection, user: User, password: str, *, now_us: int) -> None:
    """A new password, no second factor any more, no session any more."""
    async with conn.transaction():
        await set_password(conn, user, password, now_us=now_us)
        await conn.execute(_q["set_totp"], user.id, None, now_us)


async def set_role(conn: Connection, user: User, role: Role, *, now_us: int) -> None:
    """Change a role and end the user's sessions; CallerError for the last owner."""
    async with conn.transaction():
        if role is not Role.OWNER:
            await _not_the_last(conn, user)
        await conn.execute(_q["set_role"], user.id, role.value, now_us)
        await conn.execute(queries("panel_sessions")["end_all"], user.id, _NOBODY)


async def remove(conn: Connection, user: User) -> None:
    """Remove a user and their sessions; CallerError for the last owner."""
    async with conn.transaction():
        await _not_the_last(conn, user)
        await conn.execute(_q["remove"], user.id)


async def _not_the_last(conn: Connection, user: User) -> None:
    owners = [row["id"] for row in await conn.fetch(_q["lock_owners"])]
    if owners == [user.id]:
        raise CallerError(f"{user.name} is the only owner: make another one first")


def _sealing(user: int) -> str:
    return f"panel user:{user}"


async def set_totp(
    conn: Connection, vault: Vault, user: User, secret: str | None, *, now_us: int
) -> None:
    """Set the second factor's secret (base32), or take it away (None)."""
    sealed = None if secret is None else vault.seal(_sealing(user.id), secret.encode())
    await conn.execute(_q["set_totp"], user.id, sealed, now_us)


def new_secret() -> str:
    """A secret for a second factor: 160 bits in base32."""
    return pyotp.random_base32()


def step_of(secret: str, code: str, now_us: int) -> int | None:
    """The step of time whose code this is, of the three around now; None for a wrong one."""
    given = "".join(code.split())
    totp, now = pyotp.TOTP(secret, interval=STEP), now_us // 1_000_000 // STEP
    for step in (now, now - 1, now + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), given.encode("utf-8", "replace")):
            return step
    return None


async def prove(
    conn: Connection, vault: Vault, name: str, password: str, code: str, *, now_us: int
) -> Proof:
    """Check a name, a password, and a code where the user has a second factor."""
    row = await conn.fetchrow(_q["secret"], name) if _NAME.fullmatch(name) else None
    right = await _matches(row["password"] if row else _DUMMY, password)
    if row is None or not right:
        return Proof()
    if row["totp"] is not None:
        if not code.strip():
            return Proof(code_missing=True)
        secret = vault.open(_sealing(row["id"]), row["totp"]).decode()
        step = step_of(secret, code, now_us)
        # A code is taken once: whoever looked over a shoulder cannot use it again.
        if step is None or await conn.fetchval(_q["use_step"], row["id"], step) is None:
            return Proof()
    if _hasher.check_needs_rehash(row["password"]):
        await conn.execute(_q["set_password"], row["id"], await _hashed(password), now_us)
    return Proof(row["id"])


async def has_password(conn: Connection, name: str, password: str) -> bool:
    """Whether this is the password of a user who is there."""
    row = await conn.fetchrow(_q["secret"], name)
    return row is not None and await _matches(row["password"], password)


async def exist(conn: Connection) -> bool:
    """Whether there is any user."""
    found: bool = await conn.fetchval(_q["any"])
    return found


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()


async def invite(conn: Connection, *, now_us: int) -> str | None:
    """A code that makes the first owner, once, instead of any before it; None where users are."""
    if await exist(conn):
        return None
    code = secrets.token_urlsafe(18)
    await conn.execute(_q["invite"], _digest(code), now_us + FIRST_RUN_US)
    return code


async def invited(conn: Connection, code: str, *, now_us: int) -> bool:
    """Whether this is the code that would make the first owner now."""
    found: bool = await conn.fetchval(_q["invited"], _digest(code), now_us)
    return found and not await exist(conn)


async def accept(conn: Connection, code: str, name: str, password: str, *, now_us: int) -> User:
    """Make the first owner with the code, which is used up; raises CallerError."""
    user_name(name)
    made = _checked(password)
    async with conn.transaction():
        used = await conn.fetchval(_q["accept"], _digest(code), now_us)
        if used is None or await exist(conn):
            raise CallerError(
                "this link was used or has ended; `edge user add` makes a user on the server"
            )
        return await add(conn, name, Role.OWNER, made, now_us=now_us)
