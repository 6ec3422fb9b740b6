"""Where a domain's mail goes: to a smarthost, or straight to the recipient's mail exchangers.

Spelled as a setting: ``mx``, ``smtp://user:pass@host:port`` (STARTTLS if offered, port 587 unless
given) or ``smtps://…`` (TLS from the first byte, port 465: RFC 8314 § 3.3). ``?tls=required``,
``?tls=encrypted``, ``?tls=opportunistic`` or ``?tls=off`` after either says what to insist on.
"""

from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from edge.model.errors import CallerError

SUBMISSION_PORT: Final = 587
SUBMISSIONS_PORT: Final = 465
MX_PORT: Final = 25

SANDBOX: Final = "sandbox"
"""The route that sends nothing: finished messages are kept in the outbox."""


class Tls(StrEnum):
    """How much TLS a route insists on."""

    REQUIRED = (
        "required"  # with a certificate that verifies for the host's name, or nothing is sent
    )
    ENCRYPTED = "encrypted"  # by whoever answers: the certificate is not verified
    OPPORTUNISTIC = "opportunistic"  # if offered, unverified: RFC 7435
    OFF = "off"  # never; for a relay on this machine


class Smarthost(msgspec.Struct, frozen=True):
    """One server that takes mail for everyone. ``implicit``: TLS from the first byte."""

    host: str
    port: int
    tls: Tls
    implicit: bool = False
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        """Without the password: this ends up in logs."""
        scheme = "smtps" if self.implicit else "smtp"
        user = f"{self.user}:***@" if self.user else ""
        return f"{scheme}://{user}{self.host}:{self.port}?tls={self.tls}"


class DirectToMx(msgspec.Struct, frozen=True):
    """The recipient domain's own servers. Only tests use a port other than 25."""

    tls: Tls = Tls.OPPORTUNISTIC
    port: int = MX_PORT


Route = Smarthost | DirectToMx


def with_wishes(route: Route, *, require_tls: bool, skip_verification: bool) -> Route:
    """The route for a domain or message that asks for TLS on the way to the recipient's server.

    A smarthost's own TLS is a matter of its route: what lies behind it is out of our hands.
    """
    if not isinstance(route, DirectToMx) or not require_tls:
        return route
    return DirectToMx(Tls.ENCRYPTED if skip_verification else Tls.REQUIRED, route.port)


def parse_route(text: str) -> Route:
    """The route that a setting spells; CallerError that says what is wrong, without the password.

    A password is only taken where TLS is required or the host is this machine: sent in the clear,
    or to whoever answers, it is not one (RFC 4954 § 4).
    """
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        raise CallerError("a route's port is a number up to 65535") from None
    tls = _tls(parts.query)
    if text.partition("?")[0] == "mx":
        return DirectToMx(tls=tls or Tls.OPPORTUNISTIC)
    if parts.scheme not in ("smtp", "smtps"):
        raise CallerError("a route is `mx`, smtp://user:pass@host:port or smtps://…")
    if not parts.hostname or parts.path not in ("", "/") or parts.fragment or port == 0:
        raise CallerError("a route is smtp://user:pass@host:port, with a host and no path")
    implicit = parts.scheme == "smtps"
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(user) != bool(password):
        raise CallerError("a route has a user and a password, or neither")
    if implicit and tls is Tls.OFF:
        raise CallerError("smtps:// with tls=off contradicts itself")
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if tls is None:
        tls = Tls.REQUIRED if implicit or (user and not local) else Tls.OPPORTUNISTIC
    if user and tls is not Tls.REQUIRED and not local:
        raise CallerError("a route with a password needs tls=required (the default then)")
    default = SUBMISSIONS_PORT if implicit else SUBMISSION_PORT
    return Smarthost(
        host=parts.hostname,
        port=port or default,
        tls=tls,
        implicit=implicit,
        user=user,
        password=password,
    )


def _tls(query: str) -> Tls | None:
    """The ``tls`` option, or None where it is left out."""
    options = parse_qsl(query, keep_blank_values=True)
    if not options:
        return None
    try:
        ((name, value),) = options
        if name == "tls":
            return Tls(value)
    except ValueError:
        pass
    words = ", ".join(Tls)
    raise CallerError(f"the only option of a route is ?tls= and one of {words}")
