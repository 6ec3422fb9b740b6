"""Webhooks' vocabulary: types, which event is of which, endpoints' URLs, what became of a delivery.

A URL may hold a user and a password, which anymail and others recommend. They go out as HTTP Basic
and are a secret, so they are kept apart from the rest of the URL, sealed.
"""

import re
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

import idna
import msgspec

from edge.model.errors import CallerError, OperatorError
from edge.model.event import Event
from edge.model.vault import Vault

TYPES: Final = (
    "accepted",
    "delivered",
    "opened",
    "clicked",
    "unsubscribed",
    "complained",
    "permanent_fail",
    "temporary_fail",
)
"""Mailgun's webhook types. Other kinds of events (rejected, stored) have none."""

RETRIED: Final = tuple(name for name in TYPES if name != "delivered")
"""Types that are tried again unless an endpoint says otherwise: the seed leaves out delivered."""

MOST_URLS: Final = 3
"""URLs of one type in one domain, as at Mailgun."""

LONGEST_URL: Final = 2_048
"""Bytes."""

KEY_LENGTHS: Final = (8, 256)
"""Characters that a signing key brought from elsewhere may have."""

_SEALED_FOR: Final = "webhook userinfo"
_FORBIDDEN = re.compile('[\x00-\x20\x7f-\xa0\\\\"<>^`{|}\ud800-\udfff]')
_HOST = re.compile(r"[a-z0-9._-]{1,253}")
_KEY = re.compile(r"[\x21-\x7e]+")


class Outcome(StrEnum):
    """How a delivery ended."""

    TAKEN = "taken"
    """Answered with 200."""

    REJECTED = "rejected"
    """Answered with 406: never again."""

    FAILED = "failed"
    """The last attempt failed."""

    EXPIRED = "expired"
    """It could not be tried in time: its endpoint was paused, or broken for hours."""

    REMOVED = "removed"
    """Its webhook was removed before it was taken."""

    GONE = "gone"
    """Its event was no longer stored."""


class Address(msgspec.Struct, frozen=True):
    """A URL as it is kept: without user and password, which are sealed beside it."""

    url: str
    userinfo: bytes | None = None


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One URL of an account and how it fares; times in µs.

    ``retried`` are the types that are tried again, None for :data:`RETRIED`. ``broken_until`` is
    set while its breaker is open. ``full``: too much waits for it, nothing more is queued.
    """

    id: int
    account: int
    address: Address
    retried: tuple[str, ...] | None = None
    paused_at: int | None = None
    broken_until: int | None = None
    full: bool = False

    def retries(self, kind: str) -> bool:
        """Whether a delivery of this type is tried again."""
        return kind in (RETRIED if self.retried is None else self.retried)


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint and the types it is called for, in one domain or (``domain`` None) in all."""

    number: int
    account: int
    domain: int | None
    endpoint: Endpoint
    types: tuple[str, ...]
    key: str = ""
    """``wh_`` and 32 hexadecimal digits; only those of the account have one."""

    description: str = ""
    created_at: int = 0


def type_of(event: Event) -> str | None:
    """The webhook type of an event; None for a kind that has none."""
    return type_named(event.event, event.severity)


def type_named(event: str, severity: str) -> str | None:
    """As :func:`type_of`: failures are told apart by their severity."""
    name = f"{severity}_fail" if event == "failed" else event
    return name if name in TYPES else None


def checked_types(names: list[str]) -> tuple[str, ...]:
    """Types in their own order, each once; CallerError names one that is none."""
    wanted = {name.strip().lower() for name in names}
    if unknown := sorted(wanted - set(TYPES)):
        raise CallerError(f"{unknown[0]!r} is not a webhook type; there are: {', '.join(TYPES)}")
    return tuple(name for name in TYPES if name in wanted)


def checked_url(text: str) -> str:
    """A URL as it is kept and called: http or https, any port, nothing in it that needs quoting.

    Raises CallerError in Mailgun's words (``… is not a valid url: …``). Whether its host exists is
    not asked: it may come to exist, and what it resolves to is judged whenever it is called.
    """
    url = text.strip()
    shown = repr(url if len(url) <= 100 else url[:100] + "…")[1:-1]
    try:
        if found := _FORBIDDEN.search(url):
            raise ValueError(f"{found[0]!r} has to be percent-encoded")
        if len(url.encode()) > LONGEST_URL:
            raise ValueError(f"longer than {LONGEST_URL} bytes")
        parts = urlsplit(url)
        if parts.scheme.lower() not in {"http", "https"}:
            raise ValueError("invalid URL scheme")
        if not parts.hostname:
            raise ValueError("it has no host")
        host = _host(parts.hostname)
        port = parts.port  # ValueError where it is none
        if port == 0:
            raise ValueError("port 0 is no port")
        netloc = host if port is None else f"{host}:{port}"
        if parts.username is not None:
            netloc = f"{parts.netloc.rpartition('@')[0]}@{netloc}"
    except ValueError as error:
        raise CallerError(f"{shown} is not a valid url: {error}") from None
    return parts._replace(scheme=parts.scheme.lower(), netloc=netloc, fragment="").geturl()


def _host(text: str) -> str:
    if ":" in text:
        return f"[{text}]"
    host = text.lower()
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise ValueError(str(error)) from None
    if not _HOST.fullmatch(host):
        raise ValueError("its host is no host name")
    return host


def sealed(vault: Vault, url: str) -> Address:
    """A checked URL as it is kept."""
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return Address(url)
    kept = parts._replace(netloc=host).geturl()
    return Address(kept, vault.seal(_SEALED_FOR, userinfo.encode()))


def full_url(vault: Vault, address: Address) -> str:
    """The URL as it was given; raises OperatorError for a wrong master key."""
    if address.userinfo is None:
        return address.url
    parts = urlsplit(address.url)
    userinfo = vault.open(_SEALED_FOR, address.userinfo).decode()
    return parts._replace(netloc=f"{userinfo}@{parts.netloc}").geturl()


def shown_url(address: Address) -> str:
    """The URL for people and logs: that there is a password, but not which."""
    if address.userinfo is None:
        return address.url
    parts = urlsplit(address.url)
    return parts._replace(netloc=f"***@{parts.netloc}").geturl()


class SigningKey(msgspec.Struct, frozen=True):
    """What an account's webhooks are signed with; ``previous`` until its time (µs) is over."""

    current: str
    previous: str | None = None
    previous_until: int = 0

    def at(self, now_us: int) -> "SigningKey":
        """As it stands at a time."""
        return self if now_us < self.previous_until else SigningKey(self.current)


def checked_key(text: str) -> str:
    """A signing key that was brought along; raises CallerError."""
    low, high = KEY_LENGTHS
    if not low <= len(text) <= high or not _KEY.fullmatch(text):
        raise CallerError(
            f"http_signing_key has to be {low} to {high} printable ASCII characters without spaces"
        )
    return text


def seal_key(vault: Vault, account: int, key: str) -> bytes:
    """A signing key at rest."""
    return vault.seal(f"webhook signing key:{account}", key.encode())


def open_key(vault: Vault, account: int, raw: bytes) -> str:
    """A signing key from rest; raises OperatorError for a wrong master key."""
    try:
        return vault.open(f"webhook signing key:{account}", raw).decode()
    except UnicodeDecodeError:
        raise OperatorError("a signing key is damaged") from None
