"""The gate before every order: does the host's CNAME lead here?

It is asked again for each order and each renewal, so that a host whose owner has left is ordered
for no longer. A CNAME may lead over others; what counts is that one of them is our own name.
"""

from collections.abc import Sequence
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from certs.errors import CustomerError, Unavailable

MOST_HOPS: Final = 8
TIMEOUT: Final = 5.0
"""Seconds for one look-up."""


class CnameGate:
    """Follows a host's CNAMEs until they reach ``public_host``.

    ``resolvers`` are addresses with ports; none means the system's.
    """

    def __init__(self, public_host: str, resolvers: Sequence[tuple[str, int]] = ()) -> None:
        self._target = public_host.rstrip(".").lower()
        self._resolver = dns.asyncresolver.Resolver(configure=not resolvers)
        if resolvers:
            self._resolver.nameservers = [
                dns.nameserver.Do53Nameserver(address, port) for address, port in resolvers
            ]

    async def __call__(self, name: str) -> None:
        """Return if it leads here; CustomerError if not, Unavailable if DNS does not answer."""
        seen = [name.rstrip(".").lower()]
        while seen[-1] != self._target:
            after = await self._next(seen[-1])
            if after is None or after in seen or len(seen) > MOST_HOPS:
                raise self._refusal(seen, after)
            seen.append(after)

    def _refusal(self, seen: list[str], after: str | None) -> CustomerError:
        if len(seen) == 1 and after is None:
            found = f"{seen[0]} has no CNAME record"
        else:
            found = f"the CNAME of {seen[0]} leads to {after or seen[-1]}"
            found += " in a circle" if after in seen else ""
        return CustomerError(f"{found}; create: {seen[0]} CNAME {self._target}")

    async def _next(self, name: str) -> str | None:
        """Where a name's CNAME leads; None if it has none."""
        try:
            answer = await self._resolver.resolve(
                dns.name.from_text(name), "CNAME", raise_on_no_answer=False, lifetime=TIMEOUT
            )
        except (dns.resolver.NXDOMAIN, dns.name.LabelTooLong, dns.name.NameTooLong):
            return None
        except (dns.exception.DNSException, OSError) as error:
            raise Unavailable(
                f"DNS does not answer for {name}: {type(error).__name__}; is EDGE_RESOLVERS right?"
            ) from error
        for record in answer.rrset or ():
            return str(record.target).rstrip(".").lower()
        return None
