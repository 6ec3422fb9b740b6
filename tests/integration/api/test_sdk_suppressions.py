"""Suppressions through Mailgun's own Python SDK, with only the base URL changed."""

import asyncio
import json
from typing import Any

import mailgun.client

from edge.store.pool import Pool
from tests.integration.api.worlds import OURS, World, serving

ANN = "ann@example.net"
WHEN = "Thu, 13 Oct 2011 18:02:00 UTC"
JSON = {"Content-Type": "application/json"}

SINGLE: dict[str, dict[str, Any]] = {
    "bounces": {"address": ANN, "code": 550, "error": "Test error"},
    "unsubscribes": {"address": ANN, "tag": "*"},
    "complaints": {"address": ANN, "tag": "compl_test_tag"},
    "whitelists": {"address": ANN, "tag": "whitel_test"},
}
ARGUMENT = {
    "bounces": "bounce_address",
    "unsubscribes": "unsubscribe_address",
    "complaints": "complaint_address",
    "whitelists": "whitelist_address",
}
BATCHES: dict[str, list[dict[str, Any]]] = {
    "bounces": [
        {"address": "a@example.net", "code": "550", "error": "Test error2312"},
        {"address": "b@example.net", "code": "550", "error": "Test error"},
    ],
    "unsubscribes": [
        {"address": "a@example.net", "tags": ["some tag"], "created_at": WHEN},
        {"address": "b@example.net", "tags": ["*"]},
        {"address": "c@example.net"},
    ],
    "complaints": [
        {"address": "a@example.net", "tags": ["some tag"], "created_at": WHEN},
        {"address": "b@example.net", "code": ["1", "2"]},
    ],
}


def _single(client: mailgun.client.Client, kind: str) -> None:
    endpoint, named = getattr(client, kind), {ARGUMENT[kind]: ANN}
    made = endpoint.create(domain=OURS, data=SINGLE[kind])
    assert (made.status_code, made.json()["message"][:7]) == (200, "Address")
    got = endpoint.get(domain=OURS, **named)
    assert ANN in (got.json().get("address"), got.json().get("value"))
    assert len(endpoint.get(domain=OURS).json()["items"]) == 1
    gone = endpoint.delete(domain=OURS, **named)
    assert (gone.status_code, "removed" in gone.json()["message"]) == (200, True)
    assert endpoint.get(domain=OURS, **named).status_code == 404
    assert endpoint.delete(domain=OURS, **named).status_code == 404


def _many(client: mailgun.client.Client, kind: str) -> None:
    endpoint, items = getattr(client, kind), BATCHES[kind]
    for one in items:
        assert endpoint.create(domain=OURS, data=one, headers=JSON).status_code == 200
    for more in ({"headers": JSON}, {}):
        made = endpoint.create(domain=OURS, data=json.dumps(items), **more)
        assert made.status_code == 200, made.text
        assert made.json()["message"].startswith(f"{len(items)} ")
    pages = endpoint.get(domain=OURS, filters={"limit": 1}).json()
    assert (len(pages["items"]), len(pages["paging"])) == (1, 4)
    walked = [one["address"] for one in endpoint.stream(domain=OURS, filters={"limit": 1})]
    assert walked == [one["address"] for one in items]


def _files(client: mailgun.client.Client, kind: str, name: str) -> None:
    endpoint = getattr(client, f"{kind}_import")
    rows = "\n".join(["address", *(f"file{n}@example.net" for n in range(250))])
    made = endpoint.create(domain=OURS, files={name: rows.encode()})
    assert made.status_code == 202, made.text
    assert made.json()["message"] == "file uploaded successfully for processing. standby..."
    wrong = endpoint.create(domain=OURS, files={name: b"mail\nx\n"})
    assert (wrong.status_code, wrong.json()["message"][:24]) == (400, "while reading csv header")
    stream = getattr(client, kind).stream(domain=OURS, filters={"limit": 100, "term": "file"})
    assert sum(1 for _ in stream) == 250


def _everyday(world: World) -> None:
    client = mailgun.client.Client(auth=("api", world.key), api_url=world.url)
    for kind in SINGLE:
        _single(client, kind)
    for kind in BATCHES:
        _many(client, kind)
    for kind, name in (
        ("bounces", "file"),
        ("unsubscribes", "unsubscribe_csv"),
        ("complaints", "complaints_csv"),
        ("whitelists", "whitelist_csv"),
    ):
        _files(client, kind, name)
        gone = getattr(client, kind).delete(domain=OURS)
        assert (gone.status_code, "for this domain" in gone.json()["message"]) == (200, True)
        assert getattr(client, kind).get(domain=OURS).json()["items"] == []


async def test_the_python_sdk_keeps_suppressions(db: Pool) -> None:
    """Its own examples: one, many, files, paging by ``stream``, removing."""
    async with serving(db) as world:
        await asyncio.to_thread(_everyday, world)


async def test_the_asynchronous_client_too(db: Pool) -> None:
    """The other client of the same SDK."""
    async with serving(db) as world:
        auth = ("api", world.key)
        async with mailgun.client.AsyncClient(auth=auth, api_url=world.url) as client:
            for kind, data in SINGLE.items():
                endpoint = getattr(client, kind)
                assert (await endpoint.create(domain=OURS, data=data)).status_code == 200
                got = await endpoint.get(domain=OURS, **{ARGUMENT[kind]: ANN})
                assert got.status_code == 200
                assert (await endpoint.delete(domain=OURS)).status_code == 200
