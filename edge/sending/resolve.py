"""Which servers take a domain's mail: MX by preference, or the domain's own address.

RFC 5321 § 5.1: no MX record means the domain's A and AAAA (implicit MX); an MX that exists but
leads nowhere is an error, never a reason to fall back. RFC 7505: a single "." takes no mail.
A domain that does not exist, or has neither MX nor address, is hard; whatever DNS could not answer
is soft. CNAMEs are followed by the resolver.
"""

import ipaddress
import random
from collections.abc import Sequence
from typing import Any, Final

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver
import msgspec

from edge.model.errors import PeerError
from edge.returns.reasons import Reason
from edge.sending.replies import Verdict, unanswered

MOST_EXCHANGERS: Final = (
    5  # Postfix's smtp_mx_address_limit, and its reason: a domain may list hundreds
)


class Undeliverable(PeerError):
    """No server to speak to; ``verdict`` says why."""

    def __init__(self, reason: Reason, evidence: str, text: str) -> None:
        super().__init__(text)
        self.verdict: Verdict = unanswered(reason, evidence, text)


class Exchanger(msgspec.Struct, frozen=True):
    """A server: the name its certificate must bear, and its addresses in the order to try."""

    host: str
    addresses: tuple[str, ...]


class Exchangers:
    """Looks up the mail exchangers of domains.

    ``resolvers`` are addresses with ports; none means the system's. ``own_host`` is dropped from a
    domain's list with all that are not better (RFC 5321 § 5.1: no mail to ourselves). Unless
    ``private_networks``, addresses that are not public are never connected to: a recipient's DNS
    must not choose a service of this machine's network. ``timeout`` is seconds per look-up.
    """

    def __init__(
        self,
        resolvers: Sequence[tuple[str, int]] = (),
        *,
        own_host: str = "",
        private_networks: bool = False,
        timeout: float = 10.0,
    ) -> None:
        self._resolver = dns.asyncresolver.Resolver(configure=not resolvers)
        if resolvers:
            self._resolver.nameservers = [
                dns.nameserver.Do53Nameserver(address, port) for address, port in resolvers
            ]
        self._own = own_host.rstrip(".").lower()
        self._private = private_networks
        self._timeout = timeout

    async def of(self, domain: str) -> list[Exchanger]:
        """The servers of a domain (ASCII; or an address literal), best first; never empty.

        Raises Undeliverable.
        """
        if domain.startswith("["):
            return [self._literal(domain)]
        found = await self._records(domain, "MX")
        if not found:
            addresses = await self._addresses(domain)
            if not addresses:
                raise Undeliverable(
                    Reason.NOT_ACCEPTING, "no-mx-no-address", f"{domain} has neither MX nor address"
                )
            return [self._reachable(domain, addresses)]
        order = sorted(found, key=lambda record: (record.preference, random.random()))  # noqa: S311 - RFC 5321 § 5.1: equal ones in random order
        if len(order) == 1 and order[0].exchange == dns.name.root:
            raise Undeliverable(
                Reason.NOT_ACCEPTING, "null-mx", f"{domain} takes no mail (null MX)"
            )
        own = [r.preference for r in order if r.exchange.to_text(True).lower() == self._own]
        if own:
            order = [record for record in order if record.preference < own[0]]
            if not order:
                raise Undeliverable(Reason.NETWORK, "mx-is-ourselves", f"{domain} is served here")
        return await self._usable(domain, [record.exchange.to_text(True) for record in order])

    async def _usable(self, domain: str, hosts: list[str]) -> list[Exchanger]:
        """Those hosts that have an address; soft if none has: the domain exists, and may mend."""
        exchangers: list[Exchanger] = []
        trouble = Undeliverable(Reason.NETWORK, "mx-without-address", f"no MX of {domain} resolves")
        for host in hosts:
            if len(exchangers) == MOST_EXCHANGERS:
                break
            try:
                if addresses := await self._addresses(host):
                    exchangers.append(self._reachable(host, addresses))
            except Undeliverable as error:
                if not error.verdict.hard:
                    trouble = error
        if not exchangers:
            raise trouble
        return exchangers

    async def _addresses(self, host: str) -> list[str]:
        """IPv4 first: far more networks block mail without reverse DNS over IPv6."""
        return [
            record.address for kind in ("A", "AAAA") for record in await self._records(host, kind)
        ]

    async def _records(self, name: str, kind: str) -> list[Any]:
        """The answer's records; [] where the name exists without any. Raises Undeliverable."""
        try:
            answer = await self._resolver.resolve(
                dns.name.from_text(name), kind, raise_on_no_answer=False, lifetime=self._timeout
            )
        except dns.resolver.NXDOMAIN:
            raise Undeliverable(Reason.HOST_UNKNOWN, "nxdomain", f"{name} does not exist") from None
        except (dns.name.LabelTooLong, dns.name.NameTooLong, dns.name.EmptyLabel):
            raise Undeliverable(
                Reason.HOST_UNKNOWN, "not-a-name", f"{name!r} is no domain name"
            ) from None
        except (dns.exception.DNSException, OSError) as error:
            raise Undeliverable(
                Reason.NETWORK, "dns-failure", f"{kind} of {name}: {type(error).__name__}"
            ) from error
        return list(answer.rrset or ())

    def _reachable(self, host: str, addresses: list[str]) -> Exchanger:
        allowed = tuple(
            address
            for address in addresses
            if self._private or ipaddress.ip_address(address).is_global
        )
        if not allowed:
            raise Undeliverable(Reason.NETWORK, "private-address", f"{host} has no public address")
        return Exchanger(host.rstrip(".").lower(), allowed)

    def _literal(self, domain: str) -> Exchanger:
        """RFC 5321 § 4.1.3: ``[192.0.2.1]`` or ``[IPv6:2001:db8::1]``."""
        text = domain[1:].removesuffix("]")
        if text.lower().startswith("ipv6:"):
            text = text[5:]
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise Undeliverable(
                Reason.HOST_UNKNOWN, "not-a-name", f"{domain!r} is no address"
            ) from None
        return self._reachable(str(address), [str(address)])
