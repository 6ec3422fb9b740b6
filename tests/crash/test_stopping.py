"""A worker that is told to stop answers whom it has let in."""

import asyncio
from pathlib import Path

from tests.threats.serving import KEYRING, OPEN, OURS, hang_up, serving


async def test_a_request_that_follows_its_connection_into_a_stop_is_answered(
    tmp_path: Path,
) -> None:
    """Accepted before the stop, asked right after it: answered and recorded."""
    async with serving(tmp_path) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        await asyncio.sleep(0.05)
        async with asyncio.TaskGroup() as group:
            group.create_task(world.server.drain())
            await asyncio.sleep(0.05)
            path = b"/o/" + KEYRING.seal(OPEN).encode()
            writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: " + OURS + b"\r\n\r\n")
            answer = await asyncio.wait_for(reader.read(), 5)
        await hang_up(writer)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert world.acts() == ["OPEN"]
