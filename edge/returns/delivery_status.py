"""Delivery status notifications (RFC 3464, RFC 6533), and what is made of them in the wild.

Seen there: groups without the blank line between them, blank lines within a group, address types of
all sorts, statuses with comments, several reports in one, an action that RFC 3464 does not know.
"""

import re
from typing import Final

import msgspec

from edge.returns.judging import Said
from edge.returns.mime import Headers, Part, fields_of
from edge.returns.texts import first_address, normal, trimmed

TYPES: Final = frozenset(
    {"message/delivery-status", "message/global-delivery-status", "text/delivery-status"}
)
MOST_RECIPIENTS: Final = 1_000

_OF_MESSAGE: Final = frozenset(
    {"reporting-mta", "arrival-date", "dsn-gateway", "received-from-mta", "original-envelope-id"}
)
_OF_RECIPIENT: Final = frozenset(
    {"final-recipient", "original-recipient", "action", "status", "x-actual-recipient"}
)
_TYPED = re.compile(r"^\s*[A-Za-z0-9/_-]{1,30}\s*;\s*")
_STATUS = re.compile(r"([245])\s?\.\s?(\d{1,3})\s?\.\s?(\d{1,3})")
_XTEXT = re.compile(r"\+(2B|3D)")


class Status(msgspec.Struct, frozen=True):
    """A whole report: who reports, and what of whom."""

    reporting_mta: str
    groups: tuple[Said, ...]
    envelope_id: str = ""


def read(part: Part) -> Status:
    """The report in a part; without groups where there is none."""
    text = part.decoded[: 256 * 1024].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    blocks = [fields_of(block) for block in re.split(rb"\n[ \t]*\n", text) if block.strip()]
    mta, envelope = "", ""
    groups: list[dict[str, str]] = []
    for block in blocks:
        names = {name for name, _ in block}
        if groups and not names & {"final-recipient", "original-recipient", "x-actual-recipient"}:
            current = groups[-1]  # a blank line within a group
        else:
            current = {}
        for name, value in block:
            if name in _OF_MESSAGE:
                mta = mta or (untyped(value) if name == "reporting-mta" else "")
                envelope = envelope or (value if name == "original-envelope-id" else "")
                continue
            if name == "final-recipient" and name in current:
                current = {}  # the next group, without a blank line
            if name in _OF_RECIPIENT and current not in groups:
                groups.append(current)
            current.setdefault(name, value)
        del groups[MOST_RECIPIENTS:]
    said = [_said(group) for group in groups]
    return Status(mta, tuple(one for one in said if one is not None), envelope)


def untyped(value: str) -> str:
    """A field's value without its type (``rfc822;``, ``dns;``)."""
    return _TYPED.sub("", value).strip()


def _address(value: str) -> str:
    """The address in a recipient field; empty for a program, a file or a bare user."""
    bare = _XTEXT.sub(lambda match: "+" if match[1] == "2B" else "=", untyped(value))
    return first_address(bare)


def _said(group: dict[str, str]) -> Said | None:
    original = _address(group.get("original-recipient", ""))
    final = _address(group.get("final-recipient", ""))
    actual = _address(group.get("x-actual-recipient", ""))
    recipient = original or final or actual
    if not recipient and not (group.keys() & {"status", "action", "diagnostic-code"}):
        return None
    match = _STATUS.search(group.get("status", ""))
    status = normal(".".join(match.groups())) if match else ""
    return Said(
        recipient=trimmed(recipient),
        diagnostic=group.get("diagnostic-code", "")
        or group.get("x-diagnostic-code", "")
        or group.get("x-supplementary-info", ""),
        status=status,
        action=_action(group.get("action", ""), status),
        final=trimmed(final or actual),
        remote=untyped(group.get("remote-mta", "")),
    )


def _action(value: str, status: str) -> str:
    """RFC 3464's action; where it is missing or of no known sort, the status' class says it."""
    word = value.strip().lower()
    for known in ("failed", "delayed", "delivered", "relayed", "expanded"):
        if word.startswith(known):
            return known
    if "delay" in word or "defer" in word:
        return "delayed"
    if "fail" in word or "error" in word or "expire" in word or "hard" in word:
        return "failed"
    return {"2": "delivered"}.get(status[:1], "failed")


def found_in(headers: Headers) -> bool:
    """Whether the header says that this is a report of delivery."""
    value = headers.get("content-type").lower()
    return value.startswith("multipart/report") and "delivery-status" in value
