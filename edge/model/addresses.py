"""Mailboxes: ``Ann Example <ann@example.net>`` read from what people write, strictly.

The grammar is RFC 5322 section 3.4 without what nobody sends (routes, groups); comments are
dropped. An address is kept as it was written but for its domain, which becomes lower-case ASCII:
every comparison is made in lower case, and what is sent is the sender's spelling.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

import msgspec

from edge.model.domain import host_name
from edge.model.errors import CallerError

MAX_LOCAL: Final = 64
MAX_ADDRESS: Final = 254
"""Octets; RFC 5321 section 4.5.3.1, and 4.5.3.1.3 for the whole path."""

MAX_NAME: Final = 1_000

_QUOTED = re.compile(r'"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*"')
_SPECIAL = re.compile(r'[\s@<>()\[\]\\,;:"]')
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|<[^<>]*>|\((?:[^()\\]|\\.)*\)|[^"<(,;]+|.', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SHOWN: Final = 60

_host = lru_cache(maxsize=4096)(host_name)
"""Most recipients live at a few domains."""


class Mailbox(msgspec.Struct, frozen=True):
    """A bare address and its display name, which may be empty."""

    address: str
    name: str = ""


def bare_address(text: str) -> str:
    """One address without a name, its domain in lower-case ASCII; raises CallerError.

    The local part may have the stray dots that some mail providers hand out; quoted ones and
    address literals are taken too.
    """
    local, at, host = text.strip().rpartition("@")
    plain = bool(local) and local.isprintable() and not _SPECIAL.search(local)
    if not at or not (plain or _QUOTED.fullmatch(local)):
        raise CallerError(f"{_shown(text)} is not an email address")
    try:
        host = _literal(host) if host.startswith("[") else _host(host)
    except CallerError:
        raise CallerError(f"{_shown(text)} is not an email address: its domain is wrong") from None
    address = f"{local}@{host}"
    if len(local.encode()) > MAX_LOCAL or len(address.encode()) > MAX_ADDRESS:
        raise CallerError(f"{_shown(text)} is not an email address: it is too long")
    return address


def address_of(text: str) -> str:
    """An address in the spelling that addresses are compared in: lower case; raises CallerError.

    Quoted local parts and address literals are not taken: nobody subscribes with one.
    """
    local, _, host = bare_address(text).rpartition("@")
    if local.startswith('"') or host.startswith("["):
        raise CallerError(f"{_shown(text)} is not an email address")
    return f"{local.lower()}@{host}"


def mailbox(text: str) -> Mailbox:
    """``ann@example.com``, ``Ann <ann@example.com>`` or ``"Ann B." <…>``; raises CallerError.

    The address comes in the spelling of :func:`address_of`.
    """
    stripped = text.strip()
    if not stripped.endswith(">"):
        return Mailbox(address_of(stripped))
    name, _, address = stripped[:-1].rpartition("<")
    return Mailbox(address_of(address), display_name(_unquoted(name.strip())))


def display_name(text: str) -> str:
    """A name fit for a header; CallerError for control characters and for one that is too long."""
    if len(text) > MAX_NAME:
        raise CallerError(f"the name {_shown(text)} is longer than {MAX_NAME} characters")
    if _CONTROL.search(text):
        raise CallerError(f"the name {_shown(text)} holds a control character")
    return text


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")


def _literal(text: str) -> str:
    """``[192.0.2.1]`` or ``[IPv6:2001:db8::1]`` (RFC 5321 section 4.1.3)."""
    inner = text[1:-1]
    try:
        ip_address(inner[5:] if inner.lower().startswith("ipv6:") else inner)
    except ValueError:
        raise CallerError(f"{text} is not an address literal") from None
    return text


def mailboxes(text: str) -> list[Mailbox]:
    """Every mailbox of a comma-separated list; raises CallerError for the first that is none.

    Empty places between commas are passed over, as everybody's clients make them.
    """
    if _CONTROL.search(text.replace("\t", " ")):
        raise CallerError("an address holds a control character")
    return [_mailbox(pieces) for pieces in _items(text)]


def _items(text: str) -> Iterator[list[str]]:
    """The pieces of each item: quoted strings, what stands in angle brackets, and the rest."""
    pieces: list[str] = []
    for match in _PIECE.finditer(text):
        piece = match[0]
        if piece in (",", ";"):
            if any(one.strip() for one in pieces):
                yield pieces
            pieces = []
        elif not piece.startswith("("):
            pieces.append(piece)
    if any(one.strip() for one in pieces):
        yield pieces


def _mailbox(pieces: list[str]) -> Mailbox:
    angled = [place for place, piece in enumerate(pieces) if piece.startswith("<")]
    if not angled:
        return Mailbox(bare_address("".join(pieces)))
    if len(angled) > 1 or any(piece.strip() for piece in pieces[angled[0] + 1 :]):
        raise CallerError(f"{_shown(''.join(pieces))} is not an email address")
    words = pieces[: angled[0]]
    if any(">" in word for word in words if not word.startswith('"')):
        raise CallerError(f"{_shown(''.join(pieces))} is not an email address")
    name = display_name(" ".join("".join(map(_unquoted, words)).split()))
    return Mailbox(bare_address(pieces[angled[0]][1:-1]), name)


def _unquoted(piece: str) -> str:
    if len(piece) >= 2 and piece[0] == piece[-1] == '"':
        return _ESCAPE.sub(r"\1", piece[1:-1])
    return piece
