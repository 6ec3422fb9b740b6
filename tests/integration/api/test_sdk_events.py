"""Events through Mailgun's own Python SDK, with only the base URL changed."""

import asyncio

import mailgun.client

from edge.model.mailgun_json import event_id
from edge.store import partitions
from edge.store.pool import Pool
from tests.integration.api.worlds import OURS, World, serving
from tests.integration.store import worlds as stored

MINUTE = 60_000_000
COUNT = 7


async def test_the_python_sdk_reads_events(db: Pool) -> None:
    """Its ``get`` as its examples call it, its ``stream`` over several pages, and its errors."""
    async with serving(db) as world:
        now, number = world.clock.now_us(), world.domains[OURS].number
        opens = [
            stored.event(at=now - (COUNT - place) * MINUTE, domain=number) for place in range(COUNT)
        ]
        async with db.acquire() as conn:
            await partitions.ensure(conn, now_us=now)
            await stored.store(conn, *opens, stored.event(at=now, event="clicked", domain=number))
        await asyncio.to_thread(_everyday, world, [event_id(one.id) for one in opens])


def _everyday(world: World, ids: list[str]) -> None:
    client = mailgun.client.Client(auth=("api", world.key), api_url=world.url)
    newest = client.events.get(domain=OURS).json()
    assert [one["event"] for one in newest["items"]] == ["clicked", *["opened"] * COUNT]
    filters = {
        "begin": "Tue, 24 Nov 2020 09:00:00 -0000",
        "ascending": "yes",
        "limit": 3,
        "pretty": "yes",
        "event": "opened",
        "recipient": "ann@example.net",
    }
    page = client.events.get(domain=OURS, filters=filters)
    assert page.status_code == 200
    assert [one["id"] for one in page.json()["items"]] == ids[:3]
    assert [one["id"] for one in client.events.stream(domain=OURS, filters=filters)] == ids
    down = {"event": "opened", "limit": 2}
    assert [one["id"] for one in client.events.stream(domain=OURS, filters=down)] == ids[::-1]
    wrong = client.events.get(domain=OURS, filters={"event": "opened OR"})
    assert (wrong.status_code, "at character 10" in wrong.json()["message"]) == (400, True)
    assert client.events.get(domain="none.example.com").status_code == 404
