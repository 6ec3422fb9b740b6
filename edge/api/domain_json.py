"""A domain as Mailgun's API shows it."""

from typing import Any

from edge.api.params import rfc1123
from edge.model.domain import Domain
from edge.sending.dns_records import Record
from edge.store.domain_checks import DomainCheck
from edge.store.domain_settings import DomainSettings


def domain_id(domain: Domain, settings: DomainSettings) -> str:
    """24 hexadecimal digits that never change: the second of its making, and its number."""
    return f"{settings.created_at // 1_000_000 & 0xFFFFFFFF:08x}{domain.number:016x}"


def domain_json(domain: Domain, settings: DomainSettings) -> dict[str, Any]:
    """The domain object."""
    return {
        "id": domain_id(domain, settings),
        "name": domain.name,
        "state": "active",
        "type": "sandbox" if domain.name.endswith(".localhost") else "custom",
        "created_at": rfc1123(settings.created_at),
        "is_disabled": False,
        "disabled": None,
        "smtp_login": f"postmaster@{domain.name}",
        "spam_action": settings.spam_action,
        "wildcard": settings.wildcard,
        "require_tls": settings.require_tls,
        "skip_verification": settings.skip_verification,
        "use_automatic_sender_security": False,
        "web_prefix": domain.web_prefix,
        "web_scheme": domain.web_scheme,
        "https_redirect": domain.https_redirect,
        "tracking_host": domain.tracking_host,
        "encrypt_incoming_message": False,
        "message_ttl": settings.message_ttl,
        "archive_to": settings.archive_to,
    }


def dns_json(records: list[Record], check: DomainCheck | None = None) -> dict[str, Any]:
    """The DNS records to create, and what was there when they were last looked up.

    A record is believed only if it is still the one that was asked for; else it is unknown.
    """
    held = {(one.type, one.name, one.value): one for one in check.states} if check else {}
    shown: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for record in records:
        state = held.get((record.type, record.name, record.value))
        one: dict[str, Any] = {
            "is_active": state is not None and state.valid == "valid",
            "cached": list(state.cached) if state else [],
            "name": record.name,
            "record_type": record.type,
            "valid": state.valid if state else "unknown",
            "value": record.value,
        }
        if record.priority is not None:
            one["priority"] = str(record.priority)
        shown[record.for_receiving].append(one)
    return {"receiving_dns_records": shown[True], "sending_dns_records": shown[False]}


def tracking_json(domain: Domain, settings: DomainSettings) -> dict[str, Any]:
    """The tracking settings. ``click.active`` stays a boolean: Go's client decodes no other."""
    return {
        "open": {"active": domain.open, "place_at_the_top": domain.pixel_at_top},
        "click": {"active": domain.click != "no"},
        "unsubscribe": {
            "active": domain.unsubscribe,
            "html_footer": settings.html_footer,
            "text_footer": settings.text_footer,
        },
        "web_scheme": domain.web_scheme,
    }
