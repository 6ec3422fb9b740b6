"""The traps of Mailgun's API on which its clients fall: one check for each, by its number.

What is asked here in small is tested at length elsewhere; this is the list.
"""

import json
import re
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Any, Final

import pytest

from edge.api import openapi
from edge.store import partitions
from edge.store.pool import Pool
from edge.webhooks.delivery import Poster
from tests.integration.api.calls import ANN, MESSAGE, changed, send
from tests.integration.api.figures import happen, message, opened
from tests.integration.api.worlds import OURS, World, serving
from tests.integration.store import worlds as stored
from tests.integration.webhooks.receivers import receiving
from tests.integration.webhooks.worlds import LOOPBACK

Check = Callable[[World], Awaitable[None]]
ANALYTICS: Final = "/v1/analytics"
EVENTS: Final = f"/v3/{OURS}/events"
DOMAIN: Final = f"/v3/domains/{OURS}"
MINUTE: Final = 60_000_000
STATUS: Final = b'{"delivery-status": {"code": 550}}'


async def _with_events(world: World, *kinds: dict[str, Any]) -> None:
    now, number = world.clock.now_us(), world.domains[OURS].number
    made = [
        stored.event(at=now - (9 - place) * MINUTE, domain=number, **kind)
        for place, kind in enumerate(kinds)
    ]
    told = [stored.facts("news", at=now - 10 * MINUTE, user_variables={"order": "7"})]
    async with world.api.connection() as conn:
        await partitions.ensure(conn, now_us=now)
        await stored.store(conn, *made, now=now, facts=told)


async def never_created(world: World) -> None:
    """1: no 201 anywhere; 202 for imports and certificates alone."""
    for path, item in openapi.document(world.url)["paths"].items():
        for call in item.values():
            assert "201" not in call["responses"]
            if "202" in call["responses"]:
                assert path.endswith("/import") or path.startswith("/v2/x509/"), path
    made = await world.ask("POST", "/v3/lists", data={"address": f"news@{OURS}"})
    assert made.status == 200


async def codes_of_two_kinds(world: World) -> None:
    """2: the code of a bounce is a text, that of a delivery status a number."""
    await world.ask("POST", f"/v3/{OURS}/bounces", data={"address": ANN, "code": "551"})
    got = await world.ask("GET", f"/v3/{OURS}/bounces/{ANN}")
    assert got.json["code"] == "551"
    await _with_events(world, {"event": "failed", "severity": "permanent", "detail": STATUS})
    (event,) = (await world.ask("GET", EVENTS)).json["items"]
    assert event["delivery-status"]["code"] == 550


async def brackets_of_ids(world: World) -> None:
    """3: the id of a sent message is in angle brackets, that in its events is not."""
    sent = (await send(world, MESSAGE)).json["id"]
    assert re.fullmatch(r"<[^<>]+>", sent)
    (event,) = (await world.ask("GET", EVENTS)).json["items"]
    assert event["message"]["headers"]["message-id"] == sent.strip("<>")
    found = await world.ask("GET", EVENTS, params={"message-id": sent})
    assert len(found.json["items"]) == 1


async def pages_both_ways(world: World) -> None:
    """4 and 5: tokens without a slash work by path and by query; four links, always."""
    empty = (await world.ask("GET", EVENTS)).json["paging"]
    assert set(empty) == {"first", "last", "next", "previous"}
    await _with_events(world, *({"event": "opened"} for _ in range(3)))
    page = (await world.ask("GET", f"{EVENTS}?limit=2")).json
    path, _, query = page["paging"]["next"].removeprefix(world.url).partition("?")
    assert re.fullmatch(rf"{re.escape(EVENTS)}/[A-Za-z0-9_-]+", path)
    by_path = await world.ask("GET", path)
    by_query = await world.ask("GET", f"{EVENTS}?event=clicked&limit=100&{query}")
    assert by_path.json["items"] == by_query.json["items"]
    assert len(by_path.json["items"]) == 1
    for kind in ("bounces", "unsubscribes", "complaints", "whitelists"):
        links = (await world.ask("GET", f"/v3/{OURS}/{kind}")).json["paging"]
        assert len(set(links.values())) == 1, "on an empty table all are the first page's"
        assert set(links) == set(empty)


async def variables_are_objects_in_events(world: World) -> None:
    """6: an object in events, a JSON text in logs; the storage's URL a text, and in logs a list."""
    await send(world, [*MESSAGE, ("v:order", "7")])
    (event,) = (await world.ask("GET", EVENTS)).json["items"]
    assert event["user-variables"] == {"order": "7"}
    assert isinstance(event["storage"]["url"], str)
    (log,) = (await world.ask("POST", f"{ANALYTICS}/logs", json={})).json["items"]
    assert json.loads(log["user-variables"]) == {"order": "7"}
    assert log["storage"]["url"] == [event["storage"]["url"]]


async def rates_are_texts(world: World) -> None:
    """7: rates are texts with four decimals, counts numbers; no sum is divided by zero."""
    await happen(world, {"event": "delivered"} | message(1), opened() | message(1))
    asked = {"metrics": ["opened_count", "opened_rate", "complained_rate", "bounce_rate"]}
    (group,) = (await world.ask("POST", f"{ANALYTICS}/metrics", json=asked)).json["items"]
    assert group["metrics"] == {
        "opened_count": 1,
        "opened_rate": "1.0000",
        "complained_rate": "0.0000",
        "bounce_rate": "0.0000",
    }


async def uniques_are_by_person_and_bot(world: World) -> None:
    """14: one for each message, recipient and bot within seven days."""
    await happen(
        world,
        *(opened() | message(1) for _ in range(3)),
        *(opened(bot="apple") | message(1) for _ in range(2)),
        opened() | message(2),
    )
    asked = {"metrics": ["opened_count", "unique_opened_count"]}
    (group,) = (await world.ask("POST", f"{ANALYTICS}/metrics", json=asked)).json["items"]
    assert group["metrics"] == {"opened_count": 6, "unique_opened_count": 3}


async def webhooks_are_signed_in_texts(world: World) -> None:
    """15 and 16: the timestamp is a text of whole seconds, the token has 50 characters."""
    async with receiving() as receiver:
        world.api.poster = lambda: Poster(world.clock, allowed=LOOPBACK)
        path, url = f"{DOMAIN}/webhooks/opened/test", f"{receiver.url}/200/x"
        for _ in range(2):
            assert (await world.ask("PUT", path, data={"url": url})).json["code"] == 200
            world.clock.advance(100)
        first, second = (post.signature for post in receiver.posts)
    assert re.fullmatch(r"\d{10}", first["timestamp"])
    assert re.fullmatch("[0-9a-f]{50}", first["token"])
    assert re.fullmatch("[0-9a-f]{64}", first["signature"])
    assert int(second["timestamp"]) - int(first["timestamp"]) == 100


async def unknown_analytics(world: World) -> None:
    """8: below /v1/analytics/ what is not there has the one key ``error``, wrong methods too."""
    for method in ("GET", "POST", "PUT", "DELETE"):
        got = await world.ask(method, f"{ANALYTICS}/nothing")
        assert got.status == 404
        assert set(got.json) == {"error"}
        assert "not found" in got.json["error"]
    for path in ("metrics", "logs", "tags"):
        got = await world.ask("GET", f"{ANALYTICS}/{path}")
        assert (got.status, set(got.json)) == (404, {"error"}), path


async def forbidden(world: World) -> None:
    """9: 401 is the text ``Forbidden``, with the realm."""
    got = await world.ask("POST", f"/v3/{OURS}/messages", key="wrong")
    assert (got.status, got.body) == (401, b"Forbidden")
    assert got.headers["WWW-Authenticate"] == 'Basic realm="MG API"'


async def every_spelling(world: World) -> None:
    """10: every boolean, and JSON under any name."""
    for word in ("yes", "true", "True", "TRUE", "1", "on"):
        got = await world.ask("PUT", f"{DOMAIN}/tracking/open", data={"active": word})
        assert got.json["open"]["active"] is True, word
    for word in ("no", "false", "False", "0", "off"):
        got = await world.ask("PUT", f"{DOMAIN}/tracking/open", data={"active": word})
        assert got.json["open"]["active"] is False, word
    for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
        got = await world.ask(
            "PUT",
            f"{DOMAIN}/tracking/open",
            data=b'{"active": "yes"}',
            headers={"Content-Type": kind},
        )
        assert got.json["open"]["active"] is True, kind


async def both_versions(world: World) -> None:
    """11: domains in v3 and v4 alike; tags by path and by query, with a plus for a space."""
    await send(world, [*MESSAGE, ("o:tag", "spring sale")])
    by_query = await world.ask("GET", f"/v3/{OURS}/tag?tag=spring+sale")
    for written in ("spring%20sale", "spring+sale"):
        by_path = await world.ask("GET", f"/v3/{OURS}/tags/{written}")
        assert by_path.json == by_query.json, written
        assert by_path.json["tag"] == "spring sale"
    for method, path in (("GET", ""), ("GET", f"/{OURS}"), ("PUT", f"/{OURS}")):
        third = await world.ask(method, f"/v3/domains{path}")
        fourth = await world.ask(method, f"/v4/domains{path}")
        assert third.json == fourth.json


async def zones(world: World) -> None:
    """12: suppressions and statistics say UTC, domains GMT, lists -0000, metrics +0000.

    Tags and webhooks have RFC 3339, which Go's client reads.
    """
    await world.ask("POST", f"/v3/{OURS}/bounces", data={"address": ANN})
    await world.ask("POST", f"/v3/{OURS}/whitelists", data={"address": ANN})
    await world.ask("POST", "/v3/lists", data={"address": f"news@{OURS}"})
    for path, place, zone in (
        (f"/v3/{OURS}/bounces/{ANN}", "created_at", "UTC"),
        (f"/v3/{OURS}/whitelists/{ANN}", "createdAt", "UTC"),
        (DOMAIN, "domain", "GMT"),
        (f"/v3/lists/news@{OURS}", "list", "-0000"),
    ):
        said = (await world.ask("GET", path)).json[place]
        said = said["created_at"] if isinstance(said, dict) else said
        assert said.endswith(f" {zone}"), path
        assert abs(parsedate_to_datetime(said).timestamp() - world.clock.now()) < 5
    stats = await world.ask("GET", f"/v3/{OURS}/stats/total?event=opened")
    assert stats.json["stats"][0]["time"].endswith(" UTC")
    figures = await world.ask("POST", f"{ANALYTICS}/metrics", json={})
    assert figures.json["start"].endswith(" +0000")
    await send(world, [*MESSAGE, ("o:tag", "news")])
    tag = await world.ask("GET", f"/v3/{OURS}/tag?tag=news")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", tag.json["first-seen"])
    hook = {"url": "https://hooks.example.com/", "event_types": "opened"}
    await world.ask("POST", "/v1/webhooks", data=hook)
    (made,) = (await world.ask("GET", "/v1/webhooks")).json["webhooks"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["created_at"])


async def html_only_is_true(world: World) -> None:
    """13: ``click.active`` is a boolean, also where it is ``htmlonly``."""
    got = await world.ask("PUT", f"{DOMAIN}/tracking/click", data={"active": "htmlonly"})
    assert got.json["click"]["active"] is True
    shown = await world.ask("GET", f"{DOMAIN}/tracking")
    assert shown.json["tracking"]["click"]["active"] is True


async def in_test_mode(world: World) -> None:
    """17: a message in test mode has its events."""
    await send(world, [*MESSAGE, ("o:testmode", "True")])
    (event,) = (await world.ask("GET", f"{EVENTS}?event=accepted")).json["items"]
    assert event["flags"]["is-test-mode"] is True


async def empty_dates(world: World) -> None:
    """18: an empty date is none."""
    await _with_events(world, {"event": "opened"})
    got = await world.ask("GET", f"{EVENTS}?begin=&end=")
    assert (got.status, len(got.json["items"])) == (200, 1)
    bounce = {"address": ANN, "created_at": ""}
    assert (await world.ask("POST", f"/v3/{OURS}/bounces", data=bounce)).status == 200


async def no_magnificence(world: World) -> None:
    """1.1: clients take a 200 of an unknown path for a wrong base URL; it is a JSON 404."""
    for path in ("/", "/messages", f"/{OURS}/messages", "/v3", "/v3/"):
        got = await world.ask("POST", path, data={"from": "x"})
        assert got.status in {401, 404}, path
        assert b"Magnificent" not in got.body


async def what_is_not_offered(world: World) -> None:
    """Parts of Mailgun that are not here are named; a message that needs one is refused."""
    for path, word in (
        (f"/v3/{OURS}/templates", "templates"),
        ("/v3/routes/1", "Routes"),
        ("/v4/address/validate", "Validation"),
        (f"/v3/domains/{OURS}/ips", "addresses"),
        ("/v5/accounts/subaccounts", "accounts"),
        ("/v1/keys", "keys"),
    ):
        got = await world.ask("GET", path)
        assert (got.status, "not offered here" in got.message) == (404, True), path
        assert word in got.message
    refused = await send(world, changed(text=None, template="welcome"))
    assert (refused.status, "not offered" in refused.message) == (400, True)


CHECKS: Final[tuple[Check, ...]] = (
    never_created,
    codes_of_two_kinds,
    brackets_of_ids,
    pages_both_ways,
    variables_are_objects_in_events,
    rates_are_texts,
    uniques_are_by_person_and_bot,
    webhooks_are_signed_in_texts,
    unknown_analytics,
    forbidden,
    every_spelling,
    both_versions,
    zones,
    html_only_is_true,
    in_test_mode,
    empty_dates,
    no_magnificence,
    what_is_not_offered,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_trap(db: Pool, check: Check) -> None:
    """Each in a world of its own."""
    async with serving(db, failures=0) as world:
        await check(world)
