"""The hot protocol and aiohttp serve the same bytes alike: answers, records, connection's fate."""

import asyncio
import itertools
import random
import re
from collections import defaultdict
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from edge.model.capture import Hit, capture_of
from edge.model.tokens import ClickTarget, OpenTarget, UnsubscribeTarget
from tests.threats.serving import KEYRING, World, serving

HOST = b"Host: email.example.com\r\n"
AGENT = b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0\r\nAccept: image/avif\r\n"
OPEN = b"GET /o/{O} HTTP/1.1\r\n" + HOST + AGENT + b"\r\n"
CLICK = b"GET /c/{C} HTTP/1.1\r\n" + HOST + AGENT + b"\r\n"

SPLIT_EVERYWHERE = (
    OPEN,
    CLICK,
    OPEN + CLICK,
    b"HEAD /c/{C} HTTP/1.1\r\n" + HOST + b"\r\n" + OPEN,
    b"GET /robots.txt HTTP/1.1\r\n" + HOST + b"\r\n",
    OPEN + b"POST /u/{U} HTTP/1.1\r\n" + HOST + b"Content-Length: 26\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\nList-Unsubscribe=One-Click" + CLICK,
)
"""Cut in two at every byte."""

STREAMS = (
    b"HEAD /o/{O} HTTP/1.1\r\n" + HOST + b"\r\n",
    OPEN * 5,
    b"GET /o/{O}?utm=1&x=%20 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /c/{C}? HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /o/{C} HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /c/{O} HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /o/ HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /c/ HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /c/{C}/ HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /c/{C}# HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /c/%7B{C} HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET //o/{O} HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /o/../c/{C} HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET http://email.example.com/c/{C} HTTP/1.1\r\nHost: email.example.net\r\n\r\n",
    b"GET http://email.example.net/c/{C} HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /c/{C} HTTP/1.1\r\nHost: email.example.net\r\n\r\n",
    b"GET /o/{O} HTTP/1.1\r\nHost: email.example.net\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\nhOST:\t EMAIL.Example.COM:8080 \r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\nHost: EMAIL.EXAMPLE.NET.:80\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\nHost:\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    b"GET /c/{C} HTTP/1.1\r\nX-Forwarded-Host: email.example.net\r\n" + HOST + b"\r\n",
    b"GET /c/{C} HTTP/1.0\r\n" + HOST + b"\r\n",
    b"GET /c/{C} HTTP/1.0\r\nConnection: keep-alive\r\n" + HOST + b"\r\n",
    b"GET /o/{O} HTTP/1.0\r\n\r\n",
    b"GET /c/{C} HTTP/2.0\r\n" + HOST + b"\r\n",
    b"GET /c/{C} HTTP/0.9\r\n" + HOST + b"\r\n",
    b"GET /c/{C} HTTP/1.2\r\n" + HOST + b"\r\n",
    b"GET /c/{C} http/1.1\r\n" + HOST + b"\r\n",
    b"GET /c/{C}\r\n",
    b"get /c/{C} HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET  /c/{C} HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /c/{C}  HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET\t/c/{C} HTTP/1.1\r\n" + HOST + b"\r\n",
    b"\r\nGET /c/{C} HTTP/1.1\r\n" + HOST + b"\r\n",
    b"\r\n\r\n" + OPEN,
    b"GET /c/{C} HTTP/1.1\n" + HOST + b"\r\n",
    b"GET /c/{C} HTTP/1.1\r\nHost: email.example.com\n\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b" X: a\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"X : a\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"X\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b": a\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"X: a\x01b\x7f\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"X: \xff\xfe\xc3\xa9\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"X(y): a\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n" + OPEN,
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"Connection: Keep-Alive\r\n\r\n" + OPEN,
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n" + OPEN,
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nabcde" + OPEN,
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"Content-Length: +4\r\n\r\nabcd",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + OPEN,
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n"
    b"Content-Length: 3\r\n\r\n0\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"X-Forwarded-For: 203.0.113.9\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"User-Agent: " + b"a" * 7000 + b"\r\n\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"User-Agent: " + b"a" * 8300 + b"\r\n\r\n",
    b"GET /c/{C}?" + b"a" * 7000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /c/{C}?" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 60 + b"\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 100 + b"\r\n",
    b"GET /c/{C} HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 200 + b"\r\n",
    b"OPTIONS /c/{C} HTTP/1.1\r\n" + HOST + b"\r\n",
    b"PUT /o/{O} HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n",
    b"TRACE /c/{C} HTTP/1.1\r\n" + HOST + b"\r\n",
    b"FOO /c/{C} HTTP/1.1\r\n" + HOST + b"\r\n",
    b"CONNECT email.example.com:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/1.1\r\n" + HOST + b"\r\n" + CLICK,
    b"GET /u/{U} HTTP/1.1\r\n" + HOST + b"\r\n" + CLICK,
    b"DELETE /u/{U} HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /.well-known/acme-challenge/abcdefghijklmnopq HTTP/1.1\r\n" + HOST + b"\r\n" + CLICK,
    b"GET /.well-known/acme-challenge/<b>abcdefghijklmnop HTTP/1.1\r\n" + HOST + b"\r\n",
    b"HEAD /.well-known/edge-probe/abcdefghijklmnopq HTTP/1.1\r\n" + HOST + b"\r\n",
    OPEN[:-2],
    OPEN[:40],
)


def fill(stream: bytes, name: str) -> bytes:
    """The stream with tokens of a message of this name."""
    mid, who = f"{name}@x", "ada@example.org"
    click = ClickTarget(1, 1, mid, who, 0, "https://example.com/a?b=%20c&d")
    tokens = {
        b"{O}": KEYRING.seal(OpenTarget(1, 1, mid, who)),
        b"{C}": KEYRING.seal(click),
        b"{U}": KEYRING.seal(UnsubscribeTarget(1, 1, mid, who, 0, [])),  # type: ignore[arg-type]  # the level's number
    }
    for mark, token in tokens.items():
        stream = stream.replace(mark, token.encode())
    return stream


_DATE = re.compile(rb"\r\nDate: [^\r]*")
_ORDER = re.compile(rb"^(HTTP/1\.[01] [^\r]*)\r\n(.*)$", re.DOTALL)


def normal(received: bytes, name: str) -> bytes:
    """What came back without what may differ: dates, the order of headers, our own tokens."""
    parts = re.split(rb"(?=HTTP/1\.[01] \d\d\d )", _DATE.sub(b"", received))
    answers = []
    for part in parts:
        head, gap, body = part.partition(b"\r\n\r\n")
        first, *headers = head.split(b"\r\n")
        answers.append(b"\r\n".join([first, *sorted(headers)]) + gap + body)
    return b"".join(answers).replace(name.encode(), b"NAME")


class Exchange:
    """One connection: what was sent in pieces, everything that came back, and its fate."""

    def __init__(self) -> None:
        self.received = b""
        self.closed = False

    @property
    def state(self) -> tuple[int, bool]:
        """What changes while there is something to wait for."""
        return len(self.received), self.closed

    async def run(self, world: World, pieces: list[bytes]) -> None:
        """Send the pieces and read until the server closes, or for ever."""
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        try:
            for number, piece in enumerate(pieces):
                if number:
                    await asyncio.sleep(0.01)
                if not writer.transport.is_closing():  # the server may have refused the first piece
                    writer.write(piece)
            while chunk := await reader.read(65536):
                self.received += chunk
            self.closed = True
        except ConnectionError:
            # Closed with bytes of ours unread: the kernel resets, and may drop what was on its way.
            self.received, self.closed = b"", True
        finally:
            writer.transport.abort()


PATIENCE = 15.0
"""Seconds that the slower way has to give what the other gave: a busy disk holds its answers up."""


QUIET = 12
TURN = 0.05
"""Nothing more comes when nothing came in so many turns of so many seconds. Turns are counted, not
seconds: servers and clients share this loop, and a stall of it is no silence of theirs."""


async def exchanged(
    worlds: dict[bool, World], pieces: list[bytes], expected: int
) -> dict[bool, Exchange]:
    """The same pieces down both ways, until both are quiet and alike, or one will not come.

    ``expected`` is how many answers each must give at least, if that is known.
    """
    loop = asyncio.get_running_loop()
    found = {hot: Exchange() for hot in worlds}
    tasks = [loop.create_task(one.run(worlds[hot], pieces)) for hot, one in found.items()]
    deadline = loop.time() + PATIENCE
    silent, before = 0, [one.state for one in found.values()]
    try:
        while True:
            await asyncio.sleep(TURN)
            now = [one.state for one in found.values()]
            silent = silent + 1 if now == before else 0
            before = now
            whole = all(one.received.count(b"HTTP/1.1 ") >= expected for one in found.values())
            alike = now[0] == now[1] or all(one.closed for one in found.values())
            if silent >= QUIET and ((alike and whole) or loop.time() > deadline):
                return found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def records_of(world: World) -> dict[str, list[Any]]:
    """What was recorded, by message id, but for identity and time."""
    found: dict[str, list[Any]] = defaultdict(list)
    for record in world.records():
        assert isinstance(record, Hit)
        capture = capture_of(record, lambda _: False)
        target = capture.target
        found[target.message_id].append(
            (
                capture.act,
                capture.method,
                capture.ip,
                capture.tls,
                capture.headers,
                type(target).__name__,
            )
        )
    return found


Case = tuple[str, list[bytes]]


async def compare(tmp_path: Path, cases: list[Case], answered: int = 0) -> int:
    """Send every case down both ways; all differences are reported together.

    ``answered`` is how many answers each case has at least.

    Returns how many of them left records.
    """
    gate = asyncio.Semaphore(100)
    answers: dict[str, dict[bool, tuple[bytes, bool]]] = {}
    async with AsyncExitStack() as stack:
        worlds = {}
        for hot in (True, False):
            place = tmp_path / ("hot" if hot else "cold")
            place.mkdir()
            worlds[hot] = await stack.enter_async_context(
                serving(place, hot=hot, max_connections=1000)
            )

        async def one(name: str, pieces: list[bytes]) -> None:
            async with gate:
                found = await exchanged(worlds, pieces, answered)
                answers[name] = {
                    hot: (normal(way.received, name), way.closed) for hot, way in found.items()
                }

        await asyncio.gather(*(one(*case) for case in cases))
    recorded = {hot: records_of(world) for hot, world in worlds.items()}
    different = []
    for name, pieces in cases:
        mid = f"{name}@x"
        seen = answers[name][True], recorded[True].get(mid)
        expected = answers[name][False], recorded[False].get(mid)
        reset = (b"", True) in (seen[0], expected[0])
        if seen != expected and not (reset and seen[0][1] and seen[1] == expected[1]):
            different.append(
                f"{[p[:120] for p in pieces]}\n  hot:     {seen}\n  aiohttp: {expected}"
            )
    assert not different, f"{len(different)} differ:\n" + "\n".join(different[:5])
    return len(recorded[True])


async def test_odd_requests_whole(tmp_path: Path) -> None:
    """Every stream of the corpus, sent in one piece."""
    cases = [(f"whole{i:03d}", [fill(s, f"whole{i:03d}")]) for i, s in enumerate(STREAMS)]
    assert await compare(tmp_path, cases) >= 25


async def test_odd_requests_cut_at_random_places(tmp_path: Path) -> None:
    """The same, cut in two and in three at places that differ from run to run."""
    choose = random.Random()
    cases = []
    for number, stream in enumerate(STREAMS):
        for attempt in range(6):
            name = f"cut{number:03d}x{attempt}"
            data = fill(stream, name)
            places = sorted(choose.sample(range(1, len(data)), 1 + attempt % 2))
            ends = [0, *places, len(data)]
            cases.append((name, [data[a:b] for a, b in itertools.pairwise(ends)]))
    await compare(tmp_path, cases)


@pytest.mark.parametrize("number", range(len(SPLIT_EVERYWHERE)))
async def test_requests_cut_at_every_place(tmp_path: Path, number: int) -> None:
    """Ordinary streams, cut in two after every byte."""
    size = len(fill(SPLIT_EVERYWHERE[number], "every0000"))
    cases = []
    for place in range(1, size):
        name = f"every{place:04d}"
        data = fill(SPLIT_EVERYWHERE[number], name)
        cases.append((name, [data[:place], data[place:]]))
    requests = SPLIT_EVERYWHERE[number].count(b" HTTP/1.1\r\n")
    await compare(tmp_path, cases, answered=requests)
