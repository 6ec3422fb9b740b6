"""SMTP credentials: a login at a domain and its password, hashed with scrypt.

People choose these passwords, so trying one has to cost: scrypt (RFC 7914) with the parameters
that OWASP's password storage sheet lists for 16 MiB (N=2^14, r=8, p=5). Each row keeps salt and
parameters, so that they can be raised without anybody changing a password.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
from typing import Final

import msgspec

from edge.model.domain import Domain
from edge.model.errors import CallerError, NotFound
from edge.store.pool import Connection
from edge.store.sql import queries

N: Final = 2**14
R: Final = 8
P: Final = 5
MEMORY: Final = 64 * 2**20
SALT_BYTES: Final = 16
SHORTEST: Final = 5
LONGEST: Final = 128
"""Characters of a password; the lower bound is Mailgun's."""

MAX_PER_DOMAIN: Final = 1000

_LOCAL_PART = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
"""A dot-atom (RFC 5322 section 3.2.3), in lower case."""

_q = queries("credentials")


class Credential(msgspec.Struct, frozen=True):
    """One login; times in µs since the epoch."""

    login: str
    created_at: int
    changed_at: int


class _Secret(msgspec.Struct, frozen=True):
    salt: bytes
    n: int
    r: int
    p: int
    digest: bytes


def login_of(text: str, domain: Domain) -> str:
    """The whole login in lower case: ``ann`` is ``ann@domain``. Raises CallerError."""
    local, _, host = text.strip().lower().rpartition("@")
    if not local:
        local, host = host, domain.name
    if host != domain.name:
        raise CallerError(f"login {text!r} is not of domain {domain.name}")
    if len(local) > 64 or not _LOCAL_PART.fullmatch(local):
        raise CallerError(f"login {text!r} is not the local part of an address")
    return f"{local}@{host}"


def _checked(password: str) -> str:
    if not SHORTEST <= len(password) <= LONGEST:
        raise CallerError(f"Password length has to be between {SHORTEST} and {LONGEST} characters")
    if not password.isprintable():
        raise CallerError("The password may not contain control characters")
    return password


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    secret = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=MEMORY, dklen=32)


async def _hashed(password: str) -> _Secret:
    salt = secrets.token_bytes(SALT_BYTES)
    made = await asyncio.to_thread(_scrypt, _checked(password), salt, N, R, P)
    return _Secret(salt, N, R, P, made)


async def count(conn: Connection, domain: Domain) -> int:
    """How many logins a domain has."""
    found: int = await conn.fetchval(_q["count"], domain.number)
    return found


async def list_credentials(
    conn: Connection, domain: Domain, *, limit: int = MAX_PER_DOMAIN, skip: int = 0
) -> list[Credential]:
    """Logins of a domain by name."""
    rows = await conn.fetch(_q["list"], domain.number, limit, skip)
    return [Credential(**dict(row)) for row in rows]


async def add(conn: Connection, domain: Domain, login: str, password: str, *, now_us: int) -> str:
    """Add a login; its whole spelling. Raises CallerError when it exists or cannot be."""
    whole = login_of(login, domain)
    if await count(conn, domain) >= MAX_PER_DOMAIN:
        raise CallerError(f"{domain.name} has {MAX_PER_DOMAIN} credentials: remove some first")
    made = await _hashed(password)
    fields = msgspec.structs.astuple(made)
    if await conn.fetchval(_q["add"], domain.number, whole, *fields, now_us) is None:
        raise CallerError(f"Credentials already exist: {whole}")
    return whole


async def set_password(
    conn: Connection, domain: Domain, login: str, password: str, *, now_us: int
) -> str:
    """Change a password; the whole login. Raises NotFound and CallerError."""
    whole = login_of(login, domain)
    fields = msgspec.structs.astuple(await _hashed(password))
    if await conn.fetchval(_q["set_password"], domain.number, whole, *fields, now_us) is None:
        raise NotFound(f"Credentials not found: {whole}")
    return whole


async def remove(conn: Connection, domain: Domain, login: str) -> str:
    """Remove a login; its whole spelling. Raises NotFound."""
    whole = login_of(login, domain)
    if await conn.fetchval(_q["remove"], domain.number, whole) is None:
        raise NotFound(f"Credentials not found: {whole}")
    return whole


async def remove_all(conn: Connection, domain: Domain) -> None:
    """Remove every login of a domain."""
    await conn.execute(_q["remove_all"], domain.number)


async def verify(conn: Connection, login: str, password: str) -> int | None:
    """The number of the domain whose login and password these are; None for any mistake.

    Takes as long for an unknown login as for a wrong password. The scrypt runs in a thread.
    """
    whole = login.strip().lower()
    row = None
    if "\0" not in whole and whole.isascii():
        row = await conn.fetchrow(_q["secret"], whole)
    salt, n, r, p, stored = (
        (bytes(SALT_BYTES), N, R, P, bytes(32))
        if row is None
        else (row["salt"], row["n"], row["r"], row["p"], row["digest"])
    )
    made = await asyncio.to_thread(_scrypt, password[: LONGEST + 1], salt, n, r, p)
    right = hmac.compare_digest(made, stored)
    return row["domain"] if row is not None and right else None
