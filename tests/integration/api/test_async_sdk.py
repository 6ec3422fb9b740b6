"""Mailgun's asynchronous Python client, with only the base URL changed."""

import mailgun.client

from edge.model.mailgun_json import event_id
from edge.store import partitions
from edge.store.pool import Pool
from tests.integration.api.worlds import OURS, serving
from tests.integration.store import worlds as stored

MINUTE = 60_000_000
COUNT = 5
NEWS = f"news@{OURS}"


async def test_everyday_calls(db: Pool) -> None:
    """Domains, sending, lists and members, as its examples call them; errors are answers."""
    async with serving(db) as world:
        auth = ("api", world.key)
        async with mailgun.client.AsyncClient(auth=auth, api_url=world.url) as client:
            made = await client.domains.create(data={"name": "async.example.com"})
            assert made.json()["message"] == "Domain DNS records have been created"
            assert (await client.domainlist.get()).json()["total_count"] == 3
            put = await client.domains_tracking_open.put(domain=OURS, data={"active": "yes"})
            assert put.json()["open"]["active"] is True
            selected = await client.domains_dkimselector.put(
                domain=OURS, data={"dkim_selector": "s1"}
            )
            assert selected.json()["message"] == "DKIM selector changed"
            message = {"from": f"News <news@{OURS}>", "to": "ann@example.net", "text": "Hi"}
            files = [("attachment", ("a.txt", b"One"))]
            sent = await client.messages.create(domain=OURS, data=message, files=files)
            assert sent.json()["message"] == "Queued. Thank you."
            wrong = await client.messages.create(domain=OURS, data={"from": "sdsdsd"})
            assert wrong.status_code == 400
            made = await client.lists.create(domain=OURS, data={"address": NEWS})
            assert made.json()["list"]["address"] == NEWS
            member = {"address": "ann@example.net", "subscribed": True, "vars": '{"n": 1}'}
            made = await client.lists_members.create(domain=OURS, address=NEWS, data=member)
            assert made.json()["member"]["vars"] == {"n": 1}
            gone = await client.lists.delete(domain=OURS, address=NEWS)
            assert gone.json()["message"] == "Mailing list has been removed"
            gone = await client.domains.delete(domain="async.example.com")
            assert gone.status_code == 200
            assert (await client.domains.get(domain_name="async.example.com")).status_code == 404
        async with mailgun.client.AsyncClient(auth=("api", "no"), api_url=world.url) as client:
            assert (await client.domainlist.get()).status_code == 401


async def test_events_are_streamed(db: Pool) -> None:
    """Every event once, over pages of two, both ways; the stream ends by itself."""
    async with serving(db) as world:
        now, number = world.clock.now_us(), world.domains[OURS].number
        opens = [
            stored.event(at=now - (COUNT - place) * MINUTE, domain=number) for place in range(COUNT)
        ]
        ids = [event_id(one.id) for one in opens]
        async with db.acquire() as conn:
            await partitions.ensure(conn, now_us=now)
            await stored.store(conn, *opens)
        auth = ("api", world.key)
        async with mailgun.client.AsyncClient(auth=auth, api_url=world.url) as client:
            up = {"begin": str((now - 3600 * 1_000_000) // 1_000_000), "ascending": "yes"}
            for filters, wanted in (({}, ids[::-1]), (up, ids)):
                asked = {**filters, "limit": 2, "event": "opened"}
                found = [
                    one["id"] async for one in client.events.stream(domain=OURS, filters=asked)
                ]
                assert found == wanted
