"""A client that sends messages over HTTP and SMTP, and keeps a book of what was answered.

Two of three messages go through the API, the others through SMTP submission. Every copy has a
recipient of its own, ``RUN-NUMBER-COPY@crash.test``; every fifth message has three of them, and
now and then one is large enough to be handled on its own.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import aiohttp
import aiosmtplib

from tests.crash.smarthost import PATIENCE, Aside

CONNECTIONS = 16
ANSWER_SECONDS = 20.0
SENDER = "Crash <crash@sandbox.localhost>"
TAKEN = ("200", "250")
LARGE = "A long line of a large message, again and again.\r\n" * 6_500


def recipients(run: str, number: int) -> list[str]:
    """To whom a message goes."""
    return [f"{run}-{number}-{copy}@crash.test" for copy in range(3 if number % 5 == 0 else 1)]


@dataclass
class Book:
    """What became of each message of one run, by number.

    ``taken`` got 200 or 250; ``unsent`` found nobody to speak to; ``doubtful`` was asked for, and
    answered otherwise or not at all.
    """

    run: str
    taken: list[int] = field(default_factory=list)
    unsent: list[int] = field(default_factory=list)
    doubtful: list[int] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    longest_pause: float = 0.0

    def copies(self, numbers: list[int]) -> list[str]:
        """The recipients of these messages."""
        return [one for number in numbers for one in recipients(self.run, number)]


class Senders:
    """Sends ``rate`` messages a second as long as it is let; every ``large``-th one is large.

    Without ``smtp_port`` all of them go through the API.
    """

    def __init__(
        self, url: str, key: str, smtp_port: int, run: str, rate: float, large: int
    ) -> None:
        self.book = Book(run)
        self.stopping = False
        self._url = url
        self._smtp_port = smtp_port
        self._large = large
        self._headers = {"Authorization": aiohttp.encode_basic_auth("api", key)}
        self._interval = 1.0 / rate
        self._numbers = itertools.count()
        self._next = 0.0
        self._answered = 0.0

    async def work(self) -> None:
        """Send until told to stop; every answer that is owed is waited for."""
        self._next = self._answered = time.monotonic()
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        async with (
            aiohttp.ClientSession(
                headers=self._headers, timeout=timeout, connector=connector
            ) as session,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(CONNECTIONS):
                group.create_task(self._sender(session))

    async def _sender(self, session: aiohttp.ClientSession) -> None:
        while not self.stopping:
            now = time.monotonic()
            self._next = max(self._next + self._interval, now - 1.0)
            await asyncio.sleep(max(0.0, self._next - now))
            number = next(self._numbers)
            by_smtp = self._smtp_port and number % 3 == 0
            how = await (self._submit(number) if by_smtp else self._send(session, number))
            self.book.answers[how] += 1
            if how in TAKEN:
                self.book.taken.append(number)
                pause = time.monotonic() - self._answered
                self.book.longest_pause = max(self.book.longest_pause, pause)
                self._answered = time.monotonic()
            elif how == "unsent":
                self.book.unsent.append(number)
            else:
                self.book.doubtful.append(number)
            if how not in TAKEN:
                await asyncio.sleep(0.2)

    async def _send(self, session: aiohttp.ClientSession, number: int) -> str:
        """The status of the answer, or what came instead of it."""
        fields = {
            "from": SENDER,
            "to": ", ".join(recipients(self.book.run, number)),
            "subject": f"{self.book.run} {number}",
            "html": f'<p>Message {number}. <a href="https://example.com/{number}">See</a></p>',
            "o:tag": self.book.run,
        }
        if number % self._large == 0:
            fields["text"] = LARGE
        try:
            async with session.post(self._url, data=fields) as answer:
                body: Any = await answer.json()
                fine = answer.status != 200 or body["message"] == "Queued. Thank you."
                return str(answer.status) if fine else "wrong"
        except aiohttp.ClientConnectorError:
            return "unsent"
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return type(error).__name__

    async def _submit(self, number: int) -> str:
        """The same over SMTP."""
        message = EmailMessage()
        message["From"] = SENDER
        message["Subject"] = f"{self.book.run} {number}"
        message["X-Mailgun-Tag"] = self.book.run
        large = number % self._large == 0
        message.set_content(LARGE if large else f"See https://example.com/{number}\n")
        try:
            refused, answer = await aiosmtplib.send(
                message,
                sender="crash@sandbox.localhost",
                recipients=recipients(self.book.run, number),
                hostname="127.0.0.1",
                port=self._smtp_port,
                start_tls=False,
                timeout=ANSWER_SECONDS,
            )
        except aiosmtplib.SMTPConnectError:
            return "unsent"
        except aiosmtplib.SMTPResponseException as error:
            return str(error.code)
        except (aiosmtplib.SMTPException, OSError) as error:
            return type(error).__name__
        return "250" if not refused and answer.startswith("2.0.0 OK") else "wrong"


@contextmanager
def sending(aside: Aside, senders: Senders) -> Iterator[Book]:
    """Traffic for the duration of a block; the book is complete after it."""
    work = aside.start(senders.work())
    try:
        yield senders.book
        assert not work.done(), "the client ended"
    finally:
        senders.stopping = True
        work.result(ANSWER_SECONDS + PATIENCE)
