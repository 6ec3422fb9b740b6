"""Events as rows of PostgreSQL's binary COPY format.

Written by hand because storing events is what the drain spends its time on: most values of a row
(client, place, verdict, user agent, tags) repeat from row to row, and are encoded once a batch.
asyncpg's ``copy_records_to_table`` encodes each value of each row again.

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
    "received_at",
    "repeat",
    "own_time",
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
    "tags",
    "has_facts",
    "is_unique",
)
HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER: Final = b"\xff\xff"
NO_TAGS: Final = struct.pack(">iii", 0, 0, 25)
"""An empty ``text[]``: no dimensions, no NULLs, element type text (oid 25)."""

_NULL = b"\xff\xff\xff\xff"
_TRUE = b"\x00\x00\x00\x01\x01"
_FALSE = b"\x00\x00\x00\x01\x00"
_ID_LENGTH = b"\x00\x00\x00\x10"
_length = struct.Struct(">i").pack
_int = struct.Struct(">ii").pack
_time = struct.Struct(">iq").pack
_fixed = struct.Struct(">hihiqiiiiiqii").pack
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

    __slots__ = ("_clients", "_kinds", "_places", "_received", "_tags", "_texts", "_verdicts")

    def __init__(self, received_us: int) -> None:
        self._received = received_us - EPOCH_2000_US
        self._texts: dict[str, bytes] = {}
        self._clients: dict[ClientInfo, bytes] = {}
        self._places: dict[Geolocation, bytes] = {}
        self._verdicts: dict[tuple[str, Verdict], bytes] = {}
        self._tags: dict[bytes | None, bytes] = {}

    def row(
        self,
        event: Event,
        *,
        at: int,
        retention: int,
        account: int,
        tags: bytes | None,
        unique: bool,
    ) -> bytes:
        """One row: ``at`` is where it is filed (µs), ``tags`` None where there are no facts."""
        own = event.at
        agent = event.user_agent
        return b"".join(
            (
                _fixed(
                    *(_WIDTH, 2, retention, 8, at - EPOCH_2000_US, 4, event.domain, 4, account),
                    *(8, self._received, 4, event.repeat),
                ),
                _NULL if own == at else _time(8, own - EPOCH_2000_US),
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
                self._tags.get(tags) or self._tag(tags),
                _TRUE if unique else _FALSE,
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

    def _tag(self, tags: bytes | None) -> bytes:
        raw = NO_TAGS if tags is None else tags
        blob = self._tags[tags] = _length(len(raw)) + raw + (_FALSE if tags is None else _TRUE)
        return blob
