"""A TCP door to Postgres that cuts connections at the worst moments."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


class Proxy:
    """Forwards to a unix socket. ``cut_copies`` and ``cut_commits`` are how many cuts are left.

    While it is ``shut`` it lets nobody in; :meth:`shut_now` throws out who is inside as well.
    """

    def __init__(self, upstream: Path) -> None:
        self._upstream = upstream
        self.port = 0
        self.cut_copies = 0
        self.cut_commits = 0
        self.cuts = 0
        self.shut = False
        self._inside: set[asyncio.StreamWriter] = set()

    async def shut_now(self) -> None:
        """As if the server had died."""
        self.shut = True
        for writer in self._inside:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if self.shut:
            writer.transport.abort()
            return
        self._inside.add(writer)
        up_reader, up_writer = await asyncio.open_unix_connection(str(self._upstream))
        answers = asyncio.get_running_loop().create_task(self._answers(up_reader, writer))
        copying = False
        try:
            while data := await reader.read(65536):
                if self.cut_copies and copying:
                    self.cut_copies -= 1
                    self.cuts += 1
                    up_writer.write(data[: len(data) // 2])
                    break
                if self.cut_commits and b"COMMIT;" in data:
                    self.cut_commits -= 1
                    self.cuts += 1
                    answers.cancel()  # the client never hears how it ended
                    up_writer.write(data)
                    await up_writer.drain()
                    break
                copying = b"COPY" in data
                up_writer.write(data)
        except OSError:
            pass  # the client went away: so do we
        finally:
            self._inside.discard(writer)
            writer.transport.abort()
            await asyncio.sleep(0.02)
            up_writer.close()
            answers.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await answers

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()


@asynccontextmanager
async def proxied(upstream: Path) -> AsyncIterator[Proxy]:
    """A proxy on a free port of the loopback."""
    proxy = Proxy(upstream)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await server.wait_closed()
