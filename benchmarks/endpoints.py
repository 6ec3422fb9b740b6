"""Webhook endpoints for the benchmark, a process of their own: one port answers, one is dead.

``python -m benchmarks.endpoints`` prints both ports on one line and serves until it is ended. What
answers does as little as can be: it counts to the end of each request's body and says 200.
"""

import asyncio
from typing import cast

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Answering(asyncio.Protocol):
    """Says 200 to each request that has come in whole."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._data = b""

    def data_received(self, data: bytes) -> None:
        """Answer as many requests as are complete."""
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower()
            length = int(head.partition(b"content-length:")[2].split()[0])
            if len(self._data) < end + 4 + length:
                return
            self._data = self._data[end + 4 + length :]
            self._transport.write(ANSWER)


async def serve() -> None:
    """Open both ports and never end."""
    loop = asyncio.get_running_loop()
    good = await loop.create_server(Answering, "127.0.0.1", 0, backlog=1024)
    dead = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0, backlog=1024)
    print(*(one.sockets[0].getsockname()[1] for one in (good, dead)), flush=True)
    await good.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
