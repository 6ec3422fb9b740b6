"""Would a browser make https of our http links? HSTS of the names above a tracking host; pure.

RFC 6797: a name that once sent ``includeSubDomains`` is spoken to over https with everything below
it. The browsers' preload list does the same from the first visit; whoever is on it has to go on
sending the header with ``preload`` (https://hstspreload.org/#submission-requirements), by which it
is known here, as the list itself is not shipped.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from edge.doctor.findings import Code, Finding, Severity, shown
from edge.doctor.networks import is_preloaded

YEAR: Final = 31_536_000
"""Seconds that the preload list asks for at least."""


class Policy(msgspec.Struct, frozen=True):
    """A header's meaning; ``max_age`` in seconds."""

    max_age: int
    subdomains: bool
    preload: bool


class Parent(msgspec.Struct, frozen=True):
    """A name above the host, and the header it sent over https; None for none, or no https."""

    name: str
    header: str | None


def parse(header: str) -> Policy | None:
    """The policy of a Strict-Transport-Security header (RFC 6797 § 6.1); None if it is invalid."""
    directives: dict[str, str] = {}
    for part in header.split(";"):
        name, _, value = part.partition("=")
        key = name.strip().lower()
        if not key:
            continue
        if key in directives:
            return None
        directives[key] = value.strip().strip('"')
    age = directives.get("max-age", "")
    if not (age.isascii() and age.isdecimal()):
        return None
    return Policy(int(age[:12]), "includesubdomains" in directives, "preload" in directives)


def above(host: str, registered: str) -> list[str]:
    """The names above a host, up to its registered domain, nearest first."""
    names = []
    rest = host
    while rest != registered and "." in rest:
        rest = rest.partition(".")[2]
        names.append(rest)
        if len(names) == 5 and rest != registered:
            return [*names[:4], registered]
    return names


def check(host: str, web_scheme: str, parents: Sequence[Parent]) -> list[Finding]:
    """Whether http links of the host are turned into https ones."""
    if web_scheme == "https":
        return []
    if is_preloaded(host):
        top = "." + host.rpartition(".")[2]
        return [_finding("hsts-preloaded", host, f"browsers speak only https to {top} names")]
    for parent in parents:
        policy = parse(parent.header) if parent.header is not None else None
        if policy is None or not policy.subdomains or not policy.max_age:
            continue
        seen = shown(f"https://{parent.name}/ sends Strict-Transport-Security: {parent.header}")
        if policy.preload and policy.max_age >= YEAR:
            return [_finding("hsts-preloaded", parent.name, seen)]
        return [_finding("hsts-parent", parent.name, seen, Severity.WARNING)]
    return []


def _finding(code: Code, about: str, seen: str, severity: Severity = Severity.ERROR) -> Finding:
    who = "Everybody's browser" if code == "hsts-preloaded" else "The browser of who was there"
    return Finding(
        code=code,
        about=about,
        seen=seen,
        expected="https links, or no includeSubDomains above the tracking host",
        mend=f"{who} asks for our http links over https. Get a certificate for the host, then "
        "`edge domain set DOMAIN --web-scheme https`.",
        severity=severity,
    )
