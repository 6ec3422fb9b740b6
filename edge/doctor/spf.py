"""Does SPF let this installation send, and does the policy work at all? RFC 7208; pure.

The whole tree of includes and redirects is counted, as a receiver does for a sender that matches
nothing before the end. Macros cannot be followed without a message; they count as one look-up.
"""

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

import msgspec

from edge.doctor.facts import UNCLEAR, Answer, Status
from edge.doctor.findings import Code, Finding, Severity, listed, shown

MOST_LOOKUPS: Final = 10
"""Of include, a, mx, ptr, exists and redirect together (RFC 7208 § 4.6.4)."""

STOP: Final = 50
"""Look-ups after which counting ends: it is broken whatever follows."""

_COSTLY: Final = frozenset({"include", "a", "mx", "ptr", "exists"})
_MECHANISMS: Final = _COSTLY | {"all", "ip4", "ip6"}
_TERM = re.compile(r"(?P<sign>[+?~-]?)(?P<name>[A-Za-z0-9]+)(?P<rest>[:/].*)?")
_MODIFIER = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9._-]*)=(?P<value>.*)")


class Mechanism(msgspec.Struct, frozen=True):
    """One mechanism; ``target`` is empty where it means the domain itself."""

    sign: str
    name: str
    target: str


class Policy(msgspec.Struct, frozen=True):
    """A parsed record. ``faults`` are terms that make every receiver give up (permerror)."""

    mechanisms: tuple[Mechanism, ...]
    redirect: str
    faults: tuple[str, ...]


class Count(msgspec.Struct):
    """What walking through a policy gave."""

    lookups: int = 0
    ours: bool = False
    faults: list[str] = msgspec.field(default_factory=list)
    networks: list[IPv4Network | IPv6Network] = msgspec.field(default_factory=list)


class Ours(msgspec.Struct, frozen=True):
    """What lets us send: ``a:`` one of ``names``, ``mx`` at one of ``exchanged``, or networks that
    hold all ``addresses``.
    """

    names: frozenset[str]
    addresses: frozenset[str]
    exchanged: frozenset[str] = frozenset()


def policies(values: Sequence[str]) -> list[str]:
    """Those TXT records that are SPF policies (RFC 7208 § 4.5)."""
    return [one for one in values if re.match(r"v=spf1(?: |$)", one, re.IGNORECASE)]


def parse(record: str) -> Policy:
    """A record's terms; what cannot be read is in ``faults``."""
    mechanisms, faults, redirects = [], [], []
    for term in record.split(" ")[1:]:
        if not term:
            continue
        if (modifier := _MODIFIER.fullmatch(term)) is not None:
            if modifier["name"].lower() == "redirect":
                redirects.append(modifier["value"].rstrip(".").lower())
            continue
        match = _TERM.fullmatch(term)
        name = match["name"].lower() if match else ""
        if match is None or name not in _MECHANISMS:
            faults.append(term)
            continue
        rest = match["rest"] or ""
        target = rest[1:] if rest.startswith(":") else ""
        if name in {"a", "mx"}:
            target = target.partition("/")[0]
        if name in {"include", "exists", "ip4", "ip6"} and not target:
            faults.append(term)
        mechanisms.append(Mechanism(match["sign"] or "+", name, target.rstrip(".").lower()))
    if len(redirects) > 1:
        faults.append("redirect= twice")
    redirect = redirects[0] if redirects and not any(m.name == "all" for m in mechanisms) else ""
    return Policy(tuple(mechanisms), redirect, tuple(faults))


def next_names(fetched: Mapping[str, Answer]) -> set[str]:
    """The domains whose policies have to be looked up next."""
    wanted: set[str] = set()
    for answer in fetched.values():
        found = policies(answer.values)
        if len(found) == 1:
            policy = parse(found[0])
            wanted |= {one.target for one in policy.mechanisms if one.name == "include"}
            wanted.add(policy.redirect)
    return {name for name in wanted - fetched.keys() if name and "%" not in name}


def walk(name: str, fetched: Mapping[str, Answer], ours: Ours) -> Count:
    """Count look-ups through the tree, and see whether we may send."""
    count = Count()
    _walk(name, fetched, ours, count, (), permits=True)
    if ours.addresses and all(_covered(one, count) for one in ours.addresses):
        count.ours = True
    return count


def _covered(address: str, count: Count) -> bool:
    parsed = ip_address(address)
    return any(parsed in network for network in count.networks)


def _walk(
    name: str,
    fetched: Mapping[str, Answer],
    ours: Ours,
    count: Count,
    above: tuple[str, ...],
    *,
    permits: bool,
) -> None:
    if name in above:
        count.faults.append(f"{name} includes itself")
        return
    answer = fetched.get(name)
    if answer is None or answer.status in UNCLEAR:
        return  # a temporary error; said elsewhere for the domain itself
    found = policies(answer.values)
    if len(found) != 1:
        if above:
            count.faults.append(f"{name} has {len(found)} SPF records")
        return
    policy = parse(found[0])
    count.faults += [f"{name}: {shown(term)}" for term in policy.faults]
    for one in policy.mechanisms:
        if one.name == "all" or count.lookups > STOP:
            break
        count.lookups += one.name in _COSTLY
        good = permits and one.sign == "+"
        if one.name == "include":
            _walk(one.target, fetched, ours, count, (*above, name), permits=good)
        elif good:
            _permit(name, one, ours, count)
    if policy.redirect and count.lookups <= STOP:
        count.lookups += 1
        _walk(policy.redirect, fetched, ours, count, (*above, name), permits=permits)


def _permit(name: str, one: Mechanism, ours: Ours, count: Count) -> None:
    target = one.target or name
    if target in {"a": ours.names, "mx": ours.exchanged}.get(one.name, frozenset()):
        count.ours = True
    if one.name in {"ip4", "ip6"}:
        try:
            count.networks.append(ip_network(one.target, strict=False))
        except ValueError:
            count.faults.append(f"{name}: {shown(one.target)} is no network")


def check(name: str, fetched: Mapping[str, Answer], ours: Ours, wanted: str) -> list[Finding]:
    """What is wrong with the policy of a domain. ``wanted`` is the record that was asked for."""
    answer = fetched[name]
    record = f'{name}. TXT "{wanted}"'
    found = policies(answer.values) if answer.status is Status.FOUND else []
    if not found:
        mend = f"Create the record {record}. Where mail leaves over a smarthost, name that one."
        return [_finding(name, "spf-missing", "no SPF record", record, mend, Severity.WARNING)]
    if len(found) > 1:
        seen = f"{len(found)} SPF records: {listed(found)}"
        mend = "Join them into one: with several, receivers treat SPF as broken (RFC 7208 § 4.5)."
        return [_finding(name, "spf-several", seen, record, mend)]
    count = walk(name, fetched, ours)
    findings = []
    if count.faults:
        mend = "Correct the term: receivers treat SPF as broken because of it (RFC 7208 § 4.6)."
        seen = f"{shown(found[0])}: {listed(count.faults)}"
        findings.append(_finding(name, "spf-broken", seen, record, mend))
    if count.lookups > MOST_LOOKUPS:
        seen = f"{count.lookups} DNS look-ups in {shown(found[0])}"
        mend = "Remove includes that are not needed, or put networks (ip4:, ip6:) in their place."
        expected = f"at most {MOST_LOOKUPS} (RFC 7208 § 4.6.4)"
        findings.append(_finding(name, "spf-lookups", seen, expected, mend))
    if not count.ours:
        term = " ".join(one for one in wanted.split(" ")[1:] if not one.endswith("all"))
        mend = f"Add {term} to the record, before its “all”. Where mail leaves over a smarthost, "
        mend += "that one's include is enough."
        seen = shown(found[0])
        findings.append(_finding(name, "spf-not-ours", seen, term, mend, Severity.WARNING))
    return findings


def _finding(
    name: str, code: Code, seen: str, expected: str, mend: str, severity: Severity = Severity.ERROR
) -> Finding:
    return Finding(
        code=code, about=name, seen=seen, expected=expected, mend=mend, severity=severity
    )
