"""mailgun.js with only the base URL changed: domains, suppressions, lists, a poller of events."""

import asyncio
import json
from pathlib import Path
from typing import Any

from edge.model.mailgun_json import event_id
from edge.store import partitions, rollups
from edge.store.pool import Pool
from tests.integration.api.figures import happen, message, opened
from tests.integration.api.node import node
from tests.integration.api.worlds import OURS, World, serving
from tests.integration.store import worlds as stored

MINUTE = 60_000_000
TAGS = ["bulk-email", "ghost-email"]
STATUS = json.dumps({"delivery-status": {"code": 550, "message": "no such user"}}).encode()


def _domains(got: dict[str, Any]) -> None:
    assert got["made"]["name"] == got["got"]["name"] == "js.example.com"
    assert got["got"]["state"] == "active"
    assert {one["record_type"] for one in got["got"]["sending_dns_records"]} == {"CNAME", "TXT"}
    assert sorted(got["listed"]) == ["js.example.com", OURS, "mg.example.net"]
    assert got["updated"]["web_scheme"] == "https"
    assert "Domain web prefix updated" in json.dumps(got["prefix"])
    assert got["authority"]["changed"] is False
    assert got["selector"]["message"] == "DKIM selector changed"
    assert got["connection"]["require_tls"] is False
    assert got["connected"]["require_tls"] is True
    assert got["tracking"]["click"] == {"active": False}
    assert got["open"]["open"]["active"] is True
    assert got["click"]["click"] == {"active": True}
    assert got["unsubscribe"]["unsubscribe"]["html_footer"] == "<p>Bye"
    assert got["login"]["message"] == "Created 1 credentials pair(s)"
    assert got["logins"]["totalCount"] == 1
    assert got["password"]["message"] == "Password changed"
    assert got["logout"]["message"] == "Credentials have been deleted"
    assert got["certificate"]["status"] == 404
    assert got["gone"]["message"] == "Domain will be deleted in the background"
    assert (got["missing"]["status"], got["missing"]["details"]) == (404, "Domain not found")


def _suppressions(got: dict[str, Any]) -> None:
    assert set(got) == {"bounces", "complaints", "unsubscribes", "whitelists"}
    for kind, one in got.items():
        assert "added to the" in one["made"]["message"], kind
        assert "ann@example.net" in (one["got"].get("address"), one["got"].get("value"))
        added = {"bounces": 3, "unsubscribes": 3, "complaints": 2, "whitelists": 1}[kind]
        assert one["pages"] == ["ann@example.net", "bob@example.net", "cyd@example.net"][:added]
        assert "removed" in one["removed"]["message"]
        assert one["again"]["status"] == 404
        assert "for this domain have been removed" in one["cleared"]["message"]
        assert one["left"] == 0
    assert got["unsubscribes"]["got"]["tags"] == ["news"]


def _lists(got: dict[str, Any]) -> None:
    address = f"news@{OURS}"
    assert got["made"]["address"] == got["got"]["address"] == address
    assert got["updated"]["name"] == "Newer"
    assert got["member"] == {
        "address": "ann@example.net",
        "name": "Ann",
        "subscribed": True,
        "vars": {"n": 1},
    }
    assert got["members"]["list"]["members_count"] == 3
    assert got["changed"]["name"] == got["one"]["name"] == "Anne"
    assert got["listed"] == ["ann@example.net", "bob@example.net"]
    assert got["removed"]["member"] == {"address": "ann@example.net"}
    assert got["lists"] == [address]
    assert got["gone"]["address"] == address
    assert got["missing"]["status"] == 404


def _webhooks(got: dict[str, Any]) -> None:
    a, b = "https://hooks.example.com/a", "https://hooks.example.com/b"
    assert a in json.dumps(got["made"])
    assert got["taken"]["status"] == 400
    for name in ("updated", "got"):
        assert got[name]["urls"] == [a, b], name
    assert got["listed"]["clicked"]["urls"] == [a, b]
    assert b in json.dumps(got["gone"])
    assert got["missing"]["status"] == 404


async def test_everyday_calls(db: Pool, node_modules: Path) -> None:
    """What its readme and examples do with domains, suppressions, lists and webhooks."""
    async with serving(db) as world:
        parts = ("domains", "suppressions", "lists", "webhooks")
        got = await asyncio.to_thread(node, node_modules, "everyday.js", world, *parts)
    _domains(got["domains"])
    _suppressions(got["suppressions"])
    _lists(got["lists"])
    _webhooks(got["webhooks"])


async def test_figures(db: Pool, node_modules: Path) -> None:
    """Statistics, metrics, logs and tags, of the domain and of the account."""
    async with serving(db) as world:
        await happen(
            world,
            {"event": "accepted"} | message(1, "news"),
            {"event": "delivered"} | message(1, "news"),
            opened() | message(1, "news"),
        )
        async with db.acquire() as conn:
            await rollups.run(conn, now_us=world.clock.now_us())
        said = await asyncio.to_thread(node, node_modules, "everyday.js", world, "figures")
    got = said["figures"]
    assert sum(one["opened"]["total"] for one in got["domain"]["stats"]) == 1
    assert sum(one["accepted"]["total"] for one in got["domain"]["stats"]) == 1
    assert sum(one["opened"]["total"] for one in got["account"]["stats"]) == 1
    (group,) = got["metrics"]["items"]
    assert group["metrics"] == {"opened_count": 1, "opened_rate": "1.0000"}
    assert got["usage"]["items"] == [] or "email_validation_count" in json.dumps(got["usage"])
    assert [one["event"] for one in got["logs"]["items"]] == ["opened"]
    assert [one["tag"] for one in got["tags"]["items"]] == ["news"]
    assert got["tag"]["tag"] == "news"
    assert got["described"]["message"] == "Tag updated"
    assert (got["statistic"]["tag"], got["statistic"]["description"]) == ("news", "What is new")
    for kind in ("country", "provider", "device"):
        told = {"country": "countries", "provider": "providers", "device": "devices"}[kind]
        assert sum(one["opened"] for one in got[told][kind].values()) == 1
    assert [one["tag"] for one in got["accountTags"]["items"]] == ["news"]
    assert got["limits"]["count"] == 1
    assert got["renamed"]["message"] == "Tag updated"
    assert got["gone"]["message"] == "Tag deleted"
    assert got["again"]["status"] == 404


async def _mailed(db: Pool, world: World) -> list[str]:
    """Events of a newsletter, and of others; the ids of those that its poller is to get."""
    now, number = world.clock.now_us(), world.domains[OURS].number
    kinds: list[dict[str, Any]] = [
        {"event": "accepted"},
        {"event": "delivered"},
        {"event": "opened"},
        {"event": "clicked"},
        {"event": "failed", "severity": "permanent", "reason": "bounce", "detail": STATUS},
        {"event": "unsubscribed"},
        {"event": "complained"},
        {"event": "opened", "message_id": "other@mg.example.com"},
    ]
    made = [
        stored.event(at=now - (20 - place) * MINUTE, domain=number, **kind)
        for place, kind in enumerate(kinds)
    ]
    told = [
        stored.facts(*TAGS, at=now - 30 * MINUTE, user_variables={"email-id": "63f"}),
        stored.facts("bulk-email", at=now - 30 * MINUTE, message_id="other@mg.example.com"),
    ]
    async with db.acquire() as conn:
        await partitions.ensure(conn, now_us=now)
        await stored.store(conn, *made, now=now, facts=told)
    return [event_id(made[place].id) for place in (1, 2, 4, 5, 6)]


async def test_a_newsletters_poller(db: Pool, node_modules: Path) -> None:
    """Ghost's calls: bounded by time, ascending, filters by OR and AND, pages by their id.

    Each event once, oldest first, in pages of any size; and all that it reads of an event.
    """
    async with serving(db) as world:
        wanted = await _mailed(db, world)
        got = (await asyncio.to_thread(node, node_modules, "everyday.js", world, "events"))[
            "events"
        ]
    assert [one["id"] for one in got["polled"]] == got["few"] == wanted
    assert [one["type"] for one in got["polled"]] == [
        *("delivered", "opened", "failed", "unsubscribed", "complained"),
    ]
    failed = got["polled"][2]
    assert (failed["severity"], failed["status"]) == ("permanent", 550)
    for one in got["polled"]:
        assert one["recipient"] == "ann@example.net"
        assert one["providerId"] == "m1@mg.example.com"
        assert one["emailId"] == "63f"
        assert isinstance(one["timestamp"], float)
    assert got["links"] == ["first", "last", "next", "previous"]
    assert got["wrong"]["status"] == 400
