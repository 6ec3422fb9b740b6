"""Single questions: datagrams that are no answer, and answers that need TCP."""

import asyncio
import struct
from typing import Any, cast

import dns.flags
import dns.message

from edge.doctor.facts import Status
from edge.doctor.look import Looker
from tests.integration.doctor.nameserver import Records, resolver, table

ZONE: Records = {("a.test", "TXT"): ['"yes"']}


class _Noisy(asyncio.DatagramProtocol):
    """Sends rubbish, our question, other answers, and then the answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        good = table(ZONE)(query)
        assert good is not None
        other = dns.message.make_response(dns.message.make_query("b.test", "TXT", id=query.id))
        wire = good.to_wire()
        forged = struct.pack("!H", query.id ^ 1) + wire[2:]
        for datagram in (b"", b"rubbish", data, other.to_wire(), forged, wire):
            self._transport.sendto(datagram, addr)


async def test_only_the_answer_counts() -> None:
    """Rubbish, our question back, another's answer and a wrong number are passed over."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(_Noisy, local_addr=("127.0.0.1", 0))
    look = Looker([transport.get_extra_info("sockname")], timeout=5)
    found = await look.ask("a.test", "TXT")
    transport.close()
    assert (found.status, found.values, found.owner) == (Status.FOUND, ("yes",), "a.test")


async def test_a_cut_answer_is_asked_for_again_over_tcp() -> None:
    """A set TC bit (RFC 7766): the whole of it comes over TCP."""

    def cut(query: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.TC
        return answer

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        answer: Any = table(ZONE)(dns.message.from_wire(await reader.readexactly(length)))
        wire = answer.to_wire()
        writer.write(struct.pack("!H", len(wire)) + wire)
        await writer.drain()
        writer.close()

    async with resolver(cut) as one:
        whole = await asyncio.start_server(talk, *one.server)
        async with whole:
            found = await Looker([one.server], timeout=5).ask("a.test", "TXT")
        assert (found.status, found.values) == (Status.FOUND, ("yes",))
        assert (await Looker([one.server], timeout=1).ask("a.test", "TXT")).status is Status.FAILED
