"""The one renderer of events to JSON, in Mailgun's event structure.

Field names and their presence follow Mailgun's event structure; ``verdict`` and ``repeat`` are
additive fields of this project.
"""

import json
from typing import Any, Final

from edge.model.event import Event
from edge.model.tokens import encode_base64url


def event_id(raw: bytes) -> str:
    """Mailgun's spelling of an event id: 22 characters of base64url for 16 bytes."""
    return encode_base64url(raw)


OF_SENDING: Final = frozenset(
    {"accepted", "rejected", "delivered", "failed", "stored", "complained"}
)
"""Kinds that tell what became of a message; all others tell what its reader did."""

_LEVELS: Final = {"permanent": "error", "temporary": "warn"}


def render(
    event: Event,
    *,
    tags: list[str],
    user_variables: dict[str, str],
    mailing_list: str = "",
    headers: dict[str, str] | None = None,
    about: dict[str, Any] | None = None,
    has_facts: bool = True,
) -> dict[str, Any]:
    """An event in Mailgun's structure.

    ``timestamp`` is in seconds with microseconds. ``headers`` and ``about`` are the message facts'
    (see :class:`~edge.model.capture.Facts`). ``facts: "missing"`` marks a hit on a message this
    installation has no facts of.
    """
    rendered: dict[str, Any] = {
        "event": event.event,
        "id": event_id(event.id),
        "timestamp": event.at / 1_000_000,
        "log-level": "warn" if event.event in ("rejected", "complained") else "info",
    }
    if event.event != "rejected":
        rendered["recipient"] = event.recipient
        rendered["recipient-domain"] = event.recipient.rpartition("@")[2]
    if event.event in OF_SENDING:
        rendered |= _of_sending(event, headers or {}, about or {})
    else:
        rendered |= _of_reader(event)
    rendered |= {"tags": tags, "campaigns": [], "user-variables": user_variables}
    if mailing_list:
        rendered["mailing-list"] = {
            "address": mailing_list,
            "list-id": mailing_list.replace("@", "."),
        }
    if not has_facts:
        rendered["facts"] = "missing"
    return rendered


def _of_reader(event: Event) -> dict[str, Any]:
    """What opens, clicks and unsubscribes have: who asked from where, and the label."""
    found: dict[str, Any] = {
        "ip": event.ip,
        "geolocation": {
            "country": event.geolocation.country,
            "region": event.geolocation.region,
            "city": event.geolocation.city,
        },
        "client-info": {
            "client-type": event.client.client_type,
            "client-os": event.client.client_os,
            "device-type": event.client.device_type,
            "client-name": event.client.client_name,
            "user-agent": event.user_agent,
            "bot": event.verdict.bot,
        },
        "message": {"headers": {"message-id": event.message_id}},
        "verdict": {"evidence": list(event.verdict.evidence), "rules": event.verdict.rules},
    }
    if event.url:
        found["url"] = event.url
    if event.repeat > 1:
        found["repeat"] = event.repeat
    return found


def _of_sending(event: Event, headers: dict[str, str], about: dict[str, Any]) -> dict[str, Any]:
    """What accepted, delivered, failed and rejected have: the message, and how it went."""
    shown = {name: headers.get(name, "") for name in ("to", "from", "subject")}
    if shown["to"] == "%recipient%":
        shown["to"] = event.recipient
    message: dict[str, Any] = {
        "headers": shown | {"message-id": event.message_id},
        "attachments": about.get("attachments", []),
        "size": about.get("size", 0),
    }
    if event.recipient:
        message["recipients"] = about.get("recipients") or [event.recipient]
    found: dict[str, Any] = {"message": message}
    if event.severity:
        found |= {
            "severity": event.severity,
            "reason": event.reason,
            "log-level": _LEVELS[event.severity],
        }
    detail: dict[str, Any] = json.loads(event.detail) if event.detail else {}
    if "scheduled-for" in detail:
        message["scheduled-for"] = detail.pop("scheduled-for")
    return found | detail


def dumps(value: dict[str, Any]) -> str:
    """Compact JSON, one line, non-ASCII kept."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
