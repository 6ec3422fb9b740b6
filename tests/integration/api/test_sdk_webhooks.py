"""Webhooks through Mailgun's own Python SDK, with only the base URL changed."""

import asyncio
import time

import mailgun.client
from mailgun.security import SecurityGuard

from edge.store.pool import Pool
from edge.webhooks.delivery import Poster
from tests.integration.api.worlds import OURS, World, serving
from tests.integration.webhooks.receivers import receiving
from tests.integration.webhooks.worlds import LOOPBACK

A, B = "https://i.ua", "https://twitter.com"


def _by_domain(client: mailgun.client.Client) -> None:
    hooks = client.domains_webhooks
    made = hooks.create(domain=OURS, data={"id": "clicked", "url": [A]})
    assert (made.status_code, made.json()["webhook"]["urls"]) == (200, [A]), made.text
    assert hooks.get(domain=OURS).json()["webhooks"]["clicked"]["urls"] == [A]
    changed = hooks.put(domain=OURS, webhook_name="clicked", data=[("url", A), ("url", B)])
    assert changed.json()["webhook"]["urls"] == [A, B]
    one = hooks.get(domain=OURS, webhook_name="clicked")
    assert one.json()["webhook"]["urls"] == [A, B]
    data = {"url": A, "event_types": ["opened", "delivered"]}
    v4 = hooks.create(domain=OURS, data=data)
    assert v4.status_code == 200, v4.text
    assert set(v4.json()["webhooks"]) == {"clicked", "opened", "delivered"}
    assert hooks.put(domain=OURS, data={"url": A, "event_types": "opened"}).status_code == 200
    gone = hooks.delete(domain=OURS, filters={"url": A})
    assert gone.json()["webhooks"] == {"clicked": {"urls": [B]}}
    assert hooks.delete(domain=OURS, webhook_name="clicked").status_code == 200
    assert hooks.get(domain=OURS, webhook_name="clicked").status_code == 404


def _of_account(client: mailgun.client.Client) -> None:
    hooks = client.account_webhooks
    data = {"url": A, "event_types": ["opened", "clicked"], "description": "ours"}
    number = hooks.create(data=data).json()["webhook_id"]
    assert hooks.get(webhook_id=number).json()["event_types"] == ["opened", "clicked"]
    assert [one["url"] for one in hooks.get().json()["webhooks"]] == [A]
    assert hooks.put(webhook_id=number, data={**data, "url": B}).status_code == 200
    assert hooks.delete(webhook_id=number).status_code == 200
    assert hooks.get().json()["webhooks"] == []


def _everyday(world: World) -> None:
    client = mailgun.client.Client(auth=("api", world.key), api_url=world.url)
    _by_domain(client)
    _of_account(client)


async def test_the_python_sdk_keeps_webhooks(db: Pool) -> None:
    """Versions 3 and 4 of a domain's, and the account's."""
    async with serving(db) as world:
        await asyncio.to_thread(_everyday, world)


async def test_the_python_sdk_verifies_what_is_posted(db: Pool) -> None:
    """Its verifier takes it while it is fresh, and nothing that was altered."""
    async with receiving() as receiver, serving(db) as world:
        world.api.poster = lambda: Poster(world.clock, allowed=LOOPBACK)
        data = {"url": f"{receiver.url}/200/x"}
        await world.ask("PUT", f"/v3/domains/{OURS}/webhooks/opened/test", data=data)
        got = await world.ask("GET", "/v5/accounts/http_signing_key")
        key, proof = got.json["http_signing_key"], receiver.posts[0].signature
        token, timestamp, signature = proof["token"], proof["timestamp"], proof["signature"]
        verify = SecurityGuard.verify_webhook
        assert verify(key, token, timestamp, signature)
        assert not verify(key, "0" * 50, timestamp, signature)
        assert not verify(key, token, str(int(time.time()) - 1000), signature)
