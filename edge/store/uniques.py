"""Which events are unique: at most one per (domain, message, recipient, kind, bot) in 7 days.

The window starts with an event that counted (Mailgun's "rolling 7 days", metric definitions): the
next one more than seven days after it counts again. The state is one row per key, an 8-byte hash,
so the question costs one index look-up; two different keys share a hash once in 2^64.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from edge.model.event import Event
from edge.store.pool import Connection
from edge.store.sql import array_text, queries

WINDOW_US: Final = 7 * 86_400_000_000
_q = queries("events")


def unique_key(event: Event) -> int:
    """The signed 64-bit hash of what an event is unique by."""
    text = (
        f"{event.domain}\0{event.message_id}\0{event.recipient}\0{event.event}\0{event.verdict.bot}"
    )
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


async def mark(conn: Connection, keys_of: Sequence[int], times: Sequence[int]) -> list[bool]:
    """Whether each event counts as unique; the state moves on in the caller's transaction.

    ``keys_of`` are the events' keys and ``times`` their times as filed (µs), in the order in which
    they are to be judged. The rows are taken in key order, so two transactions never wait for each
    other in a circle.
    """
    flags = [False] * len(keys_of)
    places: dict[int, int] = {}
    again: list[tuple[int, int]] = []
    for place, key in enumerate(keys_of):
        if places.setdefault(key, place) != place:
            again.append((key, place))
    keys = sorted(places)
    rows = await conn.fetch(
        _q["count_unique"], array_text(keys), array_text(times[places[key]] for key in keys)
    )
    for row in rows:
        flags[places[row[0]]] = True
    if again:
        await _mark_again(conn, again, times, flags)
    return flags


async def _mark_again(
    conn: Connection, again: list[tuple[int, int]], times: Sequence[int], flags: list[bool]
) -> None:
    """Further events of keys that were judged once in this batch: their rows are locked by now."""
    rows = await conn.fetch(_q["find_unique"], array_text({key for key, _ in again}))
    until: dict[int, int] = {row[0]: row[1] for row in rows}
    moved: dict[int, int] = {}
    for key, place in again:
        if times[place] >= until[key]:
            flags[place] = True
            until[key] = times[place] + WINDOW_US
            moved[key] = times[place]
    if moved:
        ordered = sorted(moved)
        await conn.fetch(
            _q["count_unique"], array_text(ordered), array_text(moved[key] for key in ordered)
        )
