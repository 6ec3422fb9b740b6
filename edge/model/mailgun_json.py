"""The one renderer of events to JSON, in Mailgun's event structure.

Field names and their presence follow Mailgun's event structure; ``verdict`` and ``repeat`` are
additive fields of this project.
"""

import json
from typing import Any

from edge.model.event import Event
from edge.model.tokens import encode_base64url


def event_id(raw: bytes) -> str:
    """Mailgun's spelling of an event id: 22 characters of base64url for 16 bytes."""
    return encode_base64url(raw)


def render(
    event: Event,
    *,
    tags: list[str],
    user_variables: dict[str, str],
    mailing_list: str = "",
    has_facts: bool = True,
) -> dict[str, Any]:
    """An event in Mailgun's structure.

    ``timestamp`` is in seconds with microseconds. ``facts: "missing"`` marks a hit on a message
    this installation has no facts of.
    """
    recipient_domain = event.recipient.rpartition("@")[2]
    client: dict[str, Any] = {
        "client-type": event.client.client_type,
        "client-os": event.client.client_os,
        "device-type": event.client.device_type,
        "client-name": event.client.client_name,
        "user-agent": event.user_agent,
        "bot": event.verdict.bot,
    }
    rendered: dict[str, Any] = {
        "event": event.event,
        "id": event_id(event.id),
        "timestamp": event.at / 1_000_000,
        "log-level": "info",
        "recipient": event.recipient,
        "recipient-domain": recipient_domain,
        "ip": event.ip,
        "geolocation": {
            "country": event.geolocation.country,
            "region": event.geolocation.region,
            "city": event.geolocation.city,
        },
        "client-info": client,
        "tags": tags,
        "campaigns": [],
        "user-variables": user_variables,
        "message": {"headers": {"message-id": event.message_id}},
    }
    if event.url:
        rendered["url"] = event.url
    if mailing_list:
        rendered["mailing-list"] = {
            "address": mailing_list,
            "list-id": mailing_list.replace("@", "."),
        }
    if not has_facts:
        rendered["facts"] = "missing"
    if event.repeat > 1:
        rendered["repeat"] = event.repeat
    rendered["verdict"] = {"evidence": list(event.verdict.evidence), "rules": event.verdict.rules}
    return rendered


def dumps(value: dict[str, Any]) -> str:
    """Compact JSON, one line, non-ASCII kept."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
