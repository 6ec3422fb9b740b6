"""The DNS records that a sending domain needs, how a doctor is told of them, and
what is kept of its report; pure.
"""

from typing import Final

import msgspec

from edge.doctor.wanted import Report, Wanted, WantedRecord
from edge.model.domain import Domain
from edge.sending.dkim import Signer
from edge.store.domain_checks import DomainCheck, RecordCheck

BOUNCES: Final = "bounces"
"""The label of the host that bounces come back to, below the domain."""


class Record(msgspec.Struct, frozen=True):
    """One record; ``value`` of a TXT is the whole text, whatever strings it is split into."""

    type: str
    name: str
    value: str
    purpose: str
    priority: int | None = None

    @property
    def for_receiving(self) -> bool:
        """Whether it leads mail here, rather than letting mail leave."""
        return self.type == "MX"


def records_of(domain: Domain, public_host: str, signer: Signer) -> list[Record]:
    """What has to be created: tracking, DKIM, SPF, and the way back for bounces.

    ``public_host`` is this installation's own name. SPF is judged by the envelope's sender, which
    is at the bounces' host; the domain's own record serves forwarders and DMARC reports.
    """
    spf = f"v=spf1 a:{public_host} ~all"
    bounces = f"{BOUNCES}.{domain.name}"
    return [
        Record("CNAME", domain.tracking_host, public_host, "tracking"),
        Record("TXT", signer.record_name, signer.record(), "DKIM"),
        Record("TXT", domain.name, spf, "SPF"),
        Record("TXT", bounces, spf, "SPF of the return path"),
        Record("MX", bounces, public_host, "bounces come back", 10),
    ]


def wanted_of(domain: Domain, public_host: str, records: list[Record]) -> Wanted:
    """The same for :class:`edge.doctor.examine.Doctor`; without a public host there is no edge."""
    named = public_host not in {"", "localhost"}
    return Wanted(
        domain=domain.name,
        tracking_host=domain.tracking_host,
        web_scheme=domain.web_scheme,
        edges=(public_host,) if named else (),
        records=tuple(WantedRecord(one.type, one.name, one.value) for one in records),
    )


def kept(report: Report, now_us: int) -> DomainCheck:
    """A report as it is stored."""
    states = [
        RecordCheck(one.type, one.name, one.value, one.valid.value, list(one.cached))
        for one in report.states
    ]
    return DomainCheck(now_us, states, [one.as_json() for one in report.findings])
