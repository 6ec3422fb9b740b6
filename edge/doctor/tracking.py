"""Does a tracking host lead to us? Checks over what was looked up; pure."""

from collections.abc import Sequence
from ipaddress import ip_address

from edge.doctor.facts import Chain, Outcome, Probe, Status, TrackingFacts
from edge.doctor.findings import Code, Finding, Severity, listed, shown
from edge.doctor.networks import is_cloudflare

CLOUDFLARE_SUFFIX = ".cdn.cloudflare.net"


def reaches(facts: TrackingFacts) -> bool:
    """Whether the host is an alias of a configured edge name, by every resolver that answers."""
    said = _said(facts)
    return bool(said) and all(one.edge(facts.edges) for one in said)


def _said(facts: TrackingFacts) -> list[Chain]:
    return [one for one in facts.chains if one.end is not Status.FAILED]


def check(facts: TrackingFacts) -> list[Finding]:
    """Everything that is wrong with the way to us, most important first."""
    if not facts.edges:
        return [_no_edge_name(facts)]
    found = []
    if not facts.edge_addresses:
        found.append(
            Finding(
                code="edge-name-unresolved",
                about=facts.edges[0],
                seen="it has no address",
                expected="A or AAAA records with this installation's addresses",
                mend=f"Whoever runs this edge: create an A record for {facts.edges[0]}.",
            )
        )
    found += _names(facts)
    found += _wildcard(facts)
    found += port_80(facts.host, facts.probes)
    return found


def _no_edge_name(facts: TrackingFacts) -> Finding:
    return Finding(
        code="edge-name-missing",
        about=facts.host,
        seen="this installation has no public name",
        expected="a name that customers' CNAMEs point at",
        mend="Whoever runs this edge: set EDGE_PUBLIC_HOST to its name and start it again.",
    )


def _record(facts: TrackingFacts) -> str:
    return f"{facts.host}. CNAME {facts.edges[0]}."


def _names(facts: TrackingFacts) -> list[Finding]:
    said = _said(facts)
    good = [one for one in said if one.edge(facts.edges)]
    bad = [one for one in said if not one.edge(facts.edges)]
    if not said:
        return [_unclear(facts, facts.chains[0])] if facts.chains else []
    if good and bad and bad[0].end is Status.BOGUS:
        return [dnssec(bad[0].links[-1], bad[0].why)]  # not every resolver checks; some readers' do
    if good and bad:
        return [
            Finding(
                code="resolvers-disagree",
                about=facts.host,
                seen=f"one resolver sees {_path(good[0])}, another {_path(bad[0])}",
                expected="the same from every resolver",
                mend="If the record was changed a moment ago, wait until its TTL is over. Else ask "
                "your DNS provider why its name servers differ.",
                severity=Severity.WARNING,
            )
        ]
    if good:
        return _good_chain(facts, good[0])
    return _bad_chain(facts, bad[0])


def _path(chain: Chain) -> str:
    return shown(" → ".join(chain.links)) if len(chain.links) > 1 else "no CNAME"


def _good_chain(facts: TrackingFacts, chain: Chain) -> list[Finding]:
    if len(chain.links) <= 2:
        return []
    return [
        Finding(
            code="cname-chain",
            about=facts.host,
            seen=_path(chain),
            expected=_record(facts),
            mend="It works as long as every name in between does. Point the CNAME straight at "
            f"{facts.edges[0]} unless the detour is meant.",
            severity=Severity.NOTE,
        )
    ]


def _unclear(facts: TrackingFacts, chain: Chain) -> Finding:
    last = chain.links[-1]
    return Finding(
        code="dns-failed",
        about=last,
        seen=shown(f"no resolver could answer for {last}: {chain.why}"),
        expected=_record(facts),
        mend=f"See whether the name servers of {last} answer from outside; if other domains fail "
        "too, it is this machine's resolver (EDGE_RESOLVERS).",
    )


def _bad_chain(facts: TrackingFacts, chain: Chain) -> list[Finding]:
    last = chain.links[-1]
    if chain.loop or chain.too_long:
        return [
            Finding(
                code="cname-loop",
                about=facts.host,
                seen=_path(chain),
                expected=_record(facts),
                mend="The aliases lead round in a circle, or on and on. Replace the CNAME of "
                f"{facts.host} by one to {facts.edges[0]}.",
            )
        ]
    if chain.end is Status.BOGUS:
        return [dnssec(last, chain.why)]
    if chain.end is Status.FAILED:
        return [_unclear(facts, chain)]
    if any(map(is_cloudflare, facts.addresses)) or last.endswith(CLOUDFLARE_SUFFIX):
        return [_cloudflare(facts)]
    if facts.addresses and facts.addresses <= facts.edge_addresses:
        return [_copied(facts, chain)]
    if len(chain.links) > 1:
        return [_wrong_target(facts, chain)]
    if facts.is_zone:
        return [_apex(facts)]
    if not facts.addresses:
        return [_missing(facts, chain)]
    return [_elsewhere(facts)]


def dnssec(name: str, why: str) -> Finding:
    """A name that resolvers refuse to answer for because its signatures are broken."""
    return Finding(
        code="dnssec-bogus",
        about=name,
        seen=shown(f"resolvers that check DNSSEC refuse it ({why}); unchecked it has an answer"),
        expected="signatures that fit the DS record at the parent (RFC 4035), or no DS record",
        mend="At your registrar compare the DS record with the zone's key; after a change of DNS "
        "provider remove the old DS record, or sign the zone anew. Until then mail providers and "
        "certificate authorities see nothing of this domain.",
    )


def _cloudflare(facts: TrackingFacts) -> Finding:
    return Finding(
        code="cloudflare-proxy",
        about=facts.host,
        seen=f"it leads to Cloudflare's proxy ({listed(facts.addresses)})",
        expected=f"{_record(facts)} with the proxy off",
        mend="In Cloudflare's DNS panel set the record's proxy status to “DNS only” (the grey "
        "cloud): behind the proxy every reader has Cloudflare's address, and certificates cannot "
        "be had over HTTP-01.",
    )


def _copied(facts: TrackingFacts, chain: Chain) -> Finding:
    how = _path(chain) + ", whose addresses are" if len(chain.links) > 1 else "no CNAME, but"
    mend = f"replace the A and AAAA records by a CNAME to {facts.edges[0]}"
    if facts.is_zone:
        mend = "choose another --web-prefix: a zone's own name can have no CNAME"
    return Finding(
        code="addresses-copied",
        about=facts.host,
        seen=f"{how} the edge's ({listed(facts.addresses)})",
        expected=_record(facts),
        mend="It breaks on the day the edge changes its addresses, and no certificate is ordered: "
        f"{mend}.",
        severity=Severity.WARNING,
    )


def _wrong_target(facts: TrackingFacts, chain: Chain) -> Finding:
    target = chain.links[1]
    mend = f"Change the record to: {_record(facts)}"
    if any(target.startswith(f"{edge}.") for edge in facts.edges):
        mend += " (the target lacks its final dot, so the zone's name was added to it)"
    gone = ", which does not exist" if chain.end is Status.ABSENT else ""
    return Finding(
        code="cname-wrong",
        about=facts.host,
        seen=f"{_path(chain)}{gone}",
        expected=_record(facts),
        mend=mend + ".",
    )


def _apex(facts: TrackingFacts) -> Finding:
    return Finding(
        code="cname-at-apex",
        about=facts.host,
        seen=f"it is the apex of a zone of its own ({listed(facts.addresses)} as addresses)",
        expected=_record(facts),
        mend="A zone's own name cannot be a CNAME (RFC 1034 § 3.6.2). Remove the delegation of "
        f"{facts.host} and create the CNAME in the zone above, or choose another name with "
        "`edge domain set --web-prefix`.",
    )


def _missing(facts: TrackingFacts, chain: Chain) -> Finding:
    gone = chain.end is Status.ABSENT
    return Finding(
        code="cname-missing",
        about=facts.host,
        seen="the name does not exist" if gone else "the name exists, without CNAME or address",
        expected=_record(facts),
        mend=f"Create the record: {_record(facts)}",
    )


def _elsewhere(facts: TrackingFacts) -> Finding:
    four, six = frozenset(facts.v4.values), frozenset(facts.v6.values)
    if four and four <= facts.edge_addresses:
        return Finding(
            code="aaaa-elsewhere",
            about=facts.host,
            seen=f"its IPv6 addresses ({listed(six)}) are not the edge's",
            expected=_record(facts),
            mend="Remove the AAAA records of the host, best together with its A records, and "
            f"create the CNAME: readers and certificate authorities with IPv6 end elsewhere. "
            f"{_record(facts)}",
        )
    return Finding(
        code="addresses-elsewhere",
        about=facts.host,
        seen=f"no CNAME; it leads to {listed(facts.addresses)}",
        expected=_record(facts),
        mend=f"Remove the A and AAAA records of {facts.host} and create: {_record(facts)}",
    )


def _wildcard(facts: TrackingFacts) -> list[Finding]:
    beside = facts.beside
    if beside is None or beside.status is not Status.FOUND:
        return []
    target, own = beside.values[0], [chain.links[1:2] for chain in facts.chains]
    ours = target in facts.edges
    if not ours and (target,) not in own:
        return []
    return [
        Finding(
            code="wildcard",
            about=facts.host,
            seen=f"names that nobody made lead to {shown(target)} too",
            expected=_record(facts),
            mend="Nothing has to be done; a record of the host's own would outlive the wildcard."
            if ours
            else f"A wildcard answers for the host. A record of its own wins: {_record(facts)}",
            severity=Severity.NOTE if ours else Severity.WARNING,
        )
    ]


def port_80(host: str, probes: Sequence[Probe]) -> list[Finding]:
    """What the probes of a host's addresses say."""
    found = []
    well = any(probe.outcome is Outcome.OURS for probe in probes)
    for probe in probes:
        six = ip_address(probe.address).version == 6
        if probe.outcome is Outcome.NO_ROUTE:
            found.append(_untested(host, probe))
        elif probe.outcome is not Outcome.OURS:
            found.append(_not_us(host, probe, "ipv6-not-us" if six and well else "port-80"))
    return found


def _untested(host: str, probe: Probe) -> Finding:
    return Finding(
        code="address-untested",
        about=host,
        seen=f"this machine has no way to {probe.address}",
        expected="our own answer on port 80",
        mend=f"Ask from a machine that has IPv6: curl -6 http://{host}/robots.txt should answer.",
        severity=Severity.NOTE,
    )


def _not_us(host: str, probe: Probe, code: Code) -> Finding:
    seen = {
        Outcome.REDIRECT: "it redirects",
        Outcome.UNREACHABLE: "it cannot be reached",
    }.get(probe.outcome, "something else answers")
    mend = {
        Outcome.REDIRECT: "Whatever stands in front must pass /.well-known/ on unchanged, without "
        "a redirect.",
        Outcome.UNREACHABLE: "Whoever runs this edge: open port 80 in firewall and router and lead "
        "it to EDGE_HTTP_BIND. If it is open from outside, this machine cannot reach its own "
        "public address (no hairpin NAT): let the resolvers it asks answer with the inner one.",
    }.get(
        probe.outcome,
        "Whoever runs this edge: lead port 80 of that address to this edge (another program has "
        "it, or a proxy does not pass the Host header on).",
    )
    return Finding(
        code=code,
        about=host,
        seen=shown(f"{probe.address} port 80: {seen} ({probe.detail or probe.outcome.value})"),
        expected="our own answer to a probe",
        mend=mend,
    )
