"""Events as rows of PostgreSQL's binary COPY format.

Written by hand because storing events is what the drain spends its time on: most values of a row
(client, place, verdict, user agent, tags) repeat from row to row, and are encoded once a batch.
asyncpg's ``copy_records_to_table`` encodes each value of each row again.

A row has three parts: its head says where it is filed, which the database must be asked for; its
body is all that the event itself says, and can be made before; its tail is what the message facts
and the uniques add.

The format: PostgreSQL documentation, COPY, "Binary Format". Every field is its length (int32, -1
for NULL) and its bytes; every number is big-endian.
"""

import struct
from collections.abc import Iterable
from typing import Final

from edge.model.event import ClientInfo, Event, Geolocation, Verdict
from edge.store.pool import EPOCH_2000_US

COLUMNS: Final = (
    "retention",
    "at",
    "domain",
    "account",
    "own_time",
    "received_at",
    "repeat",
    "position",
    "id",
    "recipient",
    "message_id",
    "url",
    "ip",
    "event",
    "method",
    "user_agent",
    "client_type",
    "client_os",
    "device_type",
    "client_name",
    "country",
    "region",
    "city",
    "network",
    "bot",
    "evidence",
    "rules",
    "severity",
    "reason",
    "detail",
    "tags",
    "has_facts",
    "is_unique",
)
HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER: Final = b"\xff\xff"
NO_TAGS: Final = struct.pack(">iii", 0, 0, 25)
"""An empty ``text[]``: no dimensions, no NULLs, element type text (oid 25)."""

_NULL = b"\xff\xff\xff\xff"
_NOT_OF_SENDING = _NULL * 3
_JSONB_VERSION = b"\x01"
_TRUE = b"\x00\x00\x00\x01\x01"
_FALSE = b"\x00\x00\x00\x01\x00"
_ID_LENGTH = b"\x00\x00\x00\x10"
_length = struct.Struct(">i").pack
_int = struct.Struct(">ii").pack
_head = struct.Struct(">hihiqiiiii").pack
_head_with_time = struct.Struct(">hihiqiiiiiq").pack
_received = struct.Struct(">iqii").pack
_WIDTH = len(COLUMNS)


def text(value: str) -> bytes:
    """One text field; UnicodeEncodeError for half a surrogate, which UTF-8 cannot hold."""
    raw = value.encode()
    return _length(len(raw)) + raw


def array(values: Iterable[str]) -> bytes:
    """The binary form of a ``text[]``, without the field's own length."""
    items = [text(value) for value in values]
    if not items:
        return NO_TAGS
    return struct.pack(">iiiii", 1, 0, 25, len(items), 1) + b"".join(items)


def read_array(raw: bytes) -> list[str]:
    """The strings of a ``text[]`` without NULLs in binary form."""
    if len(raw) <= len(NO_TAGS):
        return []
    (count,) = struct.unpack_from(">i", raw, 12)
    values, at = [], 20
    for _ in range(count):
        (size,) = struct.unpack_from(">i", raw, at)
        values.append(raw[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return values


class RowWriter:
    """Encodes the events of one batch; what repeats is encoded once."""

    __slots__ = ("_clients", "_places", "_received", "_tails", "_texts", "_verdicts")

    def __init__(self, received_us: int) -> None:
        self._received = received_us - EPOCH_2000_US
        self._texts: dict[str, bytes] = {}
        self._clients: dict[ClientInfo, bytes] = {}
        self._places: dict[Geolocation, bytes] = {}
        self._verdicts: dict[tuple[str, Verdict], bytes] = {}
        self._tails: dict[tuple[bytes | None, bool], bytes] = {}

    def body(self, event: Event) -> bytes:
        """What a row says whatever the database answers; UnicodeEncodeError as :func:`text`."""
        agent = event.user_agent
        return b"".join(
            (
                _received(8, self._received, 4, event.repeat),
                _NULL if event.position is None else _int(4, event.position),
                _ID_LENGTH,
                event.id,
                text(event.recipient),
                text(event.message_id),
                text(event.url),
                text(event.ip),
                self._texts.get(event.event) or self._text(event.event),
                self._texts.get(event.method) or self._text(event.method),
                self._texts.get(agent) or self._text(agent),
                self._clients.get(event.client) or self._client(event.client),
                self._places.get(event.geolocation) or self._place(event.geolocation),
                self._verdicts.get((event.network, event.verdict)) or self._verdict(event),
                (
                    _sending(event)
                    if event.detail or event.severity or event.reason
                    else _NOT_OF_SENDING
                ),
            )
        )

    def _text(self, value: str) -> bytes:
        blob = self._texts[value] = text(value)
        return blob

    def _client(self, client: ClientInfo) -> bytes:
        fields = (client.client_type, client.client_os, client.device_type, client.client_name)
        blob = self._clients[client] = b"".join(map(text, fields))
        return blob

    def _place(self, place: Geolocation) -> bytes:
        fields = (place.country, place.region, place.city)
        blob = self._places[place] = b"".join(map(text, fields))
        return blob

    def _verdict(self, event: Event) -> bytes:
        verdict = event.verdict
        evidence = array(verdict.evidence)
        blob = self._verdicts[event.network, verdict] = b"".join(
            (
                text(event.network),
                text(verdict.bot),
                _length(len(evidence)) + evidence,
                text(verdict.rules),
            )
        )
        return blob

    def tail(self, tags: bytes | None, unique: bool) -> bytes:
        """The end of a row; ``tags`` as stored, None where there are no facts."""
        blob = self._tails.get((tags, unique))
        if blob is None:
            raw = NO_TAGS if tags is None else tags
            facts = _FALSE if tags is None else _TRUE
            blob = _length(len(raw)) + raw + facts + (_TRUE if unique else _FALSE)
            self._tails[tags, unique] = blob
        return blob


def _sending(event: Event) -> bytes:
    """Severity, reason and detail; NULL where the event has none (``jsonb``: version, text)."""
    how = text(event.severity) if event.severity else _NULL
    how += text(event.reason) if event.severity or event.reason else _NULL
    if not event.detail:
        return how + _NULL
    return how + _length(len(event.detail) + 1) + _JSONB_VERSION + event.detail


def head(domain: int, *, at: int, own: int, retention: int, account: int) -> bytes:
    """The start of a row that is filed under ``at`` (µs); ``own`` is the event's own time."""
    filed = at - EPOCH_2000_US
    if own == at:
        return _head(_WIDTH, 2, retention, 8, filed, 4, domain, 4, account, -1)
    return _head_with_time(
        *(_WIDTH, 2, retention, 8, filed, 4, domain, 4, account, 8, own - EPOCH_2000_US)
    )
