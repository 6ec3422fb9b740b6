"""Mailboxes: ``Ann Example <ann@example.net>`` read from what people write, strictly.

The grammar is RFC 5322 section 3.4 without what nobody sends (routes, groups); comments are
dropped. An address is kept as it was written but for its domain, which becomes lower-case ASCII:
every comparison is made in lower case, and what is sent is the sender's spelling.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

import msgspec

from edge.model.domain import host_name
from edge.model.errors import CallerError

MAX_LOCAL: Final = 64
MAX_ADDRESS: Final = 254
"""Octets; RFC 5321 section 4.5.3.1, and 4.5.3.1.3 for the whole path."""

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_LOCAL = re.compile(rf'{_ATOM}(?:\.{_ATOM})*|"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*"')
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|<[^<>]*>|\((?:[^()\\]|\\.)*\)|[^"<(,;]+|.', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f\x80-\x9f\ud800-\udfff]")


class Mailbox(msgspec.Struct, frozen=True):
    """A bare address and its display name, which may be empty."""

    address: str
    name: str = ""


def bare_address(text: str) -> str:
    """One address without a name, its domain in lower-case ASCII; raises CallerError."""
    local, at, host = text.strip().rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or len(local.encode()) > MAX_LOCAL:
        raise CallerError(f"{text[:80]!r} is not an address")
    if host.startswith("[") and host.endswith("]"):
        host = _literal(host)
    else:
        try:
            host = host_name(host)
        except CallerError:
            raise CallerError(f"{text[:80]!r} is not an address") from None
    address = f"{local}@{host}"
    if len(address.encode()) > MAX_ADDRESS:
        raise CallerError(f"{text[:80]!r} is longer than {MAX_ADDRESS} octets")
    return address


def _literal(text: str) -> str:
    """``[192.0.2.1]`` or ``[IPv6:2001:db8::1]`` (RFC 5321 section 4.1.3)."""
    inner = text[1:-1]
    try:
        ip_address(inner[5:] if inner.lower().startswith("ipv6:") else inner)
    except ValueError:
        raise CallerError(f"{text[:80]!r} is not an address") from None
    return text


def mailboxes(text: str) -> list[Mailbox]:
    """Every mailbox of a comma-separated list; raises CallerError for the first that is none.

    Empty places between commas are passed over, as everybody's clients make them.
    """
    if _CONTROL.search(text):
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
        raise CallerError(f"{''.join(pieces)[:80]!r} is not an address")
    words = (_unquoted(piece) for piece in pieces[: angled[0]])
    name = " ".join("".join(words).split())
    if "<" in name or ">" in name:
        raise CallerError(f"{''.join(pieces)[:80]!r} is not an address")
    return Mailbox(bare_address(pieces[angled[0]][1:-1]), name)


def _unquoted(piece: str) -> str:
    if len(piece) >= 2 and piece[0] == piece[-1] == '"':
        return _ESCAPE.sub(r"\1", piece[1:-1])
    return piece
