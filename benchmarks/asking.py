"""Random questions over a month of events, and how long their answers take over HTTP."""

import base64
import http.client
import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from benchmarks.history import DAYS, RECIPIENTS, TAGS, History
from edge.store.partitions import day_name

Request = tuple[str, str, bytes | None]
"""Method, path with query, body."""

DEEP = 50
"""Pages of 100 that lie before a deep one."""


class Asker:
    """One keep-alive connection with a key."""

    def __init__(self, port: int, history: History, seed: int) -> None:
        self._history = history
        self._random = random.Random(seed)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        secret = base64.b64encode(f"api:{history.key}".encode()).decode()
        self._headers = {"Authorization": f"Basic {secret}", "Content-Type": "application/json"}

    def ask(self, asked: Request) -> tuple[float, Any]:
        """Milliseconds until the whole answer was there, and the answer; RuntimeError if bad."""
        method, path, body = asked
        began = time.perf_counter()
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        raw = answer.read()
        took = (time.perf_counter() - began) * 1000
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {raw[:300]!r}")
        return took, json.loads(raw)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _zipf(self, count: int) -> int:
        return min(count, int((count + 1) ** self._random.random()))

    def _domain(self) -> str:
        names = list(self._history.domains.values())
        return names[self._zipf(len(names)) - 1]

    def _events(self, query: str, domain: str | None = None) -> Request:
        return "GET", f"/v3/{domain or self._domain()}/events?{query}", None

    def first_pages(self) -> Iterator[Request]:
        """The newest hundred events of a domain, or of one or two kinds."""
        while True:
            kind = self._random.choice(("", "event=clicked", "event=opened%20OR%20clicked"))
            yield self._events(kind)

    def deep_pages(self) -> Iterator[Request]:
        """Pages of a hundred after the fiftieth."""
        while True:
            _, page = self.ask(self._events(""))
            for _ in range(DEEP):
                if not page["items"]:
                    break
                _, page = self.ask(_followed(page))
            for _ in range(20):
                if not page["items"]:
                    break
                following = _followed(page)
                yield following
                _, page = self.ask(following)

    def recipients(self) -> Iterator[Request]:
        """All events of one recipient in a domain."""
        while True:
            number = self._zipf(RECIPIENTS)
            domains = ("gmail.com", "yahoo.com", "outlook.com", f"company{number % 500}.example")
            address = f"r{number}@{domains[number % 4]}"
            yield self._events(f"recipient={quote(address)}")

    def messages(self) -> Iterator[Request]:
        """All events of one message."""
        most = self._history.events // 4 // DAYS
        while True:
            day = day_name(self._history.today - self._random.randrange(DAYS))
            domain = self._domain()
            yield self._events(
                f"message-id={day}.{self._random.randint(1, most)}%40{domain}", domain
            )

    def tags(self) -> Iterator[Request]:
        """The newest events with one tag."""
        while True:
            yield self._events(f"tags=tag{self._zipf(TAGS)}")

    def figures(self) -> Iterator[Request]:
        """Opens, clicks and rates of thirty days by day and tag, of a domain or of one tag."""
        while True:
            conditions = [("domain", self._domain())]
            if self._random.random() < 0.5:
                conditions.append(("tag", f"tag{self._zipf(TAGS)}"))
            yield _metrics(["time", "tag"], conditions)

    def countries(self) -> Iterator[Request]:
        """The same by day and country."""
        while True:
            yield _metrics(["time", "country"], [("domain", self._domain())])

    def subjects(self) -> Iterator[Request]:
        """A word of the subject in one day: no index helps."""
        while True:
            day = (self._history.today - 1 - self._random.randrange(DAYS - 2)) * 86_400
            number = self._random.randrange(5000)
            yield self._events(f"subject={number}&begin={day}&end={day + 86_399}")


def _followed(page: dict[str, Any]) -> Request:
    parts = urlsplit(page["paging"]["next"])
    return "GET", f"{parts.path}?{parts.query}", None


def _metrics(dimensions: list[str], conditions: list[tuple[str, str]]) -> Request:
    body = {
        "resolution": "day",
        "duration": f"{DAYS - 1}d",
        "dimensions": dimensions,
        "metrics": ["opened_count", "unique_opened_count", "clicked_count", "clicked_rate"],
        "filter": {
            "AND": [
                {"attribute": name, "comparator": "=", "values": [{"label": value, "value": value}]}
                for name, value in conditions
            ]
        },
    }
    return "POST", "/v1/analytics/metrics", json.dumps(body).encode()


def timed(asker: Asker, requests: Iterator[Request], count: int) -> list[float]:
    """Milliseconds of so many answers."""
    return [asker.ask(next(requests))[0] for _ in range(count)]


Kind = Callable[[Asker], Iterator[Request]]
