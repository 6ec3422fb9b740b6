"""The event: the immutable fact about one recipient and one message, labelled and stored.

One type from the drain on. :mod:`edge.model.mailgun_json` is its only way to JSON.
"""

from typing import Final

import msgspec

from edge.model.tokens import Level


class ClientInfo(msgspec.Struct, frozen=True):
    """Who asked, in Mailgun's vocabulary; every field is ``unknown`` where it is not known."""

    client_type: str = "unknown"
    client_os: str = "unknown"
    device_type: str = "unknown"
    client_name: str = "unknown"


class Geolocation(msgspec.Struct, frozen=True):
    """Where from: country as ISO 3166 alpha-2; ``Unknown`` where it is not known."""

    country: str = "Unknown"
    region: str = "Unknown"
    city: str = "Unknown"


class Verdict(msgspec.Struct, frozen=True):
    """The bot label (``""``, ``apple``, ``gmail``, ``generic``) and the codes that led to it."""

    bot: str = ""
    evidence: tuple[str, ...] = ()
    rules: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What happened. ``at`` is in microseconds since the epoch, ``id`` has 16 bytes.

    ``repeat`` is how many equal requests the event stands for. Tags, user variables and list are
    not here: they belong to the message, and the store joins them from its facts. ``severity``,
    ``reason`` and ``detail`` are those of sending: how and why it failed, and a JSON object with
    the further fields of Mailgun's structure (envelope, flags, delivery-status, storage). A reason
    without a severity only says under what the event is counted.
    """

    id: bytes
    event: str
    at: int
    domain: int
    recipient: str
    message_id: str
    method: str = ""
    repeat: int = 1
    url: str = ""
    position: int | None = None
    ip: str = ""
    user_agent: str = ""
    client: ClientInfo = ClientInfo()
    geolocation: Geolocation = Geolocation()
    network: str = ""
    verdict: Verdict = Verdict()
    severity: str = ""
    reason: str = ""
    detail: bytes = b""


COUNTED_ONCE: Final = frozenset({"opened", "clicked", "unsubscribed"})
"""Kinds that a person may cause again and again, and so the only ones with unique figures."""


class SuppressionChange(msgspec.Struct, frozen=True, kw_only=True):
    """A bounce or complaint that blocks an address, or (not ``active``) no longer; ``at`` in µs.

    ``code`` and ``error`` are the server's words.
    """

    domain: int
    recipient: str
    kind: str
    at: int
    active: bool
    code: str = ""
    error: str = ""
    event_id: bytes = b""
    message_id: str = ""


class UnsubscribeChange(msgspec.Struct, frozen=True, kw_only=True):
    """One suppression set (``active``) or undone by the recipient, at ``at`` (µs)."""

    domain: int
    recipient: str
    level: Level
    names: tuple[str, ...]
    at: int
    active: bool
    event_id: bytes
    message_id: str
