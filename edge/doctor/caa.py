"""May our certificate authority issue for a host? CAA records; pure.

RFC 8659: the records of the host itself, or of the nearest name above that has any (aliases are
followed at each name, but the tree is not climbed at an alias's target). RFC 8657 adds which
account and which method. Records that cannot be looked up forbid, as authorities must refuse then
(CA/B Forum Baseline Requirements § 3.2.2.8).
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from edge.doctor.facts import UNCLEAR, Answer, Status
from edge.doctor.findings import Finding, Severity, listed, shown
from edge.doctor.tracking import dnssec
from edge.doctor.wanted import Issuer

METHOD: Final = "http-01"
CRITICAL: Final = 128
KNOWN: Final = frozenset({"issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail"})
"""Properties of IANA's registry that do not stop a certificate for a host even when critical."""

_ISSUER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*")
_PARAMETER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_VALUE = re.compile(r"[\x21-\x3a\x3c-\x7e]*")


class Property(msgspec.Struct, frozen=True):
    """One CAA record; ``tag`` in lower case."""

    flags: int
    tag: str
    value: str


class Permission(msgspec.Struct, frozen=True):
    """What the value of ``issue`` says. ``issuer`` "" lets nobody issue."""

    issuer: str
    parameters: tuple[tuple[str, str], ...]


def climb(host: str) -> Iterator[str]:
    """The names whose records count, nearest first; never the root (RFC 8659 § 3)."""
    while host:
        yield host
        host = host.partition(".")[2]


def properties(values: Sequence[str]) -> list[Property]:
    """The records of an answer."""
    found = []
    for value in values:
        flags, _, rest = value.partition(" ")
        tag, _, text = rest.partition(" ")
        found.append(Property(int(flags) if flags.isdecimal() else 0, tag.lower(), text))
    return found


def permission(value: str) -> Permission | None:
    """The value of ``issue`` (RFC 8659 § 4.2); None if it is malformed, which permits nobody."""
    first, *rest = value.split(";")
    issuer = first.strip(" \t")
    if issuer and not _ISSUER.fullmatch(issuer):
        return None
    parameters = []
    for part in rest:
        name, equals, text = part.strip(" \t").partition("=")
        name, text = name.strip(" \t"), text.strip(" \t")
        if not part.strip(" \t"):
            continue
        if not equals or not _PARAMETER.fullmatch(name) or not _VALUE.fullmatch(text):
            return None
        parameters.append((name.lower(), text))
    return Permission(issuer.lower(), tuple(parameters))


def permits(given: Permission, issuer: Issuer) -> tuple[bool, str]:
    """Whether it lets our authority issue to us over HTTP-01; else why not.

    An account that is not known here is believed to be the one: the answer is yes, with a reason.
    """
    if given.issuer not in issuer.identities:
        return False, f"it lets {given.issuer or 'nobody'} issue"
    accounts = [text for name, text in given.parameters if name == "accounturi"]
    methods = [text for name, text in given.parameters if name == "validationmethods"]
    if len(accounts) > 1 or len(methods) > 1:
        return False, "a parameter stands in it twice, which nothing satisfies (RFC 8657)"
    if methods and METHOD not in methods[0].lower().split(","):
        return False, f"it allows the methods {methods[0]} only, not {METHOD}"
    if accounts and issuer.account is not None and accounts[0] != issuer.account:
        return False, f"it names the account {accounts[0]}, which is not ours"
    if accounts and issuer.account is None:
        return True, f"it names the account {accounts[0]}; whether that is ours is not known here"
    return True, ""


def check(host: str, answers: Sequence[Answer], issuer: Issuer, *, https: bool) -> list[Finding]:
    """What stands against a certificate. ``answers`` are those for :func:`climb`, in its order."""
    severity = Severity.ERROR if https else Severity.WARNING
    for answer in answers:
        if answer.status is Status.BOGUS:
            return [dnssec(answer.name, answer.why)]
        if answer.status in UNCLEAR:
            return [_unanswered(answer, severity)]
        if answer.status is Status.FOUND:
            return _relevant(host, answer, issuer, severity)
    return []


def _unanswered(answer: Answer, severity: Severity) -> Finding:
    return Finding(
        code="caa-unanswered",
        about=answer.name,
        seen=shown(f"the question for its CAA records is not answered: {answer.why}"),
        expected="an answer, if only that there are none",
        mend="An authority may not issue without one. Ask the DNS provider of "
        f"{answer.name} why its name servers fail for records of type CAA.",
        severity=severity,
    )


def _relevant(host: str, answer: Answer, issuer: Issuer, severity: Severity) -> list[Finding]:
    held = properties(answer.values)
    about = answer.owner or answer.name  # of a CNAME's host, the records of the name it leads to
    wanted = f'{about}. CAA 0 issue "{next(iter(issuer.identities), "YOUR AUTHORITY")}"'
    strange = [one.tag for one in held if one.flags & CRITICAL and one.tag not in KNOWN]
    if strange:
        return [
            Finding(
                code="caa-critical",
                about=about,
                seen=f"a critical CAA property that no authority may ignore: {listed(strange)}",
                expected=wanted,
                mend="Remove that record, or its critical flag (128).",
                severity=severity,
            )
        ]
    issue = [one.value for one in held if one.tag == "issue"]
    if not issue:  # issuewild is about wildcard names only (RFC 8659 § 4.3)
        return []
    named = [one.issuer for one in map(permission, issue) if one is not None and one.issuer]
    if named and not issuer.identities:
        return [_unnamed(about, named)]
    reasons = []
    for value in issue:
        given = permission(value)
        good, why = permits(given, issuer) if given else (False, "its value is malformed")
        if good:
            return [_account(about, why, wanted)] if why else []
        reasons.append(f"{value!r}: {why}")
    return [
        Finding(
            code="caa-forbids",
            about=about,
            seen=shown(f"CAA records that count for {host}: " + "; ".join(reasons)),
            expected=wanted,
            mend=f'Add the record {wanted} to them, or remove those with "issue".',
            severity=severity,
        )
    ]


def _unnamed(about: str, named: Sequence[str]) -> Finding:
    return Finding(
        code="caa-unnamed",
        about=about,
        seen=shown(f"CAA records that let only these issue: {listed(named)}"),
        expected="a record that lets the authority of EDGE_ACME_DIRECTORY issue",
        mend="The authority's directory does not say by which name (caaIdentities). Ask it, and "
        "compare; an order that is refused says so, too.",
        severity=Severity.NOTE,
    )


def _account(about: str, why: str, wanted: str) -> Finding:
    return Finding(
        code="caa-account",
        about=about,
        seen=shown(why),
        expected=wanted,
        mend="Compare the account with this installation's; nothing has to be done if it is ours.",
        severity=Severity.NOTE,
    )
