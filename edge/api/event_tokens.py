"""The tokens of events' pages: everything a page needs, and a MAC over it.

Nobody else can make one or change one, so a token cannot be turned to another domain, nor be used
to have the database read what the API's own limits would refuse.
"""

import hashlib
import hmac
from typing import Final

import msgspec

from edge.model.errors import CallerError
from edge.model.tokens import decode_base64url, encode_base64url
from edge.model.vault import Vault
from edge.store.event_pages import Cursor, Place
from edge.store.search import CommitCursor, TimeCursor

VERSION: Final = 1
LONGEST: Final = 4_096
_MAC: Final = 16


class Asked(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A question about events as it was asked; times in µs, both ends belong to it."""

    domain: int
    ascending: bool
    limit: int
    begin: int | None = None
    end: int | None = None
    since: int | None = None
    pretty: bool = True
    fields: tuple[tuple[str, str], ...] = ()


class _Payload(msgspec.Struct, frozen=True, array_like=True):
    """At most one of the two cursors is there."""

    version: int
    asked: Asked
    back: bool
    inclusive: bool
    time: TimeCursor | None
    commit: CommitCursor | None


def _mac(vault: Vault, payload: bytes) -> bytes:
    return hmac.digest(vault.key_for_macs("event pages"), payload, hashlib.sha256)[:_MAC]


def seal(vault: Vault, asked: Asked, place: Place) -> str:
    """The token of a page; the same for the same page."""
    cursor = place.cursor
    payload = msgspec.msgpack.encode(
        _Payload(
            VERSION,
            asked,
            place.back,
            place.inclusive,
            cursor if isinstance(cursor, TimeCursor) else None,
            cursor if isinstance(cursor, CommitCursor) else None,
        )
    )
    return encode_base64url(_mac(vault, payload) + payload)


def unseal(vault: Vault, token: str, *, domain: int) -> tuple[Asked, Place]:
    """What a token of this domain stands for; raises CallerError."""
    raw = None
    if token.isascii() and len(token) <= LONGEST:
        raw = decode_base64url(token.encode())
    if raw is None or not hmac.compare_digest(_mac(vault, raw[_MAC:]), raw[:_MAC]):
        raise CallerError("The page token is wrong: use the links under paging as they are")
    try:
        payload = msgspec.msgpack.decode(raw[_MAC:], type=_Payload)
    except msgspec.DecodeError:
        raise CallerError("The page token is of another release: start again") from None
    if payload.version != VERSION:
        raise CallerError("The page token is of another release: start again")
    if payload.asked.domain != domain:
        raise CallerError("The page token belongs to another domain")
    cursor: Cursor = payload.time or payload.commit
    return payload.asked, Place(cursor, payload.back, payload.inclusive)
