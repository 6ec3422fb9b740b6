"""A client that asks for pixels, links and unsubscribes, and keeps a book of what was answered.

Run as a program of its own: ``python -m tests.crash.load DATA_DIR PORT RATE BOOK RUN``. Every
request has a message id of its own. A line is written to the book only after the whole answer was
read: ``A`` answered as it should be, ``R`` answered otherwise, ``F`` no whole answer (it was in
flight when something died). It stops on SIGTERM, and then prints one JSON line.
"""

import asyncio
import itertools
import json
import random
import signal
import sys
import time
from pathlib import Path

import uvloop

from edge.adapters.data_directory import read_vault
from edge.model.tokens import ClickTarget, Level, OpenTarget, UnsubscribeTarget
from edge.roster import snapshot

CONNECTIONS = 24
ANSWER_SECONDS = 15.0
URL = "https://example.com/landing?campaign=crash&part=%C3%A9"
AGENT = b"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
EVENTS = {"o": "opened", "c": "clicked", "u": "unsubscribed"}


def kind_of(number: int) -> str:
    """Of twenty requests thirteen are opens, six clicks, one unsubscribes."""
    place = number % 20
    return "u" if place == 19 else "c" if place % 3 == 2 else "o"


def message_id(run: str, number: int) -> str:
    """The message id of one request."""
    return f"{kind_of(number)}{number}@{run}.test"


def recipient(run: str, number: int) -> str:
    """The recipient of one request."""
    return f"{run}-{number}@example.org"


class Minter:
    """Makes requests with authentic tokens of the first domain in the roster."""

    def __init__(self, data_dir: Path, run: str) -> None:
        found = snapshot.load(data_dir / snapshot.FILE_NAME)
        assert found is not None, f"{data_dir} has no roster yet"
        self._keyring = found.keyring(read_vault(data_dir / "master.key"))
        self._domain = found.domains[0].number
        host = found.domains[0].tracking_host.encode()
        self._head = b" HTTP/1.1\r\nHost: " + host + b"\r\nUser-Agent: " + AGENT + b"\r\n"
        self._run = run

    def request(self, number: int) -> bytes:
        """The bytes of one request."""
        kind = kind_of(number)
        head = (1, self._domain, message_id(self._run, number), recipient(self._run, number))
        if kind == "o":
            path = "/o/" + self._keyring.seal(OpenTarget(*head))
        elif kind == "c":
            path = "/c/" + self._keyring.seal(ClickTarget(*head, 0, URL))
        else:
            path = "/u/" + self._keyring.seal(UnsubscribeTarget(*head, Level.DOMAIN, []))
            body = b"List-Unsubscribe=One-Click"
            more = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 26\r\n\r\n"
            return b"POST " + path.encode() + self._head + more + body
        return b"GET " + path.encode() + self._head + b"\r\n"


class Client:
    """Some connections that share a pace and a book."""

    def __init__(self, minter: Minter, port: int, rate: float, book: Path) -> None:
        self._minter = minter
        self._port = port
        self._gap = 1 / rate
        self._next = 0.0
        self._book = book.open("w", encoding="ascii", buffering=1 << 16)
        self._numbers = itertools.count(1)
        self._stopping = asyncio.Event()
        self.counts = {"A": 0, "R": 0, "F": 0}
        self.per_second: dict[int, int] = {}
        self.answered_at = time.monotonic()
        self.longest_pause = 0.0

    def note(self, outcome: str, number: int, status: int = 0) -> None:
        """Write one line of the book."""
        self.counts[outcome] += 1
        self._book.write(f"{outcome} {number} {status}\n")
        if outcome == "A":
            now = time.monotonic()
            self.longest_pause = max(self.longest_pause, now - self.answered_at)
            self.answered_at = now
            second = int(now)
            self.per_second[second] = self.per_second.get(second, 0) + 1

    async def _pace(self) -> None:
        now = time.monotonic()
        self._next = max(self._next, now - 0.2) + self._gap
        if self._next > now:
            await asyncio.sleep(self._next - now)

    async def _connection(self, index: int) -> None:
        """Keep-alive connections of many requests; every sixth makes a new one for each."""
        while not self._stopping.is_set():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            for _ in range(1 if index % 6 == 0 else random.randint(20, 400)):
                await self._pace()
                if self._stopping.is_set() or reader.at_eof() or writer.is_closing():
                    break
                if not await self._ask(reader, writer):
                    break
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        number = next(self._numbers)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                writer.write(self._minter.request(number))
                status, good = await read_answer(reader, kind_of(number))
        except (OSError, EOFError, TimeoutError):
            self.note("F", number)
            return False
        self.note("A" if good else "R", number, status)
        return True

    async def run(self) -> None:
        """Ask until SIGTERM; every answer that is owed is waited for."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stopping.set)
        async with asyncio.TaskGroup() as group:
            for index in range(CONNECTIONS):
                group.create_task(self._connection(index))
        self._book.close()


async def read_answer(reader: asyncio.StreamReader, kind: str) -> tuple[int, bool]:
    """Status, and whether it is the whole and right answer to this kind of request."""
    head = await reader.readuntil(b"\r\n\r\n")
    low = head.lower()
    at = low.find(b"\r\ncontent-length:")
    size = int(low[at + 17 : low.find(b"\r\n", at + 17)]) if at >= 0 else 0
    body = await reader.readexactly(size) if size else b""
    status = int(head[9:12])
    if kind == "o":
        return status, status == 200 and body.startswith(b"\x89PNG")
    if kind == "c":
        return status, status == 302 and f"\r\nLocation: {URL}\r\n".encode() in head
    return status, status == 200 and body == b"Unsubscribed.\n"


def main() -> None:
    """The program."""
    data_dir, port, rate, book, run = sys.argv[1:6]

    async def work() -> Client:
        client = Client(Minter(Path(data_dir), run), int(port), float(rate), Path(book))
        await client.run()
        return client

    begun = time.monotonic()
    client = uvloop.run(work())
    seconds = time.monotonic() - begun
    busy = sorted(client.per_second.values())
    print(
        json.dumps(
            {
                "answered": client.counts["A"],
                "otherwise": client.counts["R"],
                "in_flight": client.counts["F"],
                "seconds": round(seconds, 1),
                "answered_per_second": round(client.counts["A"] / seconds),
                "longest_pause": round(client.longest_pause, 2),
                "median_second": busy[len(busy) // 2] if busy else 0,
            }
        )
    )


if __name__ == "__main__":
    main()
