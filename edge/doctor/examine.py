"""Everything about one domain: looks all of it up, and asks the checks what it means."""

import asyncio
import ssl
from collections.abc import Awaitable, Sequence
from ipaddress import ip_address
from typing import Final

from certs.names import registered_domain
from edge.doctor import caa, dkim_record, exchangers, fetch, hsts, probing, spf, tracking
from edge.doctor.facts import UNCLEAR, Answer, Probe, Status, TrackingFacts
from edge.doctor.findings import Finding, Severity, Validity, is_wrong, shown
from edge.doctor.look import Looker, Server
from edge.doctor.networks import is_cloudflare
from edge.doctor.wanted import RecordState, Report, Wanted, WantedRecord
from edge.model.errors import PeerError

PART_SECONDS: Final = 20.0
"""For one part of an examination; they run beside each other."""

AT_ONCE: Final = 4
"""Examinations at a time; more wait, so that nobody makes this machine flood resolvers."""

MOST_WAITING: Final = 32
"""Examinations that run or wait; more are refused."""

MOST_PROBES: Final = 4
MOST_CACHED: Final = 10
LONGEST_RECORD: Final = 4096
"""Characters and number of values that a report keeps of what was there."""

MOST_POLICIES: Final = 20
"""SPF policies that are fetched: more than can ever be right."""


class Busy(PeerError):
    """Too many examinations run and wait; a minute later there is room."""


class Doctor:
    """Examines domains.

    ``secret`` is :func:`edge.model.probe.probe_secret`'s, ``http_port`` and ``https_port`` are
    those of the outside. ``private`` allows https requests to addresses that are not public, and
    ``ca_file`` other authorities than the system's: both are for installations without the world.
    """

    def __init__(
        self,
        looker: Looker,
        secret: bytes,
        *,
        http_port: int = 80,
        https_port: int = 443,
        private: bool = False,
        ca_file: str | None = None,
        part_seconds: float = PART_SECONDS,
    ) -> None:
        self.looker = looker
        self._secret = secret
        self._http_port = http_port
        self._https_port = https_port
        self._private = private
        self._ca_file = ca_file
        self._part_seconds = part_seconds
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def examine(self, wanted: Wanted) -> Report:
        """The report on a domain; takes a few seconds, and never raises for what it finds.

        Busy when too many wait already.
        """
        if wanted.domain.endswith(".localhost"):
            return _local(wanted)
        if self._waiting >= MOST_WAITING:
            raise Busy("too many domains are being looked up; try again in a minute")
        self._waiting += 1
        try:
            async with self._turns:
                parts = await asyncio.gather(
                    self._within(self._tracking(wanted), "the tracking host"),
                    self._within(self._authority(wanted), "CAA"),
                    self._within(self._hsts(wanted), "HSTS"),
                    self._within(self._mail(wanted), "the mail records"),
                )
        finally:
            self._waiting -= 1
        findings = {one: None for found, _ in parts for one in found}
        states = {(one.type, one.name, one.value): one for _, held in parts for one in held}
        return Report(
            domain=wanted.domain,
            findings=tuple(sorted(findings, key=lambda one: list(Severity).index(one.severity))),
            states=tuple(
                states.get((one.type, one.name, one.value), _unknown(one)) for one in wanted.records
            ),
        )

    async def _within(
        self, part: Awaitable[tuple[list[Finding], list[RecordState]]], what: str
    ) -> tuple[list[Finding], list[RecordState]]:
        try:
            async with asyncio.timeout(self._part_seconds):
                return await part
        except TimeoutError:
            return [_not_finished(what, self._part_seconds)], []

    async def tracking_facts(self, host: str, edges: Sequence[str]) -> TrackingFacts:
        """What there is to know about a tracking host, probes included."""
        look = self.looker
        servers: list[Server | None] = [*look.servers[:2]] or [None]
        chains, v4, v6, is_zone, beside, own = await asyncio.gather(
            asyncio.gather(*(look.chain(host, until=edges, server=one) for one in servers)),
            look.ask(host, "A"),
            look.ask(host, "AAAA"),
            look.is_zone(host),
            look.ask(f"edge-{probing.nonce()[:12].lower()}.{host.partition('.')[2]}", "CNAME"),
            asyncio.gather(*(look.addresses(edge) for edge in edges)),
        )
        own_addresses = frozenset(address for each in own for address in each)
        facts = TrackingFacts(
            host=host,
            edges=tuple(edges),
            edge_addresses=own_addresses,
            chains=tuple(chains),
            v4=v4,
            v6=v6,
            is_zone=is_zone,
            beside=beside,
        )
        return _with(facts, await self._probes(facts))

    async def _probes(self, facts: TrackingFacts) -> tuple[Probe, ...]:
        """Only the edge's own addresses and Cloudflare's are asked."""
        allowed = [
            one
            for one in sorted(facts.addresses, key=lambda one: (":" in one, one))
            if one in facts.edge_addresses or is_cloudflare(one)
        ]
        return tuple(
            await asyncio.gather(
                *(
                    probing.probe(self._secret, facts.host, one, self._http_port)
                    for one in allowed[:MOST_PROBES]
                )
            )
        )

    async def _tracking(self, wanted: Wanted) -> tuple[list[Finding], list[RecordState]]:
        facts = await self.tracking_facts(wanted.tracking_host, wanted.edges)
        record = next((one for one in wanted.records if one.type == "CNAME"), None)
        states = []
        if record is not None:
            cached = tuple(dict.fromkeys(link for one in facts.chains for link in one.links[1:2]))
            clear = any(one.end not in UNCLEAR for one in facts.chains)
            if tracking.reaches(facts):
                valid = Validity.VALID
            else:
                valid = Validity.INVALID if facts.edges and clear else Validity.UNKNOWN
            states.append(_state(record, valid, cached))
        return tracking.check(facts), states

    async def _authority(self, wanted: Wanted) -> tuple[list[Finding], list[RecordState]]:
        names = list(caa.climb(wanted.tracking_host))
        answers = await asyncio.gather(*(self.looker.ask(name, "CAA") for name in names))
        https = wanted.web_scheme == "https"
        return caa.check(wanted.tracking_host, answers, wanted.issuer, https=https), []

    async def _hsts(self, wanted: Wanted) -> tuple[list[Finding], list[RecordState]]:
        host = wanted.tracking_host
        if wanted.web_scheme == "https":
            return [], []
        names = hsts.above(host, registered_domain(host))
        parents = await asyncio.gather(*(self._parent(name) for name in names))
        return hsts.check(host, wanted.web_scheme, parents), []

    async def _parent(self, name: str) -> hsts.Parent:
        """The header of a name over https with a valid certificate: browsers heed no other."""
        found = await self.looker.addresses(name)
        public = [one for one in found if self._private or ip_address(one).is_global]
        if not public:
            return hsts.Parent(name, None)
        context = await asyncio.to_thread(ssl.create_default_context, cafile=self._ca_file)
        try:
            response = await fetch.get(
                *(public[0], self._https_port, name, "/"),
                timeout=probing.SECONDS,
                context=context,
            )
        except (OSError, ValueError):  # ssl's errors are OSErrors
            return hsts.Parent(name, None)
        return hsts.Parent(name, response.headers.get("strict-transport-security"))

    async def _mail(self, wanted: Wanted) -> tuple[list[Finding], list[RecordState]]:
        """DKIM, SPF and MX. The last two name an edge: without one there is nothing to compare."""
        asked = [
            one
            for one in wanted.records
            if one.type != "CNAME" and (wanted.edges or (one.type == "TXT" and not one.is_spf))
        ]
        answers = await asyncio.gather(*(self.looker.ask(one.name, one.type) for one in asked))
        policies = [answer for one, answer in zip(asked, answers, strict=True) if one.is_spf]
        fetched = await self._policies(policies)
        ours = await self._ours(wanted, answers)
        findings: list[Finding] = []
        states = []
        for record, answer in zip(asked, answers, strict=True):
            if answer.status in UNCLEAR:
                findings.append(_unclear(answer))
                states.append(_state(record, Validity.UNKNOWN, ()))
                continue
            found = _checked(record, answer, fetched, ours, wanted)
            findings += found
            valid = Validity.INVALID if is_wrong(found) else Validity.VALID
            shown_values = spf.policies(answer.values) if record.is_spf else answer.values
            states.append(_state(record, valid, tuple(shown_values)))
        return findings, states

    async def _ours(self, wanted: Wanted, answers: Sequence[Answer]) -> spf.Ours:
        found = await asyncio.gather(*(self.looker.addresses(edge) for edge in wanted.edges))
        return spf.Ours(
            names=frozenset(wanted.edges),
            addresses=frozenset(address for each in found for address in each),
            exchanged=frozenset(
                one.name
                for one in answers
                if one.kind == "MX" and exchangers.leads_to(one, wanted.edges)
            ),
        )

    async def _policies(self, first: Sequence[Answer]) -> dict[str, Answer]:
        """The tree of SPF policies, level by level."""
        fetched = {answer.name: answer for answer in first}
        while names := sorted(spf.next_names(fetched))[: MOST_POLICIES - len(fetched)]:
            found = await asyncio.gather(*(self.looker.ask(name, "TXT") for name in names))
            fetched |= dict(zip(names, found, strict=True))
        return fetched


def _checked(
    record: WantedRecord,
    answer: Answer,
    fetched: dict[str, Answer],
    ours: spf.Ours,
    wanted: Wanted,
) -> list[Finding]:
    if record.type == "MX":
        return exchangers.check(answer, record.value, wanted.edges)
    if record.is_spf:
        return spf.check(record.name, fetched, ours, record.value)
    return dkim_record.check(answer, record.value)


def _unclear(answer: Answer) -> Finding:
    if answer.status is Status.BOGUS:
        return tracking.dnssec(answer.name, answer.why)
    return Finding(
        code="dns-failed",
        about=answer.name,
        seen=shown(f"the question for its {answer.kind} records is not answered: {answer.why}"),
        expected="an answer",
        mend=f"See whether the name servers of {answer.name} answer from outside; if other domains "
        "fail too, it is this machine's resolver (EDGE_RESOLVERS).",
        severity=Severity.WARNING,
    )


def _with(facts: TrackingFacts, probes: tuple[Probe, ...]) -> TrackingFacts:
    return TrackingFacts(
        **{name: getattr(facts, name) for name in TrackingFacts.__struct_fields__}
        | {"probes": probes}
    )


def _state(record: WantedRecord, valid: Validity, cached: tuple[str, ...]) -> RecordState:
    kept = tuple(shown(one, LONGEST_RECORD) for one in cached[:MOST_CACHED])
    return RecordState(record.type, record.name, record.value, valid, kept)


def _unknown(record: WantedRecord) -> RecordState:
    return _state(record, Validity.UNKNOWN, ())


def _local(wanted: Wanted) -> Report:
    finding = Finding(
        code="local-name",
        about=wanted.domain,
        seen="names under .localhost are this machine's own (RFC 6761 § 6.3); DNS has none",
        expected="nothing",
        mend="Nothing has to be done: the sandbox works on this machine only.",
        severity=Severity.NOTE,
    )
    states = tuple(_unknown(one) for one in wanted.records)
    return Report(domain=wanted.domain, findings=(finding,), states=states)


def _not_finished(what: str, seconds: float) -> Finding:
    return Finding(
        code="not-finished",
        about=what,
        seen=f"looking at {what} took longer than {seconds:g} s",
        expected="an answer from every name server",
        mend="Try again; if it stays so, a name server of the domain does not answer.",
        severity=Severity.WARNING,
    )
