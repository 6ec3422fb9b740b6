"""What one client may use: bytes of a head, time, memory, connections."""

import asyncio
import contextlib
import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.model.capture import Hit
from tests.integration.tracking.worlds import captures, requests_recorded, tracking
from tests.threats.serving import CLICK, KEYRING, OPEN, OURS

PATH = f"/o/{KEYRING.seal(OPEN)}".encode()
START = b"GET " + PATH + b" HTTP/1.1\r\nHost: " + OURS + b"\r\n"
CLOSE = b"Connection: close\r\n\r\n"


@pytest.mark.parametrize("hot", [True, False], ids=["hot", "aiohttp"])
@pytest.mark.parametrize(
    "headers,status",
    [
        (b"User-Agent: " + b"x" * 8100 + b"\r\n", 200),
        (b"Cookie: " + b"c" * 8100 + b"\r\n" + b"User-Agent: u\r\n", 200),
        (b"User-Agent: " + b"x" * 8300 + b"\r\n", 400),
        (b"".join(b"X-%d: a\r\n" % n for n in range(100)), 200),
        (b"".join(b"X-%d: a\r\n" % n for n in range(200)), 400),
        (b"".join(b"X-%d: %s\r\n" % (n, b"y" * 4000) for n in range(7)), 200),
        (b"".join(b"X-%d: %s\r\n" % (n, b"y" * 8000) for n in range(100)), 431),
    ],
)
async def test_long_heads_are_served_up_to_a_limit(
    tmp_path: Path, hot: bool, headers: bytes, status: int
) -> None:
    """A head is kept in the record, so all of it together is bounded, not just each line."""
    async with tracking(tmp_path, hot=hot) as world:
        assert (await world.ask(START + headers + CLOSE)).status == status
        records = [record for record in world.records() if isinstance(record, Hit)]
        assert len(records) == (status == 200)
        assert all(len(record.head) < 40_000 for record in records)


async def test_hostile_header_values_are_recorded_as_storable_text(tmp_path: Path) -> None:
    """8 kB, invalid UTF-8 and encoded surrogates in every header end as text for Postgres."""
    values = [
        b"x" * 7000,
        b"\xff\xfe\x80",
        b"\xed\xa0\x80",
        "\u2028я".encode(),
        b"%00",
        b"\x80" * 9,
    ]
    async with tracking(tmp_path) as world:
        for value in values:
            for name in (b"User-Agent", b"Referer", b"Accept-Language", b"Via"):
                answer = await world.ask(START + name + b": " + value + b"\r\n" + CLOSE)
                assert answer.status == 200
        found = captures(world)
        assert len(found) == len(values) * 4
        for capture in found:
            for text in capture.headers.values():
                assert "\x00" not in text
                text.encode()


@pytest.mark.parametrize("target", [PATH, b"/c/" + KEYRING.seal(CLICK).encode(), b"/robots.txt"])
async def test_a_client_that_pipelines_and_never_reads_cannot_fill_memory(
    tmp_path: Path, target: bytes
) -> None:
    """Its requests are read no further than answers can be sent, and it is cut off in time."""
    request = START.replace(PATH, target) + b"\r\n"
    async with tracking(tmp_path, idle=1) as world:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port, limit=1)
        sent = 0
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(2):
                while True:
                    writer.write(request * 500)
                    sent += 500
                    await writer.drain()
        assert world.server.open_connections <= 1
        assert sent * len(request) < 60 * 2**20, "the server stopped reading"
        await _wait(lambda: world.server.open_connections == 0, 8)
        writer.transport.abort()
        del reader
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000
        assert requests_recorded(world) <= sent
        assert (await world.get(PATH.decode())).status == 200


async def _wait(condition: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def test_a_thousand_idle_connections_over_the_cap_leave_the_rest_working(
    tmp_path: Path,
) -> None:
    """Above the cap they are closed at once and counted; those that were there are served."""
    async with tracking(tmp_path, max_connections=50) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(START + b"\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        for refused in range(51, 511, 51):
            idle = [
                await asyncio.open_connection("127.0.0.1", world.port, limit=1) for _ in range(100)
            ]
            await _wait(lambda refused=refused: world.server.refused == refused, 5)  # type: ignore[misc]  # bound here
            assert world.server.open_connections == 50
            for _, other in idle:
                other.transport.abort()
            await _wait(lambda: world.server.open_connections == 1, 5)
        writer.write(START + b"\r\n")
        await reader.readexactly(1)
        assert (await reader.readuntil(b"\r\n\r\n")).endswith(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        await _wait(lambda: world.server.open_connections == 0, 5)
        assert (await world.get(PATH.decode())).status == 200
