"""Mailing lists through Mailgun's own Python SDK, with only the base URL changed."""

import asyncio
import json

import mailgun.client

from edge.store.pool import Pool
from tests.integration.api.worlds import OURS, World, serving

DEVS = f"python_sdk@{OURS}"
MEMBER = {
    "subscribed": True,
    "address": "bar@example.com",
    "name": "Bob Bar",
    "description": "Developer",
    "vars": '{"age": 26}',
}


def _lists(client: mailgun.client.Client) -> None:
    made = client.lists.create(domain=OURS, data={"address": DEVS, "description": "Developers"})
    assert (made.status_code, made.json()["list"]["address"]) == (200, DEVS)
    got = client.lists.get(domain=OURS, address=DEVS)
    assert got.json()["list"]["members_count"] == 0
    put = client.lists.put(domain=OURS, address=DEVS, data={"description": "Others"})
    assert put.json()["list"]["description"] == "Others"
    assert client.lists.get(domain=OURS).json()["total_count"] == 1
    pages = client.lists_pages.get(domain=OURS).json()
    assert [one["address"] for one in pages["items"]] == [DEVS]


def _members(client: mailgun.client.Client) -> None:
    made = client.lists_members.create(domain=OURS, address=DEVS, data=MEMBER)
    assert (made.status_code, made.json()["member"]["vars"]) == (200, {"age": 26})
    again = client.lists_members.create(domain=OURS, address=DEVS, data=MEMBER)
    assert again.json() == {"message": "Address already exists 'bar@example.com'"}
    one = {"domain": OURS, "address": DEVS, "member_address": "bar@example.com"}
    put = client.lists_members.put(data={**MEMBER, "vars": '{"age": 28}'}, **one)
    assert put.json()["member"]["vars"] == {"age": 28}
    assert client.lists_members.get(**one).json()["member"]["name"] == "Bob Bar"
    many = [{"address": "Alice <alice@example.com>", "vars": {"age": 26}}]
    many += [{"name": "Bob", "address": f"bob{number}@example.com"} for number in range(5)]
    data = {"upsert": True, "members": json.dumps(many)}
    made = client.lists_members.create(domain=OURS, address=DEVS, data=data, multiple=True)
    assert made.json()["list"]["members_count"] == 7
    assert client.lists_members.get(domain=OURS, address=DEVS).json()["total_count"] == 7
    pages = client.lists_members_pages.get(domain=OURS, address=DEVS, filters={"limit": 5}).json()
    assert (len(pages["items"]), len(pages["paging"])) == (5, 4)
    walked = client.lists_members_pages.stream(domain=OURS, address=DEVS, filters={"limit": 2})
    assert sum(1 for _ in walked) == 7
    gone = client.lists_members.delete(**one)
    assert gone.json()["member"] == {"address": "bar@example.com"}
    assert client.lists_members.get(**one).status_code == 404


async def test_the_python_sdk_keeps_mailing_lists(db: Pool) -> None:
    """Its own examples of lists, members and pages."""
    async with serving(db) as world:
        await asyncio.to_thread(_everyday, world)


def _everyday(world: World) -> None:
    client = mailgun.client.Client(auth=("api", world.key), api_url=world.url)
    _lists(client)
    _members(client)
    gone = client.lists.delete(domain=OURS, address=DEVS)
    assert gone.json() == {"address": DEVS, "message": "Mailing list has been removed"}
