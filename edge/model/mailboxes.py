"""Mailboxes: one e-mail address, perhaps with a display name before it (RFC 5322 section 3.4)."""

import re
from functools import lru_cache
from typing import Final

import msgspec

from edge.model.domain import host_name
from edge.model.errors import CallerError

LONGEST_ADDRESS: Final = 254
"""Octets: what fits into the path of RFC 5321 section 4.5.3.1.3 with its angle brackets."""

LONGEST_LOCAL_PART: Final = 64
LONGEST_NAME: Final = 1_000

_SPECIAL = re.compile(r'[\s@<>()\[\]\\,;:"]')
_ESCAPED = re.compile(r"\\(.)")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SHOWN: Final = 60

_host = lru_cache(maxsize=4096)(host_name)
"""Most of a list's members live at a few domains."""


class Mailbox(msgspec.Struct, frozen=True):
    """``address`` is in the spelling that addresses are compared in; ``name`` may be empty."""

    address: str
    name: str = ""


def address_of(text: str) -> str:
    """An address in lower case, its domain as A-labels; CallerError says what is wrong.

    Only the dotted form is taken, with the stray dots that some mail providers hand out; quoted
    local parts and address literals are not.
    """
    local, at, domain = text.strip().rpartition("@")
    if not at or not local or _SPECIAL.search(local) or not local.isprintable():
        raise CallerError(f"{_shown(text)} is not an email address")
    try:
        address = f"{local.lower()}@{_host(domain)}"
    except CallerError:
        raise CallerError(f"{_shown(text)} is not an email address: its domain is wrong") from None
    if len(local.encode()) > LONGEST_LOCAL_PART or len(address.encode()) > LONGEST_ADDRESS:
        raise CallerError(f"{_shown(text)} is not an email address: it is too long")
    return address


def mailbox(text: str) -> Mailbox:
    """``ann@example.com``, ``Ann <ann@example.com>`` or ``"Ann B." <…>``; raises CallerError."""
    stripped = text.strip()
    if not stripped.endswith(">"):
        return Mailbox(address_of(stripped))
    name, _, address = stripped[:-1].rpartition("<")
    name = name.strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = _ESCAPED.sub(r"\1", name[1:-1])
    return Mailbox(address_of(address), display_name(name))


def display_name(text: str) -> str:
    """A name fit for a header; CallerError for control characters and for one that is too long."""
    if len(text) > LONGEST_NAME:
        raise CallerError(f"the name {_shown(text)} is longer than {LONGEST_NAME} characters")
    if _CONTROL.search(text):
        raise CallerError(f"the name {_shown(text)} holds a control character")
    return text


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
