"""Domains, their settings and their SMTP logins."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from edge.api import (
    credentials,
    dkim_settings,
    domain_connection,
    domains,
    tracking_settings,
    verification,
)
from edge.api.describing import (
    ANYTHING,
    COUNT,
    DATE,
    LIMIT_AND_SKIP,
    NOTHING,
    SWITCH,
    TEXT,
    Described,
    Operation,
    by_name,
    choice,
    list_of,
    many,
    number,
    said,
    shape,
    switch,
    text,
    word,
)

TITLE: Final = "Domains"

DOMAIN: Final = shape(
    {
        "id": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
        "name": TEXT,
        "state": word("active"),
        "type": word("custom", "sandbox"),
        "created_at": DATE,
        "is_disabled": {"const": False},
        "disabled": NOTHING,
        "smtp_login": TEXT,
        "spam_action": word(*domains.SPAM_ACTIONS),
        "wildcard": SWITCH,
        "require_tls": SWITCH,
        "skip_verification": SWITCH,
        "use_automatic_sender_security": {"const": False},
        "web_prefix": TEXT,
        "web_scheme": word("http", "https"),
        "https_redirect": SWITCH,
        "tracking_host": TEXT,
        "encrypt_incoming_message": {"const": False},
        "message_ttl": COUNT,
        "archive_to": TEXT,
    },
    title="Domain",
)
RECORD: Final = shape(
    {
        "is_active": SWITCH,
        "cached": many(TEXT),
        "name": TEXT,
        "record_type": word("A", "CNAME", "MX", "TXT"),
        "valid": word("valid", "invalid", "unknown"),
        "value": TEXT,
    },
    {"priority": TEXT},
    title="DnsRecord",
)
WITH_RECORDS: Final = {
    "domain": DOMAIN,
    "receiving_dns_records": many(RECORD),
    "sending_dns_records": many(RECORD),
}
WARNING: Final = {"warning": TEXT}
CONNECTION: Final = {"require_tls": SWITCH, "skip_verification": SWITCH}
CONNECTION_TWICE: Final = {**CONNECTION, "connection": shape(CONNECTION)}
OPEN: Final = shape({"active": SWITCH, "place_at_the_top": SWITCH})
CLICK: Final = shape({"active": SWITCH})
UNSUBSCRIBE: Final = shape({"active": SWITCH, "html_footer": TEXT, "text_footer": TEXT})
TRACKING: Final = shape(
    {
        "open": OPEN,
        "click": CLICK,
        "unsubscribe": UNSUBSCRIBE,
        "web_scheme": word("http", "https"),
    },
    title="Tracking",
)
LOGIN: Final = shape(
    {"mailbox": TEXT, "login": TEXT, "size_bytes": NOTHING, "created_at": DATE}, title="Login"
)

_CHANGES: Final = (
    text("web_prefix", "First label of the tracking host; it needs a CNAME of its own."),
    choice("web_scheme", "Scheme of tracked links.", "http", "https"),
    switch("https_redirect", "Whether pages meant for people move from http to https."),
    choice("spam_action", "Kept and shown, without effect here.", *domains.SPAM_ACTIONS),
    switch("wildcard", "Kept and shown, without effect here."),
    switch("require_tls", "Send over TLS only."),
    switch("skip_verification", "Do not check mail servers' certificates."),
    number("message_ttl", "Seconds that a message is tried.", 60, domains.LONGEST_TTL),
    text("archive_to", "Kept and shown, without effect here."),
    text("smtp_password", "Password of the SMTP login postmaster, which is made if missing."),
)

OPERATIONS: Final[Mapping[Callable[..., Any], Described]] = {
    domains.list_domains: Operation(
        summary="The domains that the key may see",
        query=(
            *LIMIT_AND_SKIP,
            choice("sort", "Order by name.", "name", "name:asc", "name:desc"),
            choice("state", "Only domains in this state.", *domains.STATES),
            text("search", "Only names that hold this text.", longest=253),
        ),
        answer=list_of(DOMAIN),
    ),
    domains.create_domain: Operation(
        summary="A new domain",
        text="Needs a key of the account. The answer lists the DNS records to create.",
        form=(text("name", "The domain.", required=True, longest=253), *_CHANGES),
        answer=said("Domain DNS records have been created", WITH_RECORDS, WARNING),
    ),
    domains.get_domain: Operation(
        summary="One domain and its DNS records",
        text="Nothing is looked up: the records show what the last look-up found.",
        answer=shape(WITH_RECORDS),
    ),
    domains.change_domain: Operation(
        summary="Change a domain",
        text="What is not given stays.",
        form=_CHANGES,
        answer=said("Domain has been updated", WITH_RECORDS, WARNING),
    ),
    domains.delete_domain: Operation(
        summary="Remove a domain",
        text="Needs a key of the account. Links of mail that is out go on working.",
        answer=said("Domain will be deleted in the background"),
    ),
    verification.verify_domain: Operation(
        summary="Look a domain's DNS records up",
        text="Answers what is there, and under findings what is wrong and how to mend it.",
        answer=said(
            "Domain DNS records have been updated",
            {
                **WITH_RECORDS,
                "findings": many({"type": "object", "additionalProperties": ANYTHING}),
            },
        ),
    ),
    domain_connection.get_connection: Operation(
        summary="How mail of a domain is sent", answer=shape(CONNECTION_TWICE)
    ),
    domain_connection.change_connection: Operation(
        summary="Change how mail of a domain is sent",
        text="What is not given stays.",
        form=(
            switch("require_tls", "Send over TLS only."),
            switch("skip_verification", "Do not check mail servers' certificates."),
        ),
        answer=said(domain_connection.UPDATED, CONNECTION_TWICE),
    ),
    domain_connection.change_web_prefix: Operation(
        summary="Another first label of the tracking host",
        form=(text("web_prefix", "The label; it needs a CNAME.", required=True, longest=190),),
        answer=said("Domain web prefix updated", maybe=WARNING),
    ),
    dkim_settings.change_authority: Operation(
        summary="Whose DKIM key signs",
        text="Every domain signs for itself here, so nothing is changed.",
        form=(switch("self", "Whether the domain signs for itself."),),
        answer=said(
            dkim_settings.UNCHANGED,
            {"changed": {"const": False}, "sending_dns_records": many(RECORD)},
        ),
    ),
    dkim_settings.change_selector: Operation(
        summary="Another selector of the DKIM key",
        text="The key stays. Publish its DNS record under the new name first: messages are signed "
        "under it at once.",
        form=(
            text(
                "dkim_selector",
                "One or more DNS labels.",
                required=True,
                longest=dkim_settings.LONGEST_SELECTOR,
            ),
        ),
        answer=said(dkim_settings.CHANGED),
    ),
    tracking_settings.get_tracking: Operation(
        summary="The switches of tracking", answer=shape({"tracking": TRACKING})
    ),
    tracking_settings.change_open: Operation(
        summary="Switch the tracking of opens",
        form=(
            switch("active", "Put a pixel into HTML."),
            switch("place_at_the_top", "Put it at the beginning."),
        ),
        answer=said(tracking_settings.UPDATED, {"open": OPEN}),
    ),
    tracking_settings.change_click: Operation(
        summary="Switch the tracking of clicks",
        form=(
            choice(
                "active",
                "Rewrite links; htmlonly leaves those of the text part alone.",
                "yes",
                "no",
                "true",
                "false",
                "htmlonly",
            ),
        ),
        answer=said(tracking_settings.UPDATED, {"click": CLICK}),
    ),
    tracking_settings.change_unsubscribe: Operation(
        summary="Switch unsubscribing",
        form=(
            switch("active", "Put unsubscribe links and headers into messages."),
            text("html_footer", "Footer of the HTML part; empty is none."),
            text("text_footer", "Footer of the text part; empty is none."),
        ),
        answer=said(tracking_settings.UPDATED, {"unsubscribe": UNSUBSCRIBE}),
    ),
    credentials.list_credentials: Operation(
        summary="The SMTP logins of a domain",
        query=(
            number("limit", "Items at most.", 1, 1000, 100),
            number("skip", "Items to pass over.", 0, 1_000_000, 0),
        ),
        answer=list_of(LOGIN),
    ),
    credentials.create_credential: Operation(
        summary="A new SMTP login",
        text="Without a password one is made, and shown this once under credentials.",
        form=(
            text("login", "Local part or whole address.", longest=320),
            text("mailbox", "The same by its other name.", longest=320),
            text("password", "Its password."),
        ),
        answer=said(
            "Created 1 credentials pair(s)",
            maybe={"note": TEXT, "credentials": by_name(TEXT)},
        ),
    ),
    credentials.change_password: Operation(
        summary="A new password for an SMTP login",
        form=(text("password", "The password.", required=True),),
        answer=said("Password changed"),
    ),
    credentials.delete_credential: Operation(
        summary="Remove an SMTP login",
        answer=said("Credentials have been deleted", {"spec": TEXT}),
    ),
    credentials.delete_credentials: Operation(
        summary="Remove every SMTP login of a domain",
        answer=said("All domain credentials have been deleted"),
    ),
}
