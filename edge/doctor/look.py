"""Questions to DNS resolvers, each with a deadline.

Resolvers are asked directly, not through a stub that hides which of them said what: two that
disagree are a finding, and SERVFAIL is asked again with checking disabled to tell a broken DNSSEC
signature from a dead name server.
"""

import asyncio
import secrets
import socket
from collections.abc import Sequence
from typing import Any, Final

import dns.asyncquery
import dns.exception
import dns.flags
import dns.inet
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset

from edge.doctor.facts import MOST_LINKS, UNCLEAR, Answer, Chain, Status

PAYLOAD: Final = 1232
"""Bytes of a UDP answer that pass everywhere (DNS Flag Day 2020)."""

Server = tuple[str, int]


def system_resolvers() -> list[Server]:
    """The machine's own resolvers; none if it has no configuration."""
    try:
        found = dns.resolver.Resolver()
    except (dns.resolver.NoResolverConfiguration, OSError):
        return []
    return [(str(one), found.port) for one in found.nameservers if isinstance(one, str)]


class Looker:
    """Asks resolvers; ``servers`` as (address, port), none means the system's.

    ``timeout`` is seconds for one question to one server. No question raises.
    """

    def __init__(self, servers: Sequence[Server] = (), *, timeout: float = 3.0) -> None:
        self.servers: list[Server] = list(servers) or system_resolvers()
        self._timeout = timeout

    async def ask(self, name: str, kind: str) -> Answer:
        """The answer of the first resolver that has one."""
        answer = Answer(name, kind, Status.FAILED, why="this machine has no DNS resolver")
        for server in self.servers[:2]:
            answer = await self.ask_at(server, name, kind)
            if answer.status is not Status.FAILED:
                break
        return answer

    async def ask_at(self, server: Server, name: str, kind: str) -> Answer:
        """The answer of one resolver. Aliases are followed by it, but for questions for CNAME."""
        try:
            query = dns.message.make_query(name, kind, use_edns=0, payload=PAYLOAD)
        except (dns.exception.DNSException, ValueError) as error:
            return Answer(name, kind, Status.ABSENT, why=f"no domain name: {error}")
        query.flags |= dns.flags.AD
        answer = await self._sent(server, query, name, kind)
        if answer.status is Status.FAILED and answer.why.startswith("SERVFAIL"):
            query.id = secrets.randbits(16)
            query.flags |= dns.flags.CD
            unchecked = await self._sent(server, query, name, kind)
            if unchecked.status not in UNCLEAR:
                return Answer(name, kind, Status.BOGUS, why=answer.why)
        return answer

    async def _sent(
        self, server: Server, query: dns.message.Message, name: str, kind: str
    ) -> Answer:
        try:
            response = await self._by_udp(server, query)
            if response.flags & dns.flags.TC:
                response = await dns.asyncquery.tcp(
                    query, server[0], timeout=self._timeout, port=server[1], ignore_trailing=True
                )
        except (dns.exception.Timeout, TimeoutError):
            return Answer(name, kind, Status.FAILED, why=f"no answer from {server[0]}")
        except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
            return Answer(name, kind, Status.FAILED, why=f"{server[0]}: {type(error).__name__}")
        return _read(response, name, kind)

    async def _by_udp(self, server: Server, query: dns.message.Message) -> dns.message.Message:
        """One answer from a connected socket: only that server's datagrams reach it.

        By hand, because uvloop leaks a datagram endpoint whose making is cancelled, and then may
        not end when its loop is closed; questions are cancelled by the deadline of their part.
        """
        loop = asyncio.get_running_loop()
        with socket.socket(dns.inet.af_for_address(server[0]), socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect(server)
            sock.send(query.to_wire())
            async with asyncio.timeout(self._timeout):
                while True:
                    received = await loop.sock_recv(sock, 65_535)
                    try:
                        response = dns.message.from_wire(received, ignore_trailing=True)
                    except dns.exception.DNSException:
                        continue  # whatever it is, it is no answer; the deadline stands
                    if query.is_response(response):
                        return response

    async def chain(
        self, name: str, *, until: Sequence[str] = (), server: Server | None = None
    ) -> Chain:
        """The aliases behind a name, asked for one by one, up to one of ``until``."""
        links = [name]
        while True:
            last = links[-1]
            answer = await (
                self.ask(last, "CNAME") if server is None else self.ask_at(server, last, "CNAME")
            )
            if answer.status is not Status.FOUND:
                return Chain(tuple(links), answer.status, answer.why)
            target = answer.values[0]
            loop = target in links
            links.append(target)
            too_long = len(links) > MOST_LINKS
            if loop or too_long or target in until:
                return Chain(tuple(links), Status.FOUND, loop=loop, too_long=too_long)

    async def addresses(self, name: str) -> list[str]:
        """IPv4 first, as many networks have nothing else."""
        found = await asyncio.gather(self.ask(name, "A"), self.ask(name, "AAAA"))
        return [address for answer in found for address in answer.values]

    async def is_zone(self, name: str) -> bool:
        """Whether the name is the apex of a zone: it has a SOA record of its own."""
        return (await self.ask(name, "SOA")).status is Status.FOUND


def _read(response: dns.message.Message, name: str, kind: str) -> Answer:
    """What a response says. A SOA counts only at the very name, anything else behind aliases."""
    code = response.rcode()
    if code not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        said = "; ".join(error.to_text() for error in response.extended_errors())
        why = dns.rcode.to_text(code) + (f" ({said})" if said else "")
        return Answer(name, kind, Status.FAILED, why=why)
    wanted = dns.rdatatype.from_text(kind)
    held: dict[tuple[dns.name.Name, Any], dns.rrset.RRset] = {
        (rrset.name, rrset.rdtype): rrset for rrset in response.answer
    }
    current = dns.name.from_text(name)
    passed: set[dns.name.Name] = set()
    while (current, wanted) not in held and kind not in {"CNAME", "SOA"}:
        alias = held.get((current, dns.rdatatype.CNAME))
        if alias is None or current in passed:
            break
        passed.add(current)
        current = alias[0].target
    rrset = held.get((current, wanted))
    signed = bool(response.flags & dns.flags.AD)
    if rrset is not None:
        values = tuple(_text(record, kind) for record in rrset)
        return Answer(name, kind, Status.FOUND, values, signed=signed, owner=_host(current))
    status = Status.ABSENT if code == dns.rcode.NXDOMAIN else Status.EMPTY
    return Answer(name, kind, status, signed=signed)


def _host(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _text(record: Any, kind: str) -> str:
    if kind == "TXT":
        return b"".join(record.strings).decode("utf-8", "replace")
    if kind == "CNAME":
        return _host(record.target)
    if kind == "MX":
        return f"{record.preference} {_host(record.exchange)}"
    if kind == "CAA":
        tag, value = record.tag.decode("latin-1"), record.value.decode("latin-1")
        return f"{record.flags} {tag} {value}"
    return str(record.to_text())
