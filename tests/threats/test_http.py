"""What a hostile client can send, and what answers let out."""

import asyncio
import contextlib
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge.model.capture import client_ip
from edge.model.tokens import Level
from edge.tracking.other_way import MAX_BODY
from edge.tracking.pages import confirm
from edge.tracking.server import IDLE_SECONDS
from tests.threats.serving import (
    CLICK,
    KEYRING,
    OPEN,
    OURS,
    UNSUBSCRIBE,
    hang_up,
    read_answer,
    serving,
)

START = f"/o/{KEYRING.seal(OPEN)} HTTP/1.1\r\nHost: ".encode() + OURS + b"\r\n"
MALFORMED = (
    b"GET /\r\n\r\n",
    b"GET " + START + b"Host: other.example\r\n\r\n",
    b"GET " + START + b" folded: line\r\n\r\n",
    b"GET " + START + b"Bad Name: x\r\n\r\n",
    b"GET " + START + b"X: a\x00b\r\n\r\n",
    b"GET " + START + b"Name : x\r\n\r\n",
    b"POST " + START + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST " + START + b"Content-Length: +4\r\n\r\nabcd",
    b"POST " + START + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
    b"POST " + START.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET " + START.replace(b"1.1", b"2.7") + b"\r\n",
    b"GET /o/x HTTP/1.1\r\n\r\n",
    b"GET " + START + b"X: " + b"a" * 9000 + b"\r\n\r\n",
    b"GET " + START + b"X: a\r\n" * 200 + b"\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100),
)


@pytest.mark.parametrize("request_bytes", MALFORMED, ids=range(len(MALFORMED)))
async def test_malformed_requests_are_refused_and_not_recorded(
    tmp_path: Path, request_bytes: bytes
) -> None:
    """A 4xx (or a closed connection), never a 5xx, never a record; the next client is served."""
    async with serving(tmp_path) as world:
        received = await world.raw(request_bytes, seconds=1.5)
        if received:
            assert 400 <= read_answer(received).status < 500
        assert world.acts() == []
        assert (await world.get(f"/o/{KEYRING.seal(OPEN)}")).status == 200


async def test_a_smuggled_second_request_is_not_served(tmp_path: Path) -> None:
    """Two lengths for one body end the connection: what follows is no request."""
    token = KEYRING.seal(CLICK)
    inner = f"GET /c/{token} HTTP/1.1\r\nHost: ".encode() + OURS + b"\r\n\r\n"
    outer = (
        b"POST /o/x HTTP/1.1\r\nHost: "
        + OURS
        + b"\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    async with serving(tmp_path) as world:
        received = await world.raw(outer + inner, seconds=1.5)
        assert b"302" not in received
        assert world.acts() == []


async def test_a_body_above_the_limit_is_refused(tmp_path: Path) -> None:
    """64 KiB is enough for any form here; more is not read to its end."""
    async with serving(tmp_path) as world:
        path = f"/u/{KEYRING.seal(UNSUBSCRIBE)}"
        answer = await world.post(path, b"List-Unsubscribe=One-Click&a=" + b"x" * (MAX_BODY + 1))
        assert 400 <= answer.status < 500
        assert world.acts() == []


async def test_connections_above_the_cap_are_closed(tmp_path: Path) -> None:
    """Idle connections cannot use up the process; those that were there stay."""
    async with serving(tmp_path, max_connections=10) as world:
        opened = [await asyncio.open_connection("127.0.0.1", world.port) for _ in range(10)]
        await asyncio.sleep(0.1)
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        assert await _ended(reader)
        assert world.server.refused >= 1
        await hang_up(writer)
        for _, kept in opened:
            assert not kept.is_closing()
            await hang_up(kept)


async def _ended(reader: asyncio.StreamReader, seconds: float = 2) -> bool:
    """Whether the server closes within this time (an error answer before it is fine)."""
    try:
        await asyncio.wait_for(reader.read(-1), seconds)
        return True
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("hot", [True, False], ids=["hot", "aiohttp"])
async def test_a_connection_that_should_close_is_closed(tmp_path: Path, hot: bool) -> None:
    """``Connection: close`` is obeyed at once on both ways."""
    token = KEYRING.seal(OPEN)
    last = f"GET /o/{token} HTTP/1.1\r\nHost: ".encode() + OURS + b"\r\nConnection: close\r\n\r\n"
    async with serving(tmp_path, hot=hot) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(last)
        answers = await asyncio.wait_for(reader.read(-1), 1)
        assert answers.count(b"HTTP/1.1 200") == 1
        assert read_answer(answers).headers["connection"] == "close"
        await hang_up(writer)
        assert world.acts() == ["OPEN"]


@pytest.mark.parametrize("hot", [True, False], ids=["hot", "aiohttp"])
async def test_silent_partial_and_dripping_clients_are_cut_off(tmp_path: Path, hot: bool) -> None:
    """Each is closed after the deadline (here 1 s for 15), however it goes on sending."""
    assert IDLE_SECONDS <= 15
    async with serving(tmp_path, hot=hot, idle=1) as world:

        async def lasts(start: bytes, drip: bytes) -> float:
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            begun = time.monotonic()
            writer.write(start)
            ended = asyncio.ensure_future(_ended(reader, 6))
            while not ended.done():
                with contextlib.suppress(ConnectionError):
                    writer.write(drip)
                await asyncio.sleep(0.2)
            assert await ended
            await hang_up(writer)
            return time.monotonic() - begun

        seconds = await asyncio.gather(
            lasts(b"", b""), lasts(b"GET " + START, b""), lasts(b"GET " + START, b"X: a\r\n")
        )
        assert max(seconds) < 5


@pytest.mark.parametrize("hot", [True, False], ids=["hot", "aiohttp"])
async def test_answers_are_never_cached_and_leak_nothing(tmp_path: Path, hot: bool) -> None:
    """``no-store`` everywhere; no referrer from a redirect or a page; no frame, no script."""
    async with serving(tmp_path, hot=hot) as world:
        pixel = await world.get(f"/o/{KEYRING.seal(OPEN)}")
        click = await world.get(f"/c/{KEYRING.seal(CLICK)}")
        page = await world.get(f"/u/{KEYRING.seal(UNSUBSCRIBE)}")
        missing = await world.get("/nothing")
    for answer in (pixel, click, page, missing):
        assert "no-store" in answer.headers["cache-control"]
        assert "set-cookie" not in answer.headers
        assert "Python" not in answer.headers.get("server", "")
    for answer in (click, page):
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "noindex" in answer.headers["x-robots-tag"]
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_pages_escape_what_a_sender_can_choose() -> None:
    """List names and addresses are text, never markup."""
    target = replace(
        UNSUBSCRIBE,
        recipient='"><script>x</script>@example.org',
        level=Level.LIST,
        names=["<img src=x>@example.com"],
    )
    page = confirm(target, None)
    assert "<script" not in page
    assert "<img" not in page


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("198.51.100.1", ["192.0.2.7"], "198.51.100.1"),
        ("10.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", ["203.0.113.9", "192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", ["192.0.2.7", "10.0.0.2"], "192.0.2.7"),
        ("10.0.0.1", ["192.0.2.7", "junk"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
    ],
)
def test_a_forwarded_address_is_believed_only_from_a_proxy(
    peer: str, forwarded: list[str], expected: str
) -> None:
    """The right-most address that no trusted proxy vouched for; anything else is a claim."""
    assert client_ip(peer, forwarded, lambda ip: ip.startswith("10.")) == expected
