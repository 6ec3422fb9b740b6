import hashlib
import re
from typing import Any

import pytest

from edge.api.routes import ROUTES
from edge.store import api_keys
from edge.store.api_keys import Role
from edge.store.pool import Pool
from tests.integration.api.worlds import OTHER, OURS, basic, serving

DOMAINS = "/v3/domains"


async def test_a_missing_or_wrong_key_gets_mailguns_answer(db: Pool) -> None:
    """401, the plain text Forbidden and the realm MG API; below every version, for every path."""
    async with serving(db, failures=0) as world:
        key = world.key
        wrong: list[dict[str, str]] = [
            {},
            {"Authorization": basic("key-0123456789ab-" + "A" * 43)},
            {"Authorization": basic(key[:-1] + ("A" if key[-1] != "A" else "B"))},
            {"Authorization": basic(key.upper())},
            {"Authorization": basic(key + " ")},
            {"Authorization": basic(key, user="root")},
            {"Authorization": f"Bearer {key}"},
            {"Authorization": "Basic"},
            {"Authorization": "Basic ====,"},
            {"Authorization": "Basic /////w=="},
            {"Authorization": "Basic " + "QUFB" * 1000},
        ]
        for headers in wrong:
            for path in (DOMAINS, f"/v4/domains/{OURS}", "/v1/nothing", "/v5/x"):
                got = await world.ask("GET", path, key="", headers=headers)
                assert (got.status, got.body) == (401, b"Forbidden"), headers
                assert got.headers["WWW-Authenticate"] == 'Basic realm="MG API"'
        assert (await world.ask("GET", DOMAINS)).status == 200


async def test_no_route_answers_without_a_good_key(db: Pool) -> None:
    """Generated over every route: 401 in Mailgun's words, before anything else is looked at."""
    async with serving(db, failures=0) as world:
        for route in ROUTES:
            path = re.sub(r"\{\w+\}", "1", route.path.replace("{name}", OURS))
            for key in ("", "key-0123456789ab-" + "A" * 43):
                got = await world.ask(route.method, path, key=key)
                assert (got.status, got.body) == (401, b"Forbidden"), route
                assert got.headers["WWW-Authenticate"] == 'Basic realm="MG API"'


async def test_health_and_metrics_stay_open(db: Pool) -> None:
    """What monitors ask needs no key; unknown paths elsewhere are a JSON 404 for everybody."""
    async with serving(db) as world:
        assert (await world.ask("GET", "/healthz", key="")).json == {"status": "ok"}
        assert (await world.ask("GET", "/readyz", key="")).status in {200, 503}
        assert (await world.ask("GET", "/metrics", key="")).status == 200
        for path in ("/", "/v9/domains", "/v3"):
            got = await world.ask("GET", path, key="")
            assert (got.status, got.json) == (404, {"message": "Not Found"})


async def test_an_expired_key_ends_at_its_moment(db: Pool) -> None:
    """Also one that is remembered as good."""
    async with serving(db) as world:
        key = await world.make_key(expires_at=world.clock.now_us() + 2_000_000)
        assert (await world.ask("GET", DOMAINS, key=key)).status == 200
        world.clock.advance(2.0)
        assert (await world.ask("GET", DOMAINS, key=key)).status == 401


async def test_a_revoked_key_ends_within_the_time_it_is_remembered(db: Pool) -> None:
    """Five seconds at most."""
    async with serving(db) as world:
        assert (await world.ask("GET", DOMAINS)).status == 200
        async with db.acquire() as conn:
            (row,) = await api_keys.list_keys(conn)
            await api_keys.revoke(conn, row.id, now_us=world.clock.now_us())
        world.clock.advance(5.1)
        assert (await world.ask("GET", DOMAINS)).status == 401


async def test_the_last_use_is_written_once_a_minute(db: Pool) -> None:
    """However often the key is used."""

    async def last() -> int | None:
        async with db.acquire() as conn:
            return (await api_keys.list_keys(conn))[0].last_used_at

    async with serving(db) as world:
        assert await last() is None
        await world.ask("GET", DOMAINS)
        first = await last()
        assert first == pytest.approx(world.clock.now_us(), abs=2)
        world.clock.advance(30)
        await world.ask("GET", DOMAINS)
        assert await last() == first
        world.clock.advance(31)
        await world.ask("GET", DOMAINS)
        assert await last() == pytest.approx(world.clock.now_us(), abs=2)


async def test_only_a_digest_is_stored(db: Pool) -> None:
    """No column of any row holds the key or its secret."""
    async with serving(db) as world:
        row = await db.fetchrow("SELECT * FROM api_keys")
        assert row is not None
        secret = world.key.split("-", 2)[2]
        assert secret not in str(dict(row))
        assert row["digest"] == hashlib.sha256(world.key.encode()).digest()


@pytest.mark.parametrize(
    "role, get, put",
    [(Role.ADMIN, 200, 200), (Role.ANALYST, 200, 403), (Role.SENDING, 403, 403)],
)
async def test_a_role_allows_what_it_says(db: Pool, role: Role, get: int, put: int) -> None:
    """An analyst reads, a sender only sends."""
    async with serving(db) as world:
        key = await world.make_key(role=role)
        path = f"/v3/domains/{OURS}/tracking"
        assert (await world.ask("GET", path, key=key)).status == get
        assert (await world.ask("PUT", path + "/open", key=key, data={})).status == put


async def test_a_domains_key_stays_in_its_domain(db: Pool) -> None:
    """It lists and shows its own, cannot add or delete domains, and dies with its domain."""
    async with serving(db) as world:
        key = await world.make_key(domain=OURS)
        listed = (await world.ask("GET", DOMAINS, key=key)).json
        assert (listed["total_count"], [d["name"] for d in listed["items"]]) == (1, [OURS])
        assert (await world.ask("GET", f"{DOMAINS}/{OURS}", key=key)).status == 200
        made = await world.ask("POST", DOMAINS, key=key, data={"name": "new.example.com"})
        assert made.status == 403
        assert (await world.ask("DELETE", f"{DOMAINS}/{OURS}", key=key)).status == 403
        assert (await world.ask("DELETE", f"{DOMAINS}/{OURS}")).status == 200
        await world.add_domain(OURS)
        world.clock.advance(6)
        assert (await world.ask("GET", DOMAINS, key=key)).status == 401


async def test_failures_are_throttled_per_address(db: Pool) -> None:
    """After the limit even a good key that is new here waits; one in use goes on; time heals."""
    async with serving(db, failures=3) as world:
        assert (await world.ask("GET", DOMAINS)).status == 200
        fresh = await world.make_key()
        wrong = [await world.ask("GET", DOMAINS, key="guess") for _ in range(5)]
        assert [got.status for got in wrong] == [401, 401, 401, 429, 429]
        assert int(wrong[-1].headers["Retry-After"]) == wrong[-1].json["retry-seconds"] == 20
        assert (await world.ask("GET", DOMAINS, key=fresh)).status == 429
        assert (await world.ask("GET", DOMAINS)).status == 200
        world.clock.advance(20)
        assert (await world.ask("GET", DOMAINS, key=fresh)).status == 200


async def test_a_forwarded_address_counts_only_from_a_proxy(db: Pool) -> None:
    """Otherwise every guess would come with an address of its own."""

    async def statuses(world: Any) -> list[int]:
        return [
            (
                await world.ask(
                    "GET", DOMAINS, key="guess", headers={"X-Forwarded-For": f"192.0.2.{number}"}
                )
            ).status
            for number in range(3)
        ]

    async with serving(db, failures=2) as world:
        assert await statuses(world) == [401, 401, 429]
        world.api.trusted = lambda address: address == "127.0.0.1"
        assert await statuses(world) == [401, 401, 401]


async def test_a_key_has_a_rate_of_its_own(db: Pool) -> None:
    """429 with the seconds to wait, both ways that clients read; other keys are not touched."""
    async with serving(db, rate=2) as world:
        got = [await world.ask("GET", DOMAINS) for _ in range(3)]
        assert [one.status for one in got] == [200, 200, 429]
        assert got[2].headers["Retry-After"] == "30"
        assert got[2].json["retry-seconds"] == 30
        assert (await world.ask("GET", DOMAINS, key=await world.make_key())).status == 200


async def test_without_a_database_the_answer_is_503(db: Pool) -> None:
    """JSON, with the seconds after which to come again; health goes on."""
    async with serving(db) as world:
        world.api.database = None
        got = await world.ask("GET", DOMAINS)
        assert (got.status, got.headers["Retry-After"]) == (503, "5")
        assert "Postgres" not in got.message
        assert (await world.ask("GET", "/healthz")).status == 200
        world.api.database = db
        assert (await world.ask("GET", f"{DOMAINS}/{OTHER}")).status == 200
