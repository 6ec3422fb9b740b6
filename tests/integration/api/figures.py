"""Events with tags, bots, providers and failures, and a naive count of them in Python."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from edge.model.capture import Facts
from edge.model.event import ClientInfo, Event, Geolocation, Verdict
from edge.model.metrics import METRICS, sums_of, values
from edge.model.periods import DAY_US, floor
from edge.store import partitions
from edge.store.pool import Pool
from tests.integration.api.worlds import World
from tests.integration.store import worlds as stored


class Happened(msgspec.Struct, frozen=True):
    """One event and the tags of its message."""

    event: Event
    tags: tuple[str, ...]
    domain: str


def message(number: int, *tags: str) -> dict[str, Any]:
    """What events of one message have in common, and its tags."""
    return {"message_id": f"m{number}@mg.example.com", "tags": tags}


async def make_days(db: Pool, back: int) -> None:
    """Partitions from so many days ago on; before the world is made."""
    async with db.acquire() as conn:
        await conn.execute("DROP TABLE events_r30; DELETE FROM event_days")
        await partitions.ensure(conn, now_us=time.time_ns() // 1000 - back * DAY_US)


async def happen(world: World, *some: dict[str, Any]) -> list[Happened]:
    """Store events, each with ``domain`` (a name) and ``tags``; in one batch for each event.

    ``now`` of an entry is the time of receipt; otherwise the world's.
    """
    made = []
    now = world.clock.now_us()
    async with world.api.connection() as conn:
        await partitions.ensure(conn, now_us=now)
        for fields in some:
            given = dict(fields)
            tags, name = tuple(given.pop("tags", ())), given.pop("domain", "mg.example.com")
            number = world.domains[name].number
            event = stored.event(**{"at": now - 60_000_000} | given, domain=number)
            facts = Facts(event.at, number, event.message_id, list(tags))
            await stored.store(conn, event, now=now, facts=[facts])
            made.append(Happened(event, tags, name))
    return made


def opened(
    country: str = "DE", device: str = "desktop", bot: str = "", **more: Any
) -> dict[str, Any]:
    """An open."""
    return {
        "event": "opened",
        "geolocation": Geolocation(country, "Unknown", "Unknown"),
        "client": ClientInfo("browser", "Linux", device, "Chrome"),
        "verdict": Verdict(bot, (), "1"),
    } | more


def failed(severity: str, reason: str, **more: Any) -> dict[str, Any]:
    """A failure."""
    return {"event": "failed", "severity": severity, "reason": reason} | more


def key_of(event: Event) -> str:
    """As figures count it: written down here once more, on purpose."""
    if event.severity:
        return f"{event.event}/{event.severity}/{event.reason}"
    return f"{event.event}/{event.reason}" if event.reason else event.event


def uniques(happened: Iterable[Happened]) -> set[bytes]:
    """Ids of the events that are unique, for events within seven days, in order of storing."""
    seen: set[tuple[Any, ...]] = set()
    found = set()
    for one in happened:
        event = one.event
        if event.event in {"opened", "clicked", "unsubscribed"}:
            key = (one.domain, event.message_id, event.recipient, event.event, event.verdict.bot)
            if key not in seen:
                seen.add(key)
                found.add(event.id)
    return found


Values = Callable[[Happened], Iterable[tuple[Any, ...]]]


def naive(
    happened: list[Happened], names: Iterable[str], groups: Values
) -> dict[tuple[Any, ...], dict[str, int | str]]:
    """The metrics of each group; ``groups`` gives the groups that an event belongs to."""
    names = list(names)
    sums = sums_of(names)
    unique = uniques(happened)
    counted: dict[tuple[Any, ...], dict[str, list[int]]] = defaultdict(
        lambda: defaultdict(lambda: [0, 0])
    )
    for one in happened:
        key = key_of(one.event)
        if not any(each.counts(key) for each in sums):
            continue
        for group in groups(one):
            both = counted[group][key]
            both[0] += one.event.repeat
            both[1] += one.event.id in unique
    found = {}
    for group, keys in counted.items():
        plain = {key: (total, uniq) for key, (total, uniq) in keys.items()}
        found[group] = values(names, {each: each.of(plain) for each in sums})
    return found


def day(one: Happened) -> int:
    """The start of an event's day (µs)."""
    return floor(one.event.at, "day")


EVERY = tuple(METRICS)
