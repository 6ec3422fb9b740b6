"""One valid link asked for again and again: all answered, all counted, the spool bounded."""

from pathlib import Path

import pytest

from edge.model.capture import Act, Hit, Repeat
from edge.model.tokens import OpenTarget
from tests.integration.tracking.worlds import pipeline, requests_recorded, tracking
from tests.threats.serving import CLICK, KEYRING, OPEN, OURS, UNSUBSCRIBE, World

HEADERS = b" HTTP/1.1\r\nHost: " + OURS + b"\r\nUser-Agent: " + b"x" * 900 + b"\r\n\r\n"


def _request(path: str, method: bytes = b"GET") -> bytes:
    return method + b" " + path.encode() + HEADERS


def _spool_bytes(world: World) -> int:
    return sum(path.stat().st_size for path in (world.directory / "spool").glob("*.seg"))


@pytest.mark.parametrize("fsync", [False, True], ids=["write", "fsync"])
@pytest.mark.parametrize("hot", [True, False], ids=["hot", "aiohttp"])
async def test_repeats_are_counted_exactly_and_the_spool_stays_small(
    tmp_path: Path, hot: bool, fsync: bool
) -> None:
    """3,000 requests for one token with a limit of 50: one number, a few kilobytes."""
    total = 3000 if hot else 600
    request = _request(f"/o/{KEYRING.seal(OPEN)}")
    async with tracking(tmp_path, hot=hot, fsync=fsync, repeat_limit=50) as world:
        await pipeline(world, request, total, b"HTTP/1.1 200 OK")
        assert requests_recorded(world) == total
        assert sum(isinstance(record, Hit) for record in world.records()) <= 52
        assert _spool_bytes(world) < 52 * 1400 + total * 60


async def test_repeats_survive_rotation_and_a_new_minute(tmp_path: Path) -> None:
    """The hit that repeats refer to is written anew wherever the old one cannot be referred to."""
    request = _request(f"/c/{KEYRING.seal(CLICK)}")
    async with tracking(tmp_path, repeat_limit=5) as world:
        for number in range(6):
            await pipeline(world, request, 40, b"HTTP/1.1 302 Found")
            if number % 2:
                world.server._spool.rotate()
            else:
                world.server.recorder.new_minute()
        assert requests_recorded(world) == 240
        assert any(isinstance(record, Repeat) for record in world.records())


async def test_other_tokens_and_methods_are_not_collapsed(tmp_path: Path) -> None:
    """The limit is per token; a HEAD, which machines send, is counted apart from GETs."""
    async with tracking(tmp_path, repeat_limit=5) as world:
        first = _request(f"/o/{KEYRING.seal(OPEN)}")
        await pipeline(world, first, 20, b"HTTP/1.1 200 OK")
        head = _request(f"/o/{KEYRING.seal(OPEN)}", b"HEAD")
        await pipeline(world, head, 5, b"HTTP/1.1 200 OK")
        for number in range(20):
            other = OpenTarget(1, 1, f"{number}@example.com", "ada@example.org")
            await pipeline(world, _request(f"/o/{KEYRING.seal(other)}"), 1, b"HTTP/1.1 200")
        assert requests_recorded(world) == 45
        hits = [record for record in world.records() if isinstance(record, Hit)]
        assert len(hits) == 6 + 5 + 20


async def test_no_limit_means_a_record_each(tmp_path: Path) -> None:
    """0 switches it off."""
    async with tracking(tmp_path, repeat_limit=0) as world:
        await pipeline(world, _request(f"/o/{KEYRING.seal(OPEN)}"), 700, b"HTTP/1.1 200 OK")
        assert sum(isinstance(record, Hit) for record in world.records()) == 700


async def test_unsubscribing_again_and_again_does_not_fill_the_disk(tmp_path: Path) -> None:
    """Each POST is answered and on disk; above the limit it takes a few bytes, not a head."""
    body = b"List-Unsubscribe=One-Click"
    path = f"/u/{KEYRING.seal(UNSUBSCRIBE)}"
    form = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 26\r\n"
    request = _request(path, b"POST").replace(b"User-Agent", form + b"User-Agent") + body
    async with tracking(tmp_path, repeat_limit=10) as world:
        await pipeline(world, request, 150, b"HTTP/1.1 200 OK")
        assert requests_recorded(world) == 150
        hits = [record for record in world.records() if isinstance(record, Hit)]
        assert len(hits) <= 12
        assert {hit.act for hit in hits} == {Act.UNSUBSCRIBE}
        undo = await world.post(path, b"action=unsubscribe")
        assert undo.status == 200
