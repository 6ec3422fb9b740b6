"""Domains and their switches; host names and how they are written."""

import re
from enum import StrEnum
from typing import Final

import idna
import msgspec

from edge.model.errors import CallerError


class Plan(StrEnum):
    """How long events are kept: 30 days or 2, as at Mailgun."""

    PAID = "paid"
    FREE = "free"


RETENTION_DAYS: Final = {Plan.PAID: 30, Plan.FREE: 2}

DEFAULT_WEB_PREFIX: Final = "email"


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """A sending domain as every part of the system sees it.

    ``number`` is its permanent number inside tokens. The switches govern what is put into
    messages; an authentic token is recorded whatever they say. ``click`` is ``yes``, ``no`` or
    ``htmlonly``. ``https_redirect``: pages for people move to https where that is sure to work.
    ``removed`` domains keep serving the links already sent.
    """

    number: int
    name: str
    web_prefix: str = DEFAULT_WEB_PREFIX
    web_scheme: str = "http"
    open: bool = False
    click: str = "no"
    unsubscribe: bool = False
    pixel_at_top: bool = False
    unsubscribe_on_get: bool = False
    https_redirect: bool = True
    retention_days: int = 30
    removed: bool = False

    @property
    def tracking_host(self) -> str:
        """The host name in this domain's tracking URLs; its CNAME points at the edge."""
        return f"{self.web_prefix}.{self.name}"


class Footers(msgspec.Struct, frozen=True):
    """What is put under a domain's messages where they can be unsubscribed from; may be empty."""

    html: str
    text: str


DEFAULT_FOOTERS: Final = Footers(
    html='\n<br>\n<p><a href="%unsubscribe_url%">unsubscribe</a></p>\n',
    text="\n\nTo unsubscribe click: <%unsubscribe_url%>\n\n",
)
"""Those that a new domain has at Mailgun; the database has them as its defaults."""

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


def host_name(text: str) -> str:
    """A host name in lower-case ASCII without the final dot; CallerError says what is wrong.

    Internationalised names are converted to their A-labels (RFC 5891).
    """
    host = text.strip().lower().removesuffix(".")
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise CallerError(f"{text!r} is not a domain name: {error}") from None
    if len(host) > 253:
        raise CallerError(f"{text!r} is not a domain name: longer than 253 octets")
    labels = host.split(".")
    if len(labels) < 2:
        raise CallerError(f"{text!r} is not a domain name: it needs at least two labels (a.b)")
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise CallerError(f"{text!r} is not a domain name: label {label!r} is not allowed")
    return host


def tracking_url(domain: Domain, token: str, kind: str, http_port: int, https_port: int) -> str:
    """The public URL of a token on its domain's tracking host; ``kind`` is its path."""
    port = https_port if domain.web_scheme == "https" else http_port
    return public_url(domain.web_scheme, domain.tracking_host, port, f"/{kind}/{token}")


def public_url(scheme: str, host: str, port: int, path: str) -> str:
    """An absolute URL; the scheme's own port is left out."""
    default = 443 if scheme == "https" else 80
    return f"{scheme}://{host}{'' if port == default else f':{port}'}{path}"
