"""What a submitted message says of its way, and what is written to it and taken from it on ours.

Only the header is looked at, and only whole fields are added or removed; every other byte stays.
Pure.
"""

import re
from datetime import UTC, datetime
from email.utils import format_datetime, getaddresses
from ipaddress import IPv6Address, ip_address
from typing import Final

import msgspec

from edge.model.vault import Vault

MOST_HOPS: Final = 50
"""Received fields of a message that still is no loop; RFC 5321 § 6.3 wants room for 100 relays at
large, and no submission comes from that far."""

MOST_VISITS: Final = 3
"""A message that this installation has received so often is going round."""

LONGEST_FROM: Final = 8192
"""Characters of a From field that are read."""

_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", re.MULTILINE)
_EMPTY_LINE = re.compile(rb"\n(\r?\n)")
HIDDEN: Final = frozenset({"bcc", "resent-bcc", "return-path"})
"""Fields that are taken out: who the first two name is nobody else's business, and the last is the
final server's to write (RFC 5322 § 3.6.3, RFC 5321 § 4.4)."""

_UNSAFE = re.compile(r"[^A-Za-z0-9.:_\[\]-]")


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One arrival: ``helo`` as the client called itself, ``ip`` as it is; ``at`` in seconds.

    ``mark`` is this installation's own, by which it knows its fields again.
    """

    helo: str
    ip: str
    host: str
    protocol: str
    mark: str
    id: str
    at: float


def mark_of(vault: Vault) -> str:
    """What this installation marks its Received fields with: the same on all its machines, and
    nothing that a stranger can tell beforehand.
    """
    return vault.seal("received mark", b"edge")[:6].hex()


def protocol(*, extended: bool, tls: bool, authenticated: bool, utf8: bool) -> str:
    """The registered name of how a message came (RFC 3848, RFC 6531 § 4.3)."""
    if not extended:
        return "SMTP"
    return ("UTF8SMTP" if utf8 else "ESMTP") + "S" * tls + "A" * authenticated


def _literal(ip: str) -> str:
    try:
        parsed = ip_address(ip)
    except ValueError:
        return "[]"
    return f"[IPv6:{parsed}]" if isinstance(parsed, IPv6Address) else f"[{parsed}]"


def received(hop: Hop) -> bytes:
    """The Received field of RFC 5321 § 4.4, folded below 78 characters where words allow it."""
    helo = _UNSAFE.sub("?", hop.helo)[:255] or "unknown"
    date = format_datetime(datetime.fromtimestamp(int(hop.at), UTC))
    return (
        f"Received: from {helo} ({_literal(hop.ip)})\r\n"
        f"\tby {hop.host} with {hop.protocol} (edge {hop.mark})\r\n"
        f"\tid {hop.id}; {date}\r\n"
    ).encode("ascii", "replace")


def header_of(source: bytes) -> bytes:
    """The fields of a message with their line breaks, without the empty line behind them."""
    if source.startswith((b"\r\n", b"\n")):
        return b""
    end = _EMPTY_LINE.search(source)
    return source if end is None else source[: end.start(1)]


def goes_round(header: bytes, mark: str) -> bool:
    """Whether a message has come too far, or here too often (RFC 5321 § 6.3)."""
    hops = [field[0] for field in _FIELD.finditer(header) if field[1].lower() == b"received"]
    ours = f"(edge {mark})".encode()
    return len(hops) > MOST_HOPS or sum(ours in hop for hop in hops) >= MOST_VISITS


def author(source: bytes) -> str:
    """The first address of a message's From field; empty if there is none."""
    for field in _FIELD.finditer(header_of(source)):
        if field[1].lower() == b"from":
            value = field[0].partition(b":")[2].decode("utf-8", "replace")
            unfolded = value.replace("\r", "").replace("\n", "")[:LONGEST_FROM]
            found = [address for _, address in getaddresses([unfolded]) if "@" in address]
            return found[0] if found else ""
    return ""


def has_bare_breaks(source: bytes) -> bool:
    """Whether a CR or LF stands alone: RFC 5321 § 2.3.8 forbids them, and what one server takes for
    the end of a line and another does not is how messages are smuggled.
    """
    pairs = source.count(b"\r\n")
    return source.count(b"\n") != pairs or source.count(b"\r") != pairs
