"""The plans of the statements that the API sends, as Postgres tells them."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from benchmarks.history import DAYS, History
from edge.model.conditions import EQUAL, Condition
from edge.model.expression import parse
from edge.model.periods import DAY_US, floor, following
from edge.store import event_pages, metrics, pool
from edge.store.event_pages import Place, Question
from edge.store.filters import Filter
from edge.store.partitions import day_name
from edge.store.pool import Connection
from edge.store.search import TimeCursor


class Recorder:
    """A connection that notes every statement it is given, with its parameters."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.sent: list[tuple[str, tuple[Any, ...]]] = []

    async def fetch(self, text: str, *given: Any, **more: Any) -> Any:
        """As asyncpg's."""
        self.sent.append((text, given))
        return await self._conn.fetch(text, *given, **more)

    async def execute(self, text: str, *given: Any, **more: Any) -> Any:
        """As asyncpg's; settings have no plan."""
        return await self._conn.execute(text, *given, **more)

    async def fetchrow(self, text: str, *given: Any, **more: Any) -> Any:
        """As asyncpg's."""
        self.sent.append((text, given))
        return await self._conn.fetchrow(text, *given, **more)

    async def fetchval(self, text: str, *given: Any, **more: Any) -> Any:
        """As asyncpg's."""
        self.sent.append((text, given))
        return await self._conn.fetchval(text, *given, **more)

    def transaction(self, **more: Any) -> AbstractAsyncContextManager[Any]:
        """As asyncpg's."""
        return self._conn.transaction(**more)


Work = Callable[[Any], Awaitable[Any]]


def _asked(history: History, now_us: int) -> dict[str, Work]:
    """One question of each kind, about the domain with the most events."""
    domain = min(history.domains)
    oldest = now_us - DAYS * DAY_US

    def events(place: Place | None = None, **fields: str) -> Work:
        trees = tuple((name.replace("_", "-"), parse(text)) for name, text in fields.items())
        wanted = Filter(domain=domain, begin=oldest, fields=trees)
        asked = Question(wanted, ascending=False, limit=100)
        return lambda conn: event_pages.turn(conn, asked, place or Place())

    def figures(*dimensions: str, tag: str = "") -> Work:
        today = floor(now_us, "day")
        asked = metrics.Question(
            domains=(domain,),
            begin=today - (DAYS - 1) * DAY_US,
            end=following(today, "day"),
            resolution="day",
            metrics=("opened_count", "unique_opened_count", "clicked_count", "clicked_rate"),
            dimensions=dimensions,
            conditions=(Condition("tag", EQUAL, (tag,)),) if tag else (),
        )
        return lambda conn: metrics.ask(conn, asked, now_us=now_us)

    deep = Place(TimeCursor(now_us - 20 * DAY_US, bytes(16)))
    message = f"{day_name(history.today - 3)}.7@{history.domains[domain]}"
    return {
        "events-first-page": events(),
        "events-deep-page": events(deep),
        "events-by-recipient": events(recipient="r100@gmail.com"),
        "events-by-message": events(message_id=message),
        "events-by-tag": events(tags="tag3"),
        "events-by-rare-tag": events(tags="tag99"),
        "events-by-subject": events(subject='"issue 99"'),
        "metrics-by-day-and-tag": figures("time", "tag"),
        "metrics-of-one-tag-by-day": figures("time", tag="tag3"),
        "metrics-by-day-and-country": figures("time", "country"),
    }


async def explain_all(url: str, history: History, directory: Path, now_us: int) -> None:
    """Write ``<kind>.txt`` for each kind: the statements and their plans."""
    directory.mkdir(exist_ok=True)
    async with pool.opened(url, max_size=1) as opened, opened.acquire() as conn:
        for name, work in _asked(history, now_us).items():
            recorder = Recorder(conn)
            await work(recorder)
            parts = []
            for text, given in recorder.sent:
                rows = await conn.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {text}", *given)
                plan = "\n".join(row[0] for row in rows)
                parts.append(f"{text.strip()}\n\n{plan}\n")
            (directory / f"{name}.txt").write_text("\n".join(parts), encoding="utf-8")
