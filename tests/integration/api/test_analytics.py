"""``/v1/analytics``: metrics, usage and logs; shapes, paging, and what is refused."""

import json
from typing import Any

import pytest

from edge.api.params import rfc1123
from edge.model.mailgun_json import event_id
from edge.model.periods import DAY_US, floor
from edge.store import pool
from edge.store.pool import Pool
from tests.integration.api.figures import failed, happen, message, opened
from tests.integration.api.worlds import OTHER, OURS, Answer, World, serving

METRICS = "/v1/analytics/metrics"
LOGS = "/v1/analytics/logs"
KEYS = {"start", "end", "resolution", "duration", "dimensions", "pagination", "items"} | {
    "aggregates"
}


def _where(attribute: str, comparator: str, *values: str) -> dict[str, Any]:
    listed = [{"label": value, "value": value} for value in values]
    return {"attribute": attribute, "comparator": comparator, "values": listed}


async def _some(world: World) -> list[str]:
    happened = await happen(
        world,
        {"event": "accepted"} | message(1, "news"),
        {"event": "delivered", "detail": b'{"storage":{"key":"k","url":"http://s/1"}}'}
        | message(1, "news"),
        opened() | message(1, "news"),
        opened(bot="apple") | message(1, "news"),
        {"event": "clicked", "url": "https://example.com/?a=1"} | message(1, "news"),
        failed("permanent", "bounce", recipient="bob@gmail.com", **message(2, "50%_")),
        opened("US", "mobile") | message(3) | {"domain": OTHER},
    )
    return [event_id(one.event.id) for one in happened]


async def test_metrics_by_time_leave_out_empty_buckets(db: Pool) -> None:
    """The recorded reply: bounds in UTC and cut to the resolution, counts, rates as texts."""
    async with serving(db) as world:
        await _some(world)
        now = world.clock.now_us()
        body = {
            "resolution": "day",
            "duration": "1m",
            "start": "Sun, 08 Jun 2025 00:00:00 +0000",
            "dimensions": ["time"],
            "metrics": ["opened_count", "unique_opened_count", "opened_rate", "bounce_rate"],
            "filter": {"AND": [_where("domain", "=", OURS)]},
            "include_subaccounts": True,
            "include_aggregates": True,
        }
        answer = await world.ask("POST", METRICS, json=body)
        assert set(answer.json) == KEYS
        today = rfc1123(floor(now, "day"), "+0000")
        assert answer.json["end"] == today
        assert (answer.json["duration"], answer.json["dimensions"]) == ("1m", ["time"])
        assert answer.json["pagination"] == {"sort": "", "skip": 0, "limit": 1500, "total": 1}
        (item,) = answer.json["items"]
        assert item["dimensions"] == [{"dimension": "time", "value": today, "display_value": today}]
        figures = {
            "opened_count": 2,
            "unique_opened_count": 2,
            "opened_rate": "2.0000",
            "bounce_rate": "0.5000",
        }
        assert item["metrics"] == figures
        assert answer.json["aggregates"] == {"metrics": figures}


async def test_dates_of_a_recorded_request(db: Pool) -> None:
    """A numeric zone becomes UTC; a month back from the end, whatever the start; odd weekday."""
    async with serving(db) as world:
        body = {
            "end": "Mon, 30 Nov 2024 20:56:50 -0500",
            "start": "Sun, 22 Jan 2023 00:00:00 GMT",
            "duration": "1m",
            "resolution": "hour",
            "dimensions": ["time"],
        }
        answer = await world.ask("POST", METRICS, json=body)
        assert answer.json["end"] == "Sun, 01 Dec 2024 01:00:00 +0000"
        assert answer.json["start"] == "Fri, 01 Nov 2024 01:00:00 +0000"
        assert answer.json["items"] == []
        assert answer.json["aggregates"] == {"metrics": {}}


async def test_sorting_paging_and_filters(db: Pool) -> None:
    """By a metric or a dimension, up and down; pages; every comparator."""
    async with serving(db) as world:
        await _some(world)

        async def values(**body: Any) -> list[Any]:
            answer = await world.ask("POST", METRICS, json=body)
            assert answer.status == 200, answer.body
            return [item["dimensions"][0]["value"] for item in answer.json["items"]]

        opens = {"metrics": ["opened_count"], "dimensions": ["domain"]}
        assert await values(**opens) == [OURS, OTHER]
        assert await values(**opens, pagination={"sort": "opened_count:asc"}) == [OTHER, OURS]
        assert await values(**opens, pagination={"sort": "domain:desc"}) == [OTHER, OURS]
        assert await values(**opens, pagination={"skip": 1, "limit": 1}) == [OTHER]
        answer = await world.ask("POST", METRICS, json={**opens, "pagination": {"skip": 5}})
        assert (answer.json["items"], answer.json["pagination"]["total"]) == ([], 2)
        for condition, expected in (
            (_where("domain", "!=", OURS), [OTHER]),
            (_where("domain", "contains", "EXAMPLE.NET"), [OTHER]),
            (_where("domain", "not contains", ".net"), [OURS]),
            (_where("bot", "=", "apple"), [OURS]),
            (_where("country", "=", "us"), [OTHER]),
            (_where("country", "!=", "US", "GB"), [OURS]),
            (_where("device", "contains", "obil"), [OTHER]),
            (_where("tag", "=", "NEWS"), [OURS]),
            (_where("tag", "contains", "%"), []),
            (_where("recipient_provider", "=", "other"), [OURS, OTHER]),
            (_where("subaccount", "=", "elsewhere"), []),
        ):
            assert await values(**opens, filter={"AND": [condition]}) == expected, condition
        bounces = {"metrics": ["hard_bounces_count"], "dimensions": ["recipient_provider"]}
        assert await values(**bounces) == ["Gmail"]
        links = {"metrics": ["clicked_count"], "dimensions": ["link", "subaccount"]}
        assert await values(**links) == ["https://example.com/?a=1"]


async def test_what_is_no_longer_counted_is_said(db: Pool) -> None:
    """Two dimensions of events, further back than events go: what is left, and a header."""
    async with serving(db) as world:
        await _some(world)
        body = {"dimensions": ["country", "device"], "duration": "1m", "metrics": ["opened_count"]}
        answer = await world.ask("POST", METRICS, json=body)
        assert "X-Edge-Counted-From" in answer.headers
        assert [item["metrics"] for item in answer.json["items"]] == [
            {"opened_count": 2},
            {"opened_count": 1},
        ]
        answer = await world.ask("POST", METRICS, json=body | {"duration": "1d"})
        assert "X-Edge-Counted-From" not in answer.headers


METRICS_REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"resolution": "week"}, "'resolution' attribute is invalid"),
    ({"metrics": ["opens"]}, "'opens' is not a valid metric"),
    ({"dimensions": ["colour"]}, "'colour' is not a valid dimension"),
    ({"dimensions": ["time", "tag", "bot", "domain"]}, "at most 3"),
    ({"metrics": {"a": 1}}, "'metrics' attribute is invalid"),
    ({"start": "soon"}, "start has to be"),
    ({"pagination": {"limit": 5000}}, "pagination: limit"),
    ({"pagination": {"sort": "name:up"}}, "'sort' attribute is invalid"),
    ({"pagination": [1]}, "'pagination' attribute is invalid"),
    ({"filter": {"OR": []}}, "'filter' attribute is invalid"),
    ({"filter": {"AND": [_where("colour", "=", "x")]}}, "not a valid filter predicate"),
    ({"filter": {"AND": [_where("tag", "~", "x")]}}, "the comparator of 'tag'"),
    ({"filter": {"AND": [_where("tag", "=")]}}, "the values of 'tag'"),
    ({"filter": {"AND": [_where("tag", "=", "a\u0000b")]}}, "the values of 'tag'"),
    ({"filter": {"AND": [_where("tag', DROP TABLE events", "=", "x")]}}, "not a valid filter"),
    ({"filter": {"AND": [_where("size", ">", "1")]}}, "not a valid filter predicate"),
)


async def test_metrics_that_are_refused(db: Pool) -> None:
    """Each mistake is named."""
    async with serving(db) as world:
        for body, text in METRICS_REFUSED:
            answer = await world.ask("POST", METRICS, json=body)
            assert answer.status == 400, body
            assert text in answer.message


async def test_bodies_as_clients_send_them(db: Pool) -> None:
    """JSON under any content type, none at all; not a list, not too deep, not too large."""
    async with serving(db) as world:
        await _some(world)
        text = json.dumps({"dimensions": ["domain"], "metrics": ["opened_count"]})
        for kind in ("application/x-www-form-urlencoded", "text/plain", "application/json"):
            answer = await world.ask("POST", METRICS, data=text, headers={"Content-Type": kind})
            assert len(answer.json["items"]) == 2, kind
        assert (await world.ask("POST", METRICS)).status == 200
        form = {"pagination": '{sort: "opened_count:desc", limit: 10}', "metrics": "opened_count"}
        answer = await world.ask("POST", METRICS, data=form)
        assert answer.json["items"][0]["metrics"] == {"opened_count": 3}
        deep = "[" * 100_000
        for wrong in (
            "[1, 2]",
            '{"a":' + deep,
            '{"metrics": ["opened_count"]',
            "{" + " " * 300_000,
        ):
            answer = await world.ask("POST", METRICS, data=wrong)
            assert answer.status in {400, 413}, wrong[:20]


async def test_usage_is_zero(db: Pool) -> None:
    """Products of Mailgun's: the shape is there, the figures are 0."""
    async with serving(db) as world:
        await _some(world)
        body = {"dimensions": ["subaccount"], "metrics": ["email_validation_count"]}
        answer = await world.ask("POST", "/v1/analytics/usage/metrics", json=body)
        assert set(answer.json) == KEYS
        mixed = {"dimensions": ["time"], "metrics": ["processed_count", "email_validation_count"]}
        answer = await world.ask("POST", "/v1/analytics/usage/metrics", json=mixed)
        assert answer.json["items"][0]["metrics"] == {
            "processed_count": 2,
            "email_validation_count": 0,
        }
        wrong = await world.ask("POST", "/v1/analytics/usage/metrics", json={"dimensions": ["tag"]})
        assert wrong.status == 400


def _ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    assert set(answer.json) == {"start", "end", "items", "pagination", "aggregates"}
    return [item["id"] for item in answer.json["items"]]


async def test_logs_show_events_their_own_way(db: Pool) -> None:
    """The places in which logs differ from the Events API."""
    async with serving(db) as world:
        ids = await _some(world)
        answer = await world.ask("POST", LOGS, json={"start": "", "end": ""})
        assert sorted(_ids(answer)) == sorted(ids)
        assert (answer.json["pagination"], answer.json["aggregates"]) == ({}, {})
        by_id = {item["id"]: item for item in answer.json["items"]}
        delivered, clicked = by_id[ids[1]], by_id[ids[4]]
        assert delivered["storage"]["url"] == ["http://s/1"]
        assert delivered["user-variables"] == "{}"
        assert delivered["domain"] == {"name": OURS}
        assert delivered["account"]["id"]
        assert "timestamp" not in delivered
        assert delivered["@timestamp"].endswith("Z")
        assert len(delivered["@timestamp"]) == 24
        assert set(clicked["flags"]) == {
            *("is-authenticated", "is-system-test", "is-routed"),
            *("is-test-mode", "is-delayed-bounce", "is-callback"),
        }
        start = "Wed, 05 Mar 2025 10:00:00 -0600"
        assert (await world.ask("POST", LOGS, json={"start": start})).json["start"] == start


async def test_logs_page_both_ways(db: Pool) -> None:
    """Tokens lead through all domains' events, newest or oldest first, and back; totals."""
    async with serving(db) as world:
        now = world.clock.now_us()
        some = [
            opened(at=now - (9 - place) * 60_000_000, domain=(OURS, OTHER)[place % 2])
            | message(place)
            for place in range(7)
        ]
        ids = [event_id(one.event.id) for one in await happen(world, *some)]
        for way, ordered in (("desc", ids[::-1]), ("asc", ids)):
            body = {
                "pagination": {"sort": f"timestamp:{way}", "limit": 3},
                "include_totals": True,
                "metric_events": ["opened_count"],
            }
            answer = await world.ask("POST", LOGS, json=body)
            assert answer.json["aggregates"] == {"all": 7, "metrics": {"opened_count": 7}}
            assert answer.json["pagination"]["total"] == 7
            found = _ids(answer)
            while answer.json["items"]:
                token = answer.json["pagination"]["next"]
                answer = await world.ask("POST", LOGS, json={"pagination": {"token": token}})
                found += _ids(answer)
            assert found == ordered
            token = answer.json["pagination"]["previous"]
            answer = await world.ask("POST", LOGS, json={"pagination": {"token": token}})
            assert _ids(answer) == ordered[-3:]
            key = await world.make_key(domain=OTHER)
            token = answer.json["pagination"]["first"]
            answer = await world.ask("POST", LOGS, json={"pagination": {"token": token}}, key=key)
            assert set(_ids(answer)) < set(ids)


async def test_logs_filters(db: Pool) -> None:
    """Every attribute with what it finds."""
    async with serving(db) as world:
        ids = await _some(world)
        for condition, expected in (
            (_where("event", "=", "clicked"), [4]),
            (_where("event", "!=", "opened", "clicked"), [0, 1, 5]),
            (_where("recipient", "=", "BOB@gmail.com"), [5]),
            (_where("recipient", "contains", "BOB"), [5]),
            (_where("recipient_domain", "=", "gmail.com"), [5]),
            (_where("recipient_provider", "=", "Gmail"), [5]),
            (_where("recipient_provider", "!=", "Other"), [5]),
            (_where("domain", "=", OTHER), [6]),
            (_where("domain", "=", "elsewhere.example"), []),
            (_where("message_id", "=", "<m2@mg.example.com>"), [5]),
            (_where("tag", "=", "50%_"), [5]),
            (_where("severity", "=", "permanent"), [5]),
            (_where("severity", "!=", "permanent"), [0, 1, 2, 3, 4, 6]),
            (_where("country", "=", "US"), [6]),
            (_where("bot", "=", "apple"), [3]),
            (_where("bot", "contains", "pp"), [3]),
            (_where("device", "=", "mobile"), [6]),
            (_where("id", "=", ids[2]), [2]),
            (_where("subject", "contains", "%"), []),
            (_where("subject", "not contains", "%"), list(range(7))),
            (_where("from", "contains", "' OR true --"), []),
            (_where("size", ">", "10"), []),
            (_where("user_variables", "contains", "x"), []),
            (_where("mailing_list_address", "contains", "x"), []),
            (_where("attachment_filename", "=", "x"), []),
            (_where("delivery_status_code", "=", "250"), []),
            (_where("is_routed", "=", "false"), list(range(7))),
            (_where("to", "contains", "x"), []),
            (_where("recipients", "contains", "bob@"), [5]),
            (_where("ip", "=", "192.0.2.1"), []),
            (_where("subaccount", "!=", "default"), []),
        ):
            answer = await world.ask("POST", LOGS, json={"filter": {"AND": [condition]}})
            assert sorted(_ids(answer)) == sorted(ids[place] for place in expected), condition
        answer = await world.ask("POST", LOGS, json={"events": ["accepted", "clicked"]})
        assert sorted(_ids(answer)) == sorted([ids[0], ids[4]])
        answer = await world.ask("POST", LOGS, json={"metric_events": ["bounced_count"]})
        assert _ids(answer) == [ids[5]]


LOGS_REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"filter": {"AND": [_where("colour", "=", "x")]}}, "'colour' is not a valid filter"),
    ({"filter": {"AND": [_where("tag", ">", "x")]}}, "'tag' can be compared with"),
    ({"filter": {"AND": [_where("id", "=", "x")]}}, "is not an event id"),
    ({"filter": {"AND": [_where("size", ">", "big")]}}, "size has to be compared"),
    ({"metric_events": ["opened_rate"]}, "not a valid metric event"),
    ({"pagination": {"limit": 101}}, "pagination: limit"),
    ({"pagination": {"token": "AAAA"}}, "The pagination token is wrong"),
    ({"start": "Wed, 05 Mar 2025 10:00:00 GMT", "end": "1"}, "start is after end"),
)


async def test_logs_that_are_refused(db: Pool) -> None:
    """Each mistake is named."""
    async with serving(db) as world:
        for body, text in LOGS_REFUSED:
            answer = await world.ask("POST", LOGS, json=body)
            assert answer.status == 400, body
            assert text in answer.message


async def test_wrong_methods_are_not_found(db: Pool) -> None:
    """As mailgun-python asserts: 404 with the one key ``error``."""
    async with serving(db) as world:
        for path in (METRICS, LOGS, "/v1/analytics/tags", "/v1/analytics/none"):
            answer = await world.ask("GET", path)
            assert answer.status == 404
            assert set(answer.json) == {"error"}
            assert "not found" in answer.json["error"]


async def test_a_day_before_is_the_default_of_logs(db: Pool) -> None:
    """Older events are not shown unless asked for."""
    async with serving(db) as world:
        now = world.clock.now_us()
        (one,) = await happen(world, opened(at=now - DAY_US - 3_600_000_000))
        assert _ids(await world.ask("POST", LOGS, json={})) == []
        asked = {"start": rfc1123(now - 2 * DAY_US)}
        assert _ids(await world.ask("POST", LOGS, json=asked)) == [event_id(one.event.id)]


@pytest.mark.parametrize(("method", "path"), [("POST", METRICS), ("GET", f"/v3/{OURS}/events")])
async def test_a_question_that_takes_too_long(
    db: Pool, database_url: str, method: str, path: str
) -> None:
    """It is the question's fault, and the answer says what to do: asking again would not help."""
    async with pool.opened(database_url, max_size=1) as impatient, serving(db) as world:
        async with impatient.acquire() as conn:
            await conn.execute("SET statement_timeout = 200")
        world.api.database = impatient
        async with db.acquire() as conn, conn.transaction():
            await conn.execute("LOCK TABLE events, hourly IN ACCESS EXCLUSIVE MODE")
            answer = await world.ask(method, path)
        assert (answer.status, "takes more than 30 s" in answer.message) == (400, True)
