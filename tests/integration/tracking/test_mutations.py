"""Bad input in bulk: no crash, no 5xx, no redirect that was not sealed, no flood of log lines."""

import asyncio
import contextlib
import io
import logging
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import structlog

from edge.model.tokens import Kind
from edge.observe import logs
from tests.integration.tracking.worlds import captures, tracking
from tests.threats.serving import CLICK, KEYRING, OPEN, OTHER, OURS, UNSUBSCRIBE, World
from tests.unit.test_tokens import mutants

O, C, U = (KEYRING.seal(t).encode() for t in (OPEN, CLICK, UNSUBSCRIBE))  # noqa: E741 - the paths' letters
HOST = b"Host: " + OURS + b"\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
PARTS = (
    b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
)
SEEDS = (
    b"GET /o/" + O + b" HTTP/1.1\r\n" + HOST + b"User-Agent: Mozilla/5.0\r\n\r\n",
    b"GET /c/" + C + b"?a=b HTTP/1.1\r\n" + HOST + b"Accept: */*\r\nCookie: a=b\r\n\r\n",
    b"HEAD /c/" + C + b" HTTP/1.0\r\n" + HOST + b"Connection: keep-alive\r\n\r\n",
    b"GET http://email.example.com/c/" + C + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /u/" + U + b" HTTP/1.1\r\n" + HOST + b"Purpose: prefetch\r\n\r\n",
    b"POST /u/" + U + b" HTTP/1.1\r\n" + HOST + FORM + b"Content-Length: 26\r\n\r\n"
    b"List-Unsubscribe=One-Click",
    b"POST /u/" + U + b" HTTP/1.1\r\n" + HOST + FORM + b"Transfer-Encoding: chunked\r\n\r\n"
    b"1a\r\nList-Unsubscribe=One-Click\r\n0\r\n\r\n",
    b"POST /u/" + U + b" HTTP/1.1\r\n" + HOST + b"Content-Type: multipart/form-data; boundary=x\r\n"
    b"Content-Length: " + str(len(PARTS)).encode() + b"\r\n\r\n" + PARTS,
)
SPICE = (
    b"\0", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b"\xff", b"\xed\xa0\x80", b"%",
    b"\r\nContent-Length: 5", b"\r\nTransfer-Encoding: chunked", b"\r\nHost: x", b"\r\n folded",
    b"HTTP/9.9", b"HTTP/0.9", b"/../", b"[::1", b"http://[", b"\r\nExpect: 100-continue",
    b"\r\nUpgrade: h2c", b"X" * 9000, b"\r\nA: b" * 200, b"--x\r\n", b"gzip", b"base64",
    b"\r\nContent-Transfer-Encoding: nonsense", b"\r\nContent-Encoding: gzip", b"; charset=x",
)  # fmt: skip

LAST = b"GET /robots.txt HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"


def mutate(seed: bytes, rng: random.Random) -> bytes:
    """A request with one to three things wrong."""
    data = bytearray(seed)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(data) + 1)
        what = rng.randrange(6)
        if what == 0 and data:
            data[place % len(data)] = rng.randrange(256)
        elif what == 1:
            data[place:place] = rng.choice(SPICE)
        elif what == 2:
            del data[place : place + rng.randint(1, 20)]
        elif what == 3:
            data[place:place] = data[place : place + rng.randint(1, 60)]
        elif what == 4:
            other = rng.choice(SEEDS)
            data[place:] = other[rng.randrange(len(other)) :]
        else:
            lines = bytes(data).split(b"\r\n")
            rng.shuffle(lines)
            data = bytearray(b"\r\n".join(lines))
    return bytes(data)


async def fate(world: World, request: bytes) -> bytes:
    """Send, with a request behind it that ends the connection; what comes, at most for 0.3 s."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    received = b""
    with contextlib.suppress(ConnectionError, TimeoutError):  # refused, or waiting for more
        writer.write(request + LAST)
        async with asyncio.timeout(0.3):
            while chunk := await reader.read(1 << 16):
                received += chunk
    writer.transport.abort()
    return received


@pytest.fixture
def log_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a worker would write to standard error."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    handlers, level = logging.root.handlers[:], logging.root.level
    logs.configure("info", "tracking")
    yield stream
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("hot,count", [(True, 20_000), (False, 2_000)], ids=["hot", "aiohttp"])
async def test_mutated_requests_do_no_harm(
    tmp_path: Path, hot: bool, count: int, log_lines: io.StringIO
) -> None:
    """No 5xx, no crash, no foreign redirect, bounded logs and memory; afterwards all is well."""
    rng = random.Random()
    statuses: Counter[bytes] = Counter()
    broken: list[tuple[bytes, bytes]] = []
    memory = psutil.Process().memory_info().rss
    async with tracking(tmp_path, hot=hot, max_connections=1000) as world:

        async def work(share: int) -> None:
            for _ in range(share):
                request = mutate(rng.choice(SEEDS), rng)
                received = await fate(world, request)
                for line in received.split(b"HTTP/1.")[1:]:
                    statuses[line[2:5]] += 1
                    if line[2:3] == b"5":
                        broken.append((request, line))
                for part in received.split(b"\r\nLocation: ")[1:]:
                    assert part.split(b"\r\n")[0] == CLICK.url.encode()

        await asyncio.gather(*(work(count // 50) for _ in range(50)))
        assert not broken, broken[:3]
        assert statuses[b"400"] > count // 20, "the requests were bad enough"
        assert statuses[b"302"] > count // 300, "and good enough"
        assert (await world.get(f"/o/{O.decode()}")).status == 200
        for capture in captures(world):
            assert capture.target in (OPEN, CLICK, UNSUBSCRIBE)
    text = log_lines.getvalue()
    assert text.count("\n") < 300, text[-2000:]
    assert "Traceback" not in text, text[-3000:]
    assert psutil.Process().memory_info().rss - memory < 100 * 2**20


@pytest.mark.parametrize("hot", [True, False], ids=["hot", "aiohttp"])
async def test_mutated_tokens_open_nothing_over_http(tmp_path: Path, hot: bool) -> None:
    """Thousands of wrong tokens: a pixel for opens, 404 else; no redirect, no 5xx, no record."""
    paths = {Kind.OPEN: O, Kind.CLICK: C, Kind.UNSUBSCRIBE: U}
    async with tracking(tmp_path, hot=hot) as world:
        for kind, token in paths.items():
            made = mutants(token.decode(), 1)
            found: Counter[int] = Counter()
            for _ in range(120):
                some = [m for m in (next(made) for _ in range(10)) if _plain(m) and m != token]
                head = b" HTTP/1.1\r\nHost: " + OURS + b"\r\n\r\n"
                start = b"GET /" + kind.value.encode() + b"/"
                received = await fate(world, b"".join(start + mutant + head for mutant in some))
                assert b"Location" not in received
                found.update(int(s[2:5]) for s in received.split(b"HTTP/1.")[1:-1])
            assert set(found) == {200 if kind is Kind.OPEN else 404}
            assert found.total() > 500
        assert captures(world) == []


def _plain(token: bytes) -> bool:
    """Whether a request line can carry it; the others are not HTTP at all."""
    return not set(token) & set(b" \t\r\n\0#?") and token.isascii()


async def test_own_and_foreign_hosts(tmp_path: Path) -> None:
    """On another domain's host: a pixel without a record, a 404; on nobody's host: served."""
    async with tracking(tmp_path) as world:
        assert (await world.get(f"/o/{O.decode()}", OTHER)).status == 200
        assert (await world.get(f"/c/{C.decode()}", OTHER)).status == 404
        assert (await world.get(f"/u/{U.decode()}", OTHER)).status == 404
        assert captures(world) == []
        for host in (b"127.0.0.1:8080", b"nobody.example", b"EMAIL.Example.com.:80"):
            assert (await world.get(f"/c/{C.decode()}", host)).status == 302
        assert len(captures(world)) == 3
