"""``POST /v1/reports``: what came back over HTTP."""

from typing import Any

import aiohttp

from edge.store import keys
from edge.store.api_keys import Role
from edge.store.pool import Pool
from tests.integration.api.worlds import OTHER, OURS, World, serving
from tests.integration.sending.returning_worlds import bounce, complaint

ANN = "ann@example.net"
RAW = {"Content-Type": "message/rfc822"}


async def sent(db: Pool, world: World, name: str, recipient: str, message_id: str) -> None:
    """A message that was sent, as its rows have it."""
    at, domain = world.clock.now_us() - 1_000_000, world.domains[name].number
    number = 1_000 + await db.fetchval("SELECT count(*) FROM messages")
    await db.execute(
        "INSERT INTO messages (number, domain, key, message_id, accepted_at, sender, options) "
        "VALUES ($1, $2, $3, $4, $5, 'news', '{}')",
        *(number, domain, f"key{number}", message_id, at),
    )
    await db.execute(
        "INSERT INTO deliveries (id, message, domain, recipient, accepted_at, expires_at, "
        "attempts) VALUES ($1, $1, $2, $3, $4, $4, 1)",
        *(number, domain, recipient, at),
    )


async def test_a_report_acts_and_tells(db: Pool) -> None:
    """As a body, as a file and as a field: recorded, then known; the answer says what was done."""
    async with serving(db) as world:
        async with db.acquire() as conn:
            await keys.create_first(conn, world.api.vault)
        await sent(db, world, OURS, ANN, "m1@mg.example.com")
        raw = bounce(ANN, message_id="m1@mg.example.com")
        first = await world.ask("POST", "/v1/reports", data=raw, headers=RAW)
        form = aiohttp.FormData()
        form.add_field("message", raw, filename="bounce.eml")
        second = await world.ask("POST", "/v1/reports", data=form)
        third = await world.ask("POST", "/v1/reports", json={"message": raw.decode()})
        listed = await world.ask("GET", f"/v3/{OURS}/bounces/{ANN}")
    assert (first.status, first.json["outcome"]) == (200, "recorded")
    (done,) = first.json["matched"]
    assert (done["recipient"], done["by"], done["suppressed"]) == (ANN, "message-id", True)
    assert [second.json["outcome"], third.json["outcome"]] == ["duplicate"] * 2
    assert (listed.json["address"], listed.json["code"]) == (ANN, "550")
    assert listed.json["error"].endswith("User unknown")


async def test_explaining_does_nothing(db: Pool) -> None:
    """The structured verdict with its rule; a key that only reads may ask."""
    async with serving(db) as world:
        reader = await world.make_key(role=Role.ANALYST)
        said = await world.ask(
            "POST", "/v1/reports/explain", data=bounce(ANN), headers=RAW, key=reader
        )
        refused = await world.ask("POST", "/v1/reports", data=bounce(ANN), headers=RAW, key=reader)
        kept = await db.fetchval("SELECT count(*) FROM unparsed_returns")
    assert (said.status, said.json["kind"]) == (200, "bounce")
    (one,) = said.json["recipients"]
    assert (one["recipient"], one["severity"], one["reason"]) == (ANN, "permanent", "user-unknown")
    assert one["evidence"]["rule"] == "recipient"
    assert (refused.status, kept) == (403, 0)


async def test_a_domains_key_reports_for_its_domain(db: Pool) -> None:
    """What another domain sent does not exist for it."""
    async with serving(db) as world:
        key = await world.make_key(domain=OTHER)
        await sent(db, world, OURS, ANN, "m1@mg.example.com")
        raw = complaint(ANN, message_id="m1@mg.example.com")
        said = await world.ask("POST", "/v1/reports", data=raw, headers=RAW, key=key)
        assert said.json["outcome"] == "unparsed"
        assert await db.fetchval("SELECT count(*) FROM suppressions") == 0


async def test_bad_input(db: Pool) -> None:
    """Nothing, too much, twice, no mail: told so; nothing is written but what is kept unread."""
    async with serving(db, max_body=100_000) as world:
        nothings: list[dict[str, Any]] = [
            {"data": b"", "headers": RAW},
            {"json": {}},
            {"data": {"message": " "}},
        ]
        for given in nothings:
            said = await world.ask("POST", "/v1/reports", **given)
            assert (said.status, "message/rfc822" in said.message) == (400, True)
        said = await world.ask("POST", "/v1/reports", data=b"x" * 200_000, headers=RAW)
        assert said.status == 413
        said = await world.ask("POST", "/v1/reports", json={"message": ["a", "b"]})
        assert (said.status, "twice" in said.message) == (400, True)
        said = await world.ask("POST", "/v1/reports", data=b"\0\xff" * 100, headers=RAW)
        assert (said.status, said.json["outcome"]) == (200, "unparsed")
        assert (await world.ask("GET", "/v1/reports")).status in {404, 405}
        assert (await world.ask("POST", "/v1/reports", data=b"x", key="")).status == 401
