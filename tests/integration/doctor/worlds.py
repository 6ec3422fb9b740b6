"""A customer's domain in a test's own DNS, an edge on loopback, and a doctor that looks at both."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from edge.doctor.examine import Doctor
from edge.doctor.look import Looker
from edge.doctor.wanted import Report, Wanted, WantedRecord
from tests.integration.doctor.nameserver import Behaviour, Records, Resolver, resolver
from tests.integration.doctor.port_80 import SECRET

DOMAIN, HOST, EDGE = "mg.example.com", "email.mg.example.com", "edge.example.org"
BOUNCES = f"bounces.{DOMAIN}"
DKIM_NAME, DKIM = f"edge1._domainkey.{DOMAIN}", "v=DKIM1; k=rsa; p=TUlJQklq"
SPF = f"v=spf1 a:{EDGE} ~all"

GOOD: dict[tuple[str, str], list[str] | str] = {
    (EDGE, "A"): ["127.0.0.1"],
    (HOST, "CNAME"): [f"{EDGE}."],
    (DKIM_NAME, "TXT"): [f'"{DKIM}"'],
    (DOMAIN, "TXT"): ['"site-verification=1"', f'"{SPF}"'],
    (BOUNCES, "TXT"): [f'"{SPF[:10]}" "{SPF[10:]}"'],
    (BOUNCES, "MX"): [f"10 {EDGE}."],
}
"""Everything as it should be."""


def wanted(**changes: Any) -> Wanted:
    """What the domain needs."""
    fields: dict[str, Any] = {
        "domain": DOMAIN,
        "tracking_host": HOST,
        "web_scheme": "http",
        "edges": (EDGE,),
        "records": (
            WantedRecord("CNAME", HOST, EDGE),
            WantedRecord("TXT", DKIM_NAME, DKIM),
            WantedRecord("TXT", DOMAIN, SPF),
            WantedRecord("TXT", BOUNCES, SPF),
            WantedRecord("MX", BOUNCES, EDGE),
        ),
    }
    return Wanted(**(fields | changes))


def changed(*without: tuple[str, str], **unused: Any) -> dict[tuple[str, str], list[str] | str]:
    """The good records but for some."""
    return {key: value for key, value in GOOD.items() if key not in without}


@asynccontextmanager
async def doctor(
    *zones: Records | Behaviour, port: int, timeout: float = 1.0, **more: Any
) -> AsyncIterator[tuple[Doctor, Sequence[Resolver]]]:
    """A doctor whose resolvers (at most two) answer from these, and whose port 80 is ``port``."""
    async with resolver(zones[0]) as first, resolver(zones[-1]) as second:
        used = [first, second][: len(zones)]
        looker = Looker([one.server for one in used], timeout=timeout)
        yield Doctor(looker, SECRET, http_port=port, **more), used


def codes(report: Report) -> list[str]:
    """The codes of a report's findings, in its order."""
    return [one.code for one in report.findings]
