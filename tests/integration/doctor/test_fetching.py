"""One bounded request: silence, half an answer, a flood."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from edge.doctor import fetch
from edge.doctor.facts import Outcome
from edge.doctor.look import system_resolvers
from edge.doctor.probing import probe
from tests.integration.doctor.port_80 import SECRET, endless, listening
from tests.ports import free_port


@asynccontextmanager
async def _stuck(said: bytes) -> AsyncIterator[int]:
    """A server that says this and then nothing, and does not close."""
    over = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        with contextlib.suppress(OSError):
            await writer.drain()
        await over.wait()
        writer.transport.abort()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        over.set()


async def test_silence_ends_with_the_deadline() -> None:
    """No answer, and a head that never ends: unreachable."""
    for said in (b"", b"HTTP/1.1 200 OK\r\nX: "):
        async with _stuck(said) as port:
            found = await probe(SECRET, "a.test", "127.0.0.1", port, timeout=0.3)
        assert (found.outcome, found.detail) == (Outcome.UNREACHABLE, "no answer in 0.3 s")


async def test_half_an_answer_is_judged_by_what_came() -> None:
    """A body that does not end does not hide its head."""
    async with _stuck(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\nhal") as port:
        found = await fetch.get("127.0.0.1", port, "a.test", "/", timeout=0.3)
    assert (found.status, found.headers["location"], found.body) == (302, "/x", b"hal")


async def test_a_flood_is_cut() -> None:
    """At most 64 KiB are read."""
    async with listening(endless) as (port, _):
        found = await fetch.get("127.0.0.1", port, "a.test", "/", timeout=5)
    assert 60_000 < len(found.body) <= fetch.MOST_BYTES


async def test_a_closed_port_is_unreachable() -> None:
    """The system's own words are the detail."""
    with pytest.raises(OSError):
        await fetch.get("127.0.0.1", free_port(), "a.test", "/", timeout=2)
    found = await probe(SECRET, "a.test", "127.0.0.1", free_port(), timeout=2)
    assert found.outcome is Outcome.UNREACHABLE


def test_the_systems_resolvers() -> None:
    """Addresses and ports, whatever the machine has."""
    assert all(port > 0 and address for address, port in system_resolvers())
