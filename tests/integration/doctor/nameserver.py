"""A resolver of the test's own on loopback: plain answers, faults, and a signed zone it checks.

It answers from a table as a recursive resolver would: aliases followed, ``*.`` names expanded. A
value may be a fault instead: ``servfail``, ``silence``, ``refused``.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import cast

import dns.dnssec
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ed25519

Records = Mapping[tuple[str, str], list[str] | str]
Behaviour = Callable[[dns.message.Message], dns.message.Message | None]


def table(records: Records) -> Behaviour:
    """Answers from a table of (name, type) → records, as it stands when it is asked."""

    def held(name: str, kind: str) -> list[str] | str | None:
        if (name, kind) in records:
            return records[name, kind]
        if not named(name) and (("*." + name.partition(".")[2]), kind) in records:
            return records["*." + name.partition(".")[2], kind]
        return None

    def named(name: str) -> bool:
        return any(name == one for one, _ in records)

    def exists(name: str) -> bool:
        wild = "*." + name.partition(".")[2]
        return named(name) or named(wild) or any(one.endswith("." + name) for one, _ in records)

    def behave(query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        kind = dns.rdatatype.to_text(question.rdtype)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        for _ in range(10):
            found = held(name, kind)
            alias = None if found is not None or kind == "CNAME" else held(name, "CNAME")
            told = found if found is not None else alias
            if told == "silence":
                return None
            if isinstance(told, str):
                answer.set_rcode(dns.rcode.from_text(told))
                return answer
            if told is None:
                if not exists(name):
                    answer.set_rcode(dns.rcode.NXDOMAIN)
                return answer
            shown = kind if found is not None else "CNAME"
            answer.answer.append(dns.rrset.from_text(name + ".", 60, "IN", shown, *told))
            if found is not None:
                return answer
            name = told[0].rstrip(".")
        answer.answer.clear()
        answer.set_rcode(dns.rcode.SERVFAIL)
        return answer

    return behave


def signed(origin: str, text: str, *, broken: str = "") -> Behaviour:
    """A zone signed with Ed25519 (RFC 8080), and a resolver that trusts its key and checks.

    The records of the name ``broken`` are changed after signing: for them it answers SERVFAIL with
    the reason (RFC 8914), unless asked not to check (CD). Checked answers carry the AD bit.
    """
    zone = dns.zone.from_text(text, origin=origin, relativize=False)
    private = ed25519.Ed25519PrivateKey.generate()
    key = dns.dnssec.make_dnskey(private.public_key(), "ED25519", flags=257)
    with zone.writer() as txn:
        dns.dnssec.sign_zone(zone, txn, keys=[(private, key)], lifetime=3600)
    if broken:
        name = dns.name.from_text(broken)
        with zone.writer() as txn:
            txn.replace(name, dns.rrset.from_text(name, 60, "IN", "CNAME", "stolen.test."))
    top = dns.name.from_text(origin)
    anchors = {top: zone.find_rdataset(top, "DNSKEY")}

    def behave(query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        node = zone.get_node(question.name)
        if node is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
            return answer
        for kind in (question.rdtype, dns.rdatatype.CNAME):
            found = zone.get_rrset(question.name, kind)
            if found is None:
                continue
            signature = zone.get_rrset(question.name, "RRSIG", kind)
            try:
                dns.dnssec.validate(found, signature, anchors)  # type: ignore[arg-type]  # None fails as it must
                answer.flags |= dns.flags.AD
            except (dns.exception.ValidationFailure, AttributeError):
                if not query.flags & dns.flags.CD:
                    answer.set_rcode(dns.rcode.SERVFAIL)
                    option = dns.edns.EDEOption(dns.edns.EDECode.DNSSEC_BOGUS, "no valid RRSIG")
                    answer.use_edns(0, payload=1232, options=[option])
                    return answer
            answer.answer.append(found)
            break
        return answer

    return behave


class _Server(asyncio.DatagramProtocol):
    def __init__(self, behave: Behaviour, asked: list[tuple[str, str]]) -> None:
        self._behave = behave
        self._asked = asked
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to answer."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """One answer, or silence."""
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        self._asked.append((name, dns.rdatatype.to_text(question.rdtype)))
        answer = self._behave(query)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer.to_wire(), addr)


class Resolver:
    """A running one: its address, and every question that it was asked."""

    def __init__(self, port: int, asked: list[tuple[str, str]]) -> None:
        self.server = ("127.0.0.1", port)
        self.asked = asked


@asynccontextmanager
async def resolver(behaviour: Behaviour | Records) -> AsyncIterator[Resolver]:
    """A resolver on a port that the kernel chose."""
    behave = behaviour if callable(behaviour) else table(behaviour)
    asked: list[tuple[str, str]] = []
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Server(behave, asked), local_addr=("127.0.0.1", 0)
    )
    try:
        yield Resolver(transport.get_extra_info("sockname")[1], asked)
    finally:
        transport.close()
