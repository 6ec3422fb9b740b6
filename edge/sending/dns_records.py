"""The DNS records that a sending domain needs, how a doctor is told of them, and
what is kept of its report; pure.
"""

from typing import Final
from urllib.parse import urlsplit

import msgspec

from edge.doctor.wanted import Issuer, Report, Wanted, WantedRecord
from edge.model.certificate import KnownAuthority
from edge.model.domain import Domain
from edge.sending.dkim import Signer
from edge.store.domain_checks import DomainCheck, RecordCheck

LETS_ENCRYPT: Final = "letsencrypt.org"
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


def issuer_of(authority: KnownAuthority | None) -> Issuer:
    """Whom CAA records have to let issue.

    Where certificates are off, or Let's Encrypt's directory was not read yet, it is Let's Encrypt;
    where another's was not read, nobody knows.
    """
    if authority is None:
        return Issuer()
    identities = authority.identities
    if identities is None:
        host = (urlsplit(authority.directory).hostname or "").lower()
        known = host == LETS_ENCRYPT or host.endswith(f".{LETS_ENCRYPT}")
        identities = (LETS_ENCRYPT,) if known else ()
    return Issuer(identities, authority.account)


def wanted_of(
    domain: Domain,
    public_host: str,
    records: list[Record],
    authority: KnownAuthority | None = None,
) -> Wanted:
    """The same for :class:`edge.doctor.examine.Doctor`; without a public host there is no edge.

    ``authority`` is the one that certificates are ordered from, if there is one.
    """
    named = public_host not in {"", "localhost"}
    return Wanted(
        domain=domain.name,
        tracking_host=domain.tracking_host,
        web_scheme=domain.web_scheme,
        edges=(public_host,) if named else (),
        records=tuple(WantedRecord(one.type, one.name, one.value) for one in records),
        issuer=issuer_of(authority),
    )


def kept(report: Report, now_us: int) -> DomainCheck:
    """A report as it is stored."""
    states = [
        RecordCheck(one.type, one.name, one.value, one.valid.value, list(one.cached))
        for one in report.states
    ]
    return DomainCheck(now_us, states, [one.as_json() for one in report.findings])
