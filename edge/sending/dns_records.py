"""The DNS records that a sending domain needs; pure."""

from typing import Final

import msgspec

from edge.model.domain import Domain
from edge.sending.dkim import Signer

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
