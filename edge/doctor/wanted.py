"""What a domain needs, as the caller knows it; plain values.

The caller builds it: which records a domain needs is known where mail is sent.
"""

from typing import Any

import msgspec

from edge.doctor.findings import Finding, Validity, is_wrong


class WantedRecord(msgspec.Struct, frozen=True):
    """A record that should be there; ``value`` of an MX is its host."""

    type: str
    name: str
    value: str

    @property
    def is_spf(self) -> bool:
        """Whether it is a policy rather than another TXT record."""
        return self.type == "TXT" and self.value.startswith("v=spf1")


class Issuer(msgspec.Struct, frozen=True):
    """Who is to issue certificates: its names in CAA records, our account there if it is known.

    Without names nobody knows which record would let it issue.
    """

    identities: tuple[str, ...] = ("letsencrypt.org",)
    account: str | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A domain; ``edges`` are the names that a tracking host may point at."""

    domain: str
    tracking_host: str
    web_scheme: str
    edges: tuple[str, ...]
    records: tuple[WantedRecord, ...]
    issuer: Issuer = Issuer()


class RecordState(msgspec.Struct, frozen=True):
    """A wanted record, whether it is there, and what was there."""

    type: str
    name: str
    value: str
    valid: Validity
    cached: tuple[str, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one domain at one time; ``states`` in the order of the wanted records."""

    domain: str
    findings: tuple[Finding, ...]
    states: tuple[RecordState, ...]

    @property
    def wrong(self) -> bool:
        """Whether anything needs mending."""
        return is_wrong(self.findings)

    def as_json(self) -> dict[str, Any]:
        """The report for ``--json``."""
        return {
            "domain": self.domain,
            "ok": not self.wrong,
            "findings": [one.as_json() for one in self.findings],
            "records": [msgspec.to_builtins(one) for one in self.states],
        }
