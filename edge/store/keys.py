"""The keys that seal tokens: made, announced, promoted, retired, revoked.

A key is *announced* first: every live edge must be able to open its tokens before one is minted.
It becomes *current* when each edge seen within the last minute has a roster that holds it. The
key before is then *retired*: it opens the links already sent, for ever, unless it is *revoked*.
"""

import secrets

import msgspec

from edge.model.errors import CallerError, NotFound
from edge.model.tokens import SECRET_BYTES, KeyState
from edge.model.vault import Vault
from edge.store.pool import Connection
from edge.store.sql import queries

FIRST_ID = 1
_q = queries("keys")


class KeyRow(msgspec.Struct, frozen=True):
    """One key as stored; times in µs since the epoch; the secret stays sealed."""

    id: int
    state: KeyState
    sealed: bytes
    announced_version: int
    created_at: int
    changed_at: int


async def list_keys(conn: Connection) -> list[KeyRow]:
    """Every key, revoked ones too, by id."""
    return [
        KeyRow(**{**dict(row), "state": KeyState(row["state"])})
        for row in await conn.fetch(_q["list"])
    ]


async def create_first(conn: Connection, vault: Vault) -> bool:
    """Make the first key if there is none; whether it was made. Safe when raced."""
    async with conn.transaction():
        await conn.fetchval(_q["lock"])
        if await list_keys(conn):
            return False
        await _put(conn, vault, FIRST_ID, KeyState.CURRENT, 0)
    return True


async def rotate(conn: Connection, vault: Vault) -> KeyRow:
    """Announce a new key; it is promoted at once if no edge is alive.

    Raises CallerError when one is announced already, or when all 256 ids are taken.
    """
    async with conn.transaction():
        version = await conn.fetchval(_q["lock"])
        keys = await list_keys(conn)
        for key in keys:
            if key.state is KeyState.ANNOUNCED:
                raise CallerError(
                    f"key {key.id} is announced and becomes current when every live edge has it "
                    "(`edge keys list`); rotate again after that"
                )
        number = await conn.fetchval(_q["next_id"]) if keys else FIRST_ID
        if number is None:
            raise CallerError("all 256 key ids are taken: revoke retired keys that no mail needs")
        await _put(conn, vault, number, KeyState.ANNOUNCED, version + 1)
        await promote_due(conn)
        return next(key for key in await list_keys(conn) if key.id == number)


async def _put(conn: Connection, vault: Vault, number: int, state: KeyState, version: int) -> None:
    sealed = vault.seal(f"key:{number}", secrets.token_bytes(SECRET_BYTES))
    await conn.execute(_q["put"], number, state.value, sealed, version)


async def promote_due(conn: Connection) -> int | None:
    """Make the announced key current if every edge seen within a minute has it; its id, or None."""
    async with conn.transaction():
        if await conn.fetchrow(_q["due"]) is None:
            return None
        await conn.fetchval(_q["lock"])
        row = await conn.fetchrow(_q["due"])
        if row is None:
            return None
        if row["current"] is not None:
            await conn.execute(_q["set_state"], row["current"], KeyState.RETIRED.value)
        await conn.execute(_q["set_state"], row["id"], KeyState.CURRENT.value)
        number: int = row["id"]
        return number


async def retire(conn: Connection, number: int) -> None:
    """Take an announced key back: it opens, but will not become current. CallerError else."""
    async with conn.transaction():
        await conn.fetchval(_q["lock"])
        key = await _get(conn, number)
        if key.state is not KeyState.ANNOUNCED:
            raise CallerError(
                f"key {number} is {key.state.value}; only an announced key can be retired by hand "
                "(the current one is retired by `edge keys rotate`)"
            )
        await conn.execute(_q["set_state"], number, KeyState.RETIRED.value)


async def revoke(conn: Connection, number: int) -> None:
    """Never open this key's tokens again; every link sealed with it is dead from then on.

    Raises NotFound for an id that does not exist, CallerError for the current key.
    """
    async with conn.transaction():
        await conn.fetchval(_q["lock"])
        key = await _get(conn, number)
        if key.state is KeyState.CURRENT:
            raise CallerError(
                f"key {number} is current: run `edge keys rotate` first, then revoke it"
            )
        await conn.execute(_q["set_state"], number, KeyState.REVOKED.value)


async def _get(conn: Connection, number: int) -> KeyRow:
    for key in await list_keys(conn):
        if key.id == number:
            return key
    raise NotFound(f"there is no key {number}; `edge keys list` shows them")
