"""Budgets of keys, and what answers tell of them; the clock is ours."""

import pytest

from edge.api.limits import Budget, budget_of
from edge.observe import metrics
from edge.store.pool import Pool
from tests.integration.api.calls import MESSAGE, send
from tests.integration.api.worlds import OURS, serving

BOUNCES = f"/v3/{OURS}/bounces"
METRICS = "/v1/analytics/metrics"


@pytest.mark.parametrize(
    "method, path, budget",
    [
        ("POST", "/v3/mg.example.com/messages", Budget.SENDING),
        ("POST", "/v3/mg.example.com/messages.mime", Budget.SENDING),
        ("POST", "/v3/domains/mg.example.com/messages/key", Budget.SENDING),
        ("GET", "/v3/domains/mg.example.com/messages/key", Budget.REQUESTS),
        ("POST", "/v3/domains", Budget.REQUESTS),
        ("POST", "/v3/mg.example.com/bounces", Budget.REQUESTS),
        ("POST", "/v1/analytics/logs", Budget.ANALYTICS),
        ("GET", "/v1/analytics/nothing", Budget.ANALYTICS),
        ("GET", "/v9/nothing", Budget.REQUESTS),
    ],
)
def test_what_a_call_draws_on(method: str, path: str, budget: Budget) -> None:
    """By path and method alone, so that calls without a route count too."""
    assert budget_of(method, path) is budget


async def test_the_budgets_are_apart(db: Pool) -> None:
    """A key that has used one up still has the others; the clock gives it back, slowly."""
    async with serving(db, rate=2, send_rate=1, query_rate=1) as world:
        assert (await send(world, MESSAGE)).status == 200
        assert (await send(world, MESSAGE)).status == 429
        assert [(await world.ask("GET", BOUNCES)).status for _ in range(3)] == [200, 200, 429]
        assert (await world.ask("GET", METRICS)).status == 404
        assert (await world.ask("GET", METRICS)).status == 429
        world.clock.advance(10.0)
        assert (await world.ask("GET", METRICS)).status == 404
        assert (await world.ask("GET", BOUNCES)).status == 429
        world.clock.advance(20.0)
        assert (await world.ask("GET", BOUNCES)).status == 200
        assert (await send(world, MESSAGE)).status == 429
        world.clock.advance(30.0)
        assert (await send(world, MESSAGE)).status == 200


async def test_five_hundred_queries_in_ten_seconds(db: Pool) -> None:
    """Mailgun's limit of its analytics: the 501st waits a fiftieth of a second, told as one."""
    async with serving(db, query_rate=500) as world:
        for _ in range(500):
            assert world.api.queries.take("1") == 0
        wait = world.api.queries.take("1")
        assert wait == pytest.approx(0.02)
        world.clock.advance(0.02)
        assert world.api.queries.take("1") == 0
        world.clock.advance(10.0)
        assert world.api.queries.left("1") == 500


async def test_too_many_says_when_to_come_again(db: Pool) -> None:
    """``Retry-After`` and ``retry-seconds`` agree; in Mailgun's words where mail is sent."""
    async with serving(db, send_rate=2, rate=6) as world:
        counter = metrics.API_LIMITED.labels("sending")
        before = counter._value.get()
        got = [await send(world, MESSAGE) for _ in range(3)][-1]
        assert (got.status, got.headers["Retry-After"]) == (429, "30")
        assert got.json == {
            "message": f"Domain {OURS} is not allowed to send: account-requests-per-sec limit "
            "exceeded, try again after 30 seconds",
            "retry-seconds": 30,
        }
        assert counter._value.get() == before + 1
        other = await world.make_key()
        assert (await send(world, MESSAGE, key=other)).status == 200


async def test_answers_tell_what_is_left(db: Pool) -> None:
    """``X-RateLimit-*`` with messages, ``X-Request-*`` with suppressions, on errors and files too.

    No ``X-RateLimit-Reset``: one client reads seconds there, and the real service gives
    milliseconds.
    """
    async with serving(db, rate=60, send_rate=60) as world:
        sent = await send(world, MESSAGE)
        wrong = await send(world, [("from", "nobody")])
        assert [one.headers["X-RateLimit-Remaining"] for one in (sent, wrong)] == ["59", "58"]
        assert sent.headers["X-RateLimit-Limit"] == "60"
        assert "X-RateLimit-Reset" not in sent.headers
        now = world.clock.now()
        for remaining, path in (
            ("59", BOUNCES),
            ("58", f"{BOUNCES}/ann@example.net"),
            ("57", f"{BOUNCES}?format=csv"),
        ):
            got = await world.ask("GET", path)
            assert got.headers["X-Request-Remaining"] == remaining
            assert got.headers["X-Request-Limit"] == "60"
            full = now + 60 - int(remaining)
            assert int(got.headers["X-Request-Reset"]) == pytest.approx(full * 1000, abs=1)
        plain = await world.ask("GET", "/v3/domains")
        assert not any(name.startswith(("X-Rate", "X-Request-L")) for name in plain.headers)


async def test_without_a_limit_nothing_is_told(db: Pool) -> None:
    """0 is off: no header invents a number."""
    async with serving(db) as world:
        for got in (await send(world, MESSAGE), await world.ask("GET", BOUNCES)):
            assert not any(name.endswith(("-Limit", "-Remaining")) for name in got.headers)


async def test_every_answer_is_for_this_client_only(db: Pool) -> None:
    """Not to be stored nor guessed at; the key is named by its number; no header lets pages of
    other origins read it, whoever asks."""
    async with serving(db) as world:
        origin = {"Origin": "https://evil.example"}
        for path, status in (("/v3/domains", 200), ("/v3/nothing", 404), (METRICS, 404)):
            got = await world.ask("GET", path, headers=origin)
            assert got.status == status
            assert got.headers["Cache-Control"] == "no-store"
            assert got.headers["X-Content-Type-Options"] == "nosniff"
            assert got.headers["X-Mailgun-Key-Id"].isdigit()
            assert "Access-Control-Allow-Origin" not in got.headers
        preflight = {**origin, "Access-Control-Request-Headers": "authorization"}
        got = await world.ask("OPTIONS", "/v3/domains", key="", headers=preflight)
        assert got.status == 401
        assert not any(name.startswith("Access-Control") for name in got.headers)
