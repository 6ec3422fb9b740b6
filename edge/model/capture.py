"""What the edge saw of one request: the record in the spool, and the capture read back from it.

The hot path writes a :class:`Hit` and nothing else: the request head verbatim, the opened token,
the peer. All reading of it happens later, in :func:`capture_of`, away from the request.
"""

from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Final

import msgspec

from edge.model.tokens import ClickTarget, Kind, Target, decode_target


class Act(IntEnum):
    """What the request asked for, and so what its record means."""

    OPEN = 1
    CLICK = 2
    UNSUBSCRIBE = 3
    """A POST by a person or by one-click: acts."""
    UNSUBSCRIBE_BY_GET = 4
    """A GET where the domain's owner wants that to act; acts only if no bot made it."""
    UNSUBSCRIBE_PAGE = 5
    """The confirm page was shown: evidence about the visitor, never an event."""
    RESUBSCRIBE = 6
    """Undoes what the same token's unsubscribe set."""


TOKEN_KIND: Final = {
    Act.OPEN: Kind.OPEN,
    Act.CLICK: Kind.CLICK,
    Act.UNSUBSCRIBE: Kind.UNSUBSCRIBE,
    Act.UNSUBSCRIBE_BY_GET: Kind.UNSUBSCRIBE,
    Act.UNSUBSCRIBE_PAGE: Kind.UNSUBSCRIBE,
    Act.RESUBSCRIBE: Kind.UNSUBSCRIBE,
}


class Hit(msgspec.Struct, array_like=True, tag=1, frozen=True, gc=False):
    """One request with an authentic token.

    ``id``: 16 bytes, made once, becomes the event's id. ``at``: microseconds since the epoch.
    ``peer``: the address that connected, or that a trusted PROXY header named. ``head``: request
    line and headers as received.
    """

    id: bytes
    at: int
    act: Act
    peer: str
    tls: bool
    target: bytes
    head: bytes


class Repeat(msgspec.Struct, array_like=True, tag=2, frozen=True, gc=False):
    """``count`` more requests for the token of the hit whose frame starts at byte ``base``.

    Written instead of a full hit above the repeat limit: one valid link asked for a million times
    must not fill the spool. ``base`` is an offset in the same segment, so the pair is always read
    together.
    """

    at: int
    base: int
    count: int


class Facts(msgspec.Struct, array_like=True, tag=3, frozen=True, gc=False):
    """Message facts: what a message is known by.

    ``by_recipient`` are user variables of single recipients, where they differ from
    ``user_variables``. ``about`` is what Mailgun's events tell of the message: ``attachments``,
    ``size``, and ``recipients`` where it had several. A ``to`` header of ``%recipient%`` stands for
    each recipient's own address.
    """

    at: int
    domain: int
    message_id: str
    tags: list[str]
    user_variables: dict[str, str] = {}
    headers: dict[str, str] = {}
    mailing_list: str = ""
    by_recipient: dict[str, dict[str, str]] = {}
    about: dict[str, Any] = {}


Record = Hit | Repeat | Facts

KEPT_HEADERS: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "purpose",
        "referer",
        "sec-ch-ua",
        "sec-fetch-dest",
        "sec-fetch-mode",
        "sec-fetch-site",
        "sec-purpose",
        "user-agent",
        "via",
        "x-moz",
        "x-purpose",
    }
)
"""Headers that labels and events need; everything else in the head is dropped when it is read."""

Network = IPv4Network | IPv6Network


class Capture(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request, read. ``headers`` has lower-case names and only :data:`KEPT_HEADERS`."""

    id: bytes
    at: int
    act: Act
    method: str
    ip: str
    tls: bool
    headers: dict[str, str]
    target: Target
    repeat: int = 1

    @property
    def user_agent(self) -> str:
        """The ``User-Agent`` header, empty if there was none."""
        return self.headers.get("user-agent", "")

    @property
    def link(self) -> int | None:
        """The position of the link that was followed, -1 for an unsubscribe's; None for an open."""
        if self.act is Act.CLICK:
            return self.target.position if isinstance(self.target, ClickTarget) else None
        return None if self.act is Act.OPEN else -1


def clean_text(raw: bytes) -> str:
    """Text that Postgres and JSON accept: UTF-8 if it is, else Latin-1; without NUL.

    A header is bytes (RFC 9110 section 5.5); PostgreSQL's ``text`` refuses U+0000 and surrogates.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\x00", "�") if "\x00" in text else text


_REMEMBERED: Final = 2048
"""Bytes: longer header blocks are rare, and are read anew each time."""


@lru_cache(maxsize=8192)
def read_block(block: bytes) -> tuple[dict[str, str], list[str]]:
    """Kept headers of a header block, and the values of ``X-Forwarded-For`` in order.

    Of a repeated header the first value counts, but for ``X-Forwarded-For``, whose lines join.
    Clients send the same block again and again, so what was read is remembered: treat both results
    as immutable.
    """
    headers: dict[str, str] = {}
    forwarded: list[str] = []
    for line in block.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon:
            continue
        key = name.lower().decode("latin-1")
        if key in KEPT_HEADERS:
            headers.setdefault(key, clean_text(value.strip(b" \t")))
        elif key == "x-forwarded-for":
            forwarded += [part.strip() for part in value.decode("latin-1").split(",")]
    return headers, forwarded


def read_head(head: bytes) -> tuple[str, dict[str, str], list[str]]:
    """Method, kept headers and ``X-Forwarded-For`` values of a request head."""
    line, _, block = head.partition(b"\r\n")
    if block[:5].lower() == b"host:":  # not kept, and what follows repeats from host to host
        block = block[block.find(b"\r\n") + 2 :]
    method = clean_text(line.split(b" ", 1)[0])
    read = read_block if len(block) <= _REMEMBERED else read_block.__wrapped__
    headers, forwarded = read(block)
    return method, headers, forwarded


def plain_ip(text: str) -> str:
    """An address in its usual spelling, IPv4 out of an IPv4-mapped one; ValueError if it is none.

    A socket that listens on IPv6 names an IPv4 client ``::ffff:192.0.2.1`` (RFC 4291 section
    2.5.5.2); proxies, ranges and events all know it as ``192.0.2.1``. A zone (``%eth0``) means
    nothing outside this machine, may hold any character, and is dropped.
    """
    address = ip_address(text.partition("%")[0])
    return str(getattr(address, "ipv4_mapped", None) or address)


def client_ip(peer: str, forwarded: list[str], trusted: Callable[[str], bool]) -> str:
    """The right-most address that no trusted proxy vouched for as one of its own.

    ``trusted`` tells whether an address is a configured proxy. Without a trusted peer the header
    is somebody's claim and is ignored. A malformed entry ends the walk at the last good one.
    """
    ip = plain_ip(peer) if ":" in peer else peer
    for candidate in reversed(forwarded):
        if not trusted(ip):
            break
        try:
            ip = plain_ip(candidate)
        except ValueError:
            break
    return ip


def capture_of(hit: Hit, trusted: Callable[[str], bool], *, repeat: int = 1) -> Capture:
    """Read a hit; raises InvalidToken if its target is of a format this release cannot read."""
    method, headers, forwarded = read_head(hit.head)
    return Capture(
        id=hit.id,
        at=hit.at,
        act=hit.act,
        method=method,
        ip=client_ip(hit.peer, forwarded, trusted),
        tls=hit.tls,
        headers=headers,
        target=decode_target(TOKEN_KIND[hit.act], hit.target),
        repeat=repeat,
    )
