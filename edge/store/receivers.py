"""The built-in receiver of webhooks: a secret URL for a while, and the last POSTs to it.

Off until somebody switches it on. What is kept is bounded by :data:`MOST` POSTs of at most
:data:`LARGEST` bytes each, and goes with the receiver.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Final

import msgspec

from edge.model.vault import Vault
from edge.store.pool import Connection
from edge.store.sql import queries

MOST: Final = 100
LARGEST: Final = 64 * 1024
"""Bytes of a body."""

KEPT_US: Final = 24 * 3600 * 1_000_000
"""For how long it stays switched on."""

_SECRET_BYTES: Final = 32
_q = queries("receivers")


class Receiver(msgspec.Struct, frozen=True):
    """``token`` is the secret part of its URL; times in µs."""

    token: str
    created_at: int
    expires_at: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One POST; ``mailgun`` and ``whole`` are :class:`edge.webhooks.signature.Verdict`\\ s."""

    id: int = 0
    at: int
    address: str
    headers: Mapping[str, str]
    body: bytes
    mailgun: str
    whole: str


def _purpose(account: int) -> str:
    return f"webhook receiver:{account}"


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


async def switch_on(conn: Connection, vault: Vault, account: int, *, now_us: int) -> str:
    """A new secret URL in the place of what there was; its token."""
    token = secrets.token_urlsafe(_SECRET_BYTES)
    sealed = vault.seal(_purpose(account), token.encode())
    async with conn.transaction():
        await conn.execute(_q["remove"], account)
        until = now_us + KEPT_US
        await conn.execute(_q["add"], account, _digest(token), sealed, now_us, until)
    return token


async def switch_off(conn: Connection, account: int) -> None:
    """Take nothing in any more, and forget what came."""
    await conn.execute(_q["remove"], account)


async def show(conn: Connection, vault: Vault, account: int, *, now_us: int) -> Receiver | None:
    """The receiver while it is on; raises OperatorError for a wrong master key."""
    row = await conn.fetchrow(_q["show"], account, now_us)
    if row is None:
        return None
    token = vault.open(_purpose(account), row["sealed"]).decode()
    return Receiver(token, row["created_at"], row["expires_at"])


async def find(conn: Connection, token: str, *, now_us: int) -> int | None:
    """The account whose receiver has this token, while it is on."""
    found: int | None = await conn.fetchval(_q["find"], _digest(token), now_us)
    return found


async def take(conn: Connection, account: int, token: str, receipt: Receipt) -> bool:
    """Keep a POST and forget the oldest above :data:`MOST`; False if it was just switched off."""
    async with conn.transaction():
        if await conn.fetchval(_q["lock"], account, _digest(token)) is None:
            return False
        await conn.execute(
            _q["take"],
            account,
            receipt.at,
            receipt.address,
            json.dumps(dict(receipt.headers)),
            receipt.body,
            receipt.mailgun,
            receipt.whole,
        )
        await conn.execute(_q["trim"], account, MOST)
    return True


async def receipts(conn: Connection, account: int) -> list[Receipt]:
    """The last POSTs, the newest first."""
    rows = await conn.fetch(_q["receipts"], account, MOST)
    return [Receipt(**{**row, "headers": json.loads(row["headers"])}) for row in rows]
