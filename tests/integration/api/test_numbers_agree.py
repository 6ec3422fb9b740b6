"""One number, whoever is asked: statistics, metrics, aggregates, command line, a plain count."""

import random
from typing import Any

from edge.api.params import parse_time, rfc1123
from edge.api.stats_json import AGGREGATES
from edge.model.periods import DAY_US
from edge.model.providers import provider_of
from edge.store import rollups, stats, verify
from edge.store.pool import Pool
from tests.integration.api.figures import (
    EVERY,
    Happened,
    day,
    failed,
    happen,
    make_days,
    message,
    naive,
    opened,
)
from tests.integration.api.worlds import OTHER, OURS, World, serving

METRICS = "/v1/analytics/metrics"
RECIPIENTS = ("ann@gmail.com", "bob@example.net", "eve@yahoo.com", "joe@GMail.com")
TAGS = ((), ("news",), ("news", "sale"), ("50% off_ \\ 'x'",))


def _random_events(chance: random.Random, now: int, count: int) -> list[dict[str, Any]]:
    """Events of six days; the oldest days are rolled up by the time they are asked for."""
    made = []
    for _ in range(count):
        number = chance.randrange(12)
        of_message = message(number, *TAGS[number % len(TAGS)])
        common = of_message | {
            "recipient": chance.choice(RECIPIENTS),
            "domain": (OURS, OURS, OTHER)[number % 3],
            "at": now - chance.randrange(1, 6 * DAY_US),
            "repeat": chance.choice((1, 1, 1, 4)),
        }
        made.append(
            chance.choice(
                (
                    opened(
                        chance.choice(("DE", "US", "Unknown")),
                        chance.choice(("desktop", "mobile")),
                        chance.choice(("", "", "generic", "apple")),
                    ),
                    opened() | {"event": "clicked", "url": "https://example.com/a"},
                    {"event": "accepted"},
                    {"event": "delivered"},
                    {"event": "delivered", "reason": "retried"},
                    {"event": "unsubscribed"},
                    {"event": "complained"},
                    failed("permanent", chance.choice(("bounce", "old", "suppress-bounce"))),
                    failed("permanent", chance.choice(("espblock", "delayed-bounce", "generic"))),
                    failed("temporary", chance.choice(("generic", "espblock"))),
                )
            )
            | common
        )
    return made


async def _metrics(world: World, **body: Any) -> dict[tuple[Any, ...], dict[str, Any]]:
    """All groups; of any number of metrics, ten at a time."""
    names = body.pop("metrics", EVERY)
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for start in range(0, len(names), 10):
        some = list(names[start : start + 10])
        limits = {"limit": 1000}
        answer = await world.ask(
            "POST", METRICS, json={"metrics": some, "pagination": limits} | body
        )
        assert answer.status == 200, answer.body
        for item in answer.json["items"]:
            values = tuple(
                parse_time(one["value"]) if one["dimension"] == "time" else one["value"]
                for one in item["dimensions"]
            )
            found.setdefault(values, {}).update(item["metrics"])
    return found


def _expected(happened: list[Happened], dimension: tuple[str, ...]) -> Any:
    def one_value(one: Happened, name: str) -> list[Any]:
        event = one.event
        match name:
            case "time":
                return [day(one)]
            case "domain":
                return [one.domain]
            case "tag":
                return list(one.tags)
            case "bot":
                return [event.verdict.bot]
            case "recipient_domain":
                return [event.recipient.rpartition("@")[2].lower()]
            case "recipient_provider":
                return [provider_of(event.recipient.rpartition("@")[2])]
            case "country":
                return [event.geolocation.country]
            case "device":
                return [event.client.device_type]
            case "client":
                return [event.client.client_name]
        return [event.url] if event.url else []

    def groups(one: Happened) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = [()]
        for name in dimension:
            found = [(*group, value) for group in found for value in one_value(one, name)]
        return found

    return groups


DIMENSIONS = (
    (),
    ("time",),
    ("time", "tag"),
    ("domain", "tag", "bot"),
    ("time", "recipient_domain"),
    ("recipient_provider", "tag"),
    ("country",),
    ("time", "domain", "device"),
    ("country", "device", "bot"),
    ("client", "link"),
)


async def test_every_way_of_asking_gives_the_same_numbers(db: Pool) -> None:
    """Random events, counted as they come and after roll-ups, by ten sets of dimensions."""
    chance = random.Random(20)
    await make_days(db, 8)
    async with serving(db) as world:
        now = world.clock.now_us()
        happened = await happen(world, *_random_events(chance, now, 150))
        start = rfc1123(now - 8 * DAY_US)
        for rolled in (False, True):
            if rolled:
                async with db.acquire() as conn:
                    await rollups.run(conn, now_us=now)
                    assert await verify.verify(conn, now_us=now) == []
                # What comes late to a day that is rolled up must be seen all the same.
                late = [one | {"at": now - 4 * DAY_US} for one in _random_events(chance, now, 10)]
                happened += await happen(world, *late)
            for dimensions in DIMENSIONS:
                found = await _metrics(world, start=start, dimensions=list(dimensions))
                wanted = naive(happened, EVERY, _expected(happened, dimensions))
                for group, values in wanted.items():
                    shown = {name: v for name, v in values.items() if name in found[group]}
                    assert found[group] == shown, (rolled, dimensions, group)
                assert set(found) == set(wanted), (rolled, dimensions)
        await _others_agree(world, db, happened, now)
        async with db.acquire() as conn:
            await rollups.run(conn, now_us=now)
            assert await verify.verify(conn, now_us=now) == []


async def _others_agree(world: World, db: Pool, happened: list[Happened], now: int) -> None:
    """The v3 statistics, the aggregates and the command line's figures."""
    ours = [one for one in happened if one.domain == OURS]
    by_day = naive(ours, EVERY, _expected(ours, ("time",)))
    kinds = "&".join(
        f"event={kind}"
        for kind in ("accepted", "delivered", "failed", "opened", "clicked", "unsubscribed")
    )
    answer = await world.ask("GET", f"/v3/{OURS}/stats/total?{kinds}&duration=7d")
    assert len(answer.json["stats"]) == 8
    for bucket in answer.json["stats"]:
        values = by_day.get((parse_time(bucket["time"]),), dict.fromkeys(EVERY, 0))
        assert bucket["opened"] == {
            "total": values["opened_count"],
            "unique": values["unique_opened_count"],
        }
        assert bucket["delivered"]["total"] == values["delivered_count"]
        assert bucket["failed"]["permanent"]["total"] == values["permanent_failed_count"]
        assert bucket["failed"]["permanent"]["bounce"] == values["hard_bounces_count"]
        assert (
            bucket["failed"]["temporary"]["espblock"]
            == (values["temporary_failed_esp_block_count"])
        )
    for what, dimension in (("devices", "device"), ("providers", "recipient_domain")):
        names = list(AGGREGATES.values())
        groups = naive(ours, names, _expected(ours, (dimension,)))
        answer = await world.ask("GET", f"/v3/{OURS}/aggregates/{what}")
        assert answer.json[what] == {
            group[0]: {told: values[metric] for told, metric in AGGREGATES.items()}
            for group, values in groups.items()
        }
    async with db.acquire() as conn:
        shown = await stats.totals(
            conn,
            world.domains[OURS].number,
            begin=now - 8 * DAY_US,
            end=now,
            resolution="day",
            now_us=now,
        )
    opens = {one.time: one.total for one in shown if one.event == "opened"}
    assert opens == {
        at: values["opened_count"] for (at,), values in by_day.items() if values["opened_count"]
    }
