"""django-anymail's Mailgun backend, with only its API URL changed."""

import asyncio
import datetime
import json
from email import message_from_bytes, policy
from typing import Any

import django
import pytest
from anymail.exceptions import AnymailRequestsAPIError
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection

from edge.store.pool import Pool
from tests.integration.api.worlds import OURS, World, serving

BACKEND = "anymail.backends.mailgun.EmailBackend"
ANN, BOB = "ann@example.net", "bob@example.net"


@pytest.fixture(scope="module", autouse=True)
def django_is_configured() -> None:
    """Django's settings are one for the process."""
    if not settings.configured:
        settings.configure(DEFAULT_CHARSET="utf-8", USE_TZ=True)
        django.setup()


def _connection(world: World, **more: Any) -> Any:
    told = {"api_url": f"{world.url}/v3", "api_key": world.key}
    return get_connection(BACKEND, **(told | more))


def _message(connection: Any, **fields: Any) -> Any:
    told = {
        "subject": "Hällo",
        "body": "Plain",
        "from_email": f"News <news@{OURS}>",
        "to": [f"Ann <{ANN}>"],
        "connection": connection,
    }
    return EmailMultiAlternatives(**(told | fields))


def _send_plain(world: World) -> Any:
    """With everything that a message may have but merging."""
    message = _message(
        _connection(world),
        cc=["cc@example.net"],
        bcc=["bcc@example.net"],
        reply_to=["help@example.org"],
        headers={"X-Own": "1"},
    )
    message.attach_alternative("<p>Hällo", "text/html")
    message.attach("über.txt", "One", "text/plain")
    message.attach("b.bin", b"\x00\xff", "application/octet-stream")
    message.tags = ["welcome", "shop"]
    message.metadata = {"order": 17}
    message.track_opens = True
    message.track_clicks = False
    message.send_at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    assert message.send() == 1
    return message.anymail_status


async def test_a_message_with_everything(db: Pool) -> None:
    """Parts, files, header fields, tags, metadata and switches arrive; its status is queued."""
    async with serving(db) as world:
        status = await asyncio.to_thread(_send_plain, world)
        events = (await world.ask("GET", f"/v3/{OURS}/events?event=accepted")).json["items"]
        (row,) = await db.fetch("SELECT source, options FROM messages")
    assert status.status == {"queued"}
    assert set(status.recipients) == {ANN, "cc@example.net", "bcc@example.net"}
    assert {f"<{one['message']['headers']['message-id']}>" for one in events} == {status.message_id}
    assert {one["recipient"] for one in events} == set(status.recipients)
    for one in events:
        assert one["tags"] == ["welcome", "shop"]
        assert one["user-variables"]["order"] == "17"
        assert one["message"]["scheduled-for"] > world.clock.now()
    stored: Any = message_from_bytes(row["source"], policy=policy.default)
    assert stored["Subject"] == "Hällo"
    assert stored["Reply-To"] == "help@example.org"
    assert stored["X-Own"] == "1"
    assert stored["Bcc"] is None
    assert stored.get_body(("html",)).get_content().strip() == "<p>Hällo"
    files = {part.get_filename(): part.get_payload(decode=True) for part in stored.walk()}
    assert files["über.txt"] == b"One"
    assert files["b.bin"] == b"\x00\xff"
    switches = json.loads(row["options"])["given"]
    assert (switches["opens"], switches["clicks"]) == (True, "no")


def _send_merged(world: World) -> Any:
    """Anymail's batch: variables, metadata and headers of each recipient."""
    message = _message(
        _connection(world), to=[f"Ann <{ANN}>", BOB], body="Hi %recipient.name% of %recipient.site%"
    )
    message.merge_data = {ANN: {"name": "Ann"}, BOB: {"name": "Bob"}}
    message.merge_global_data = {"site": "Example"}
    message.metadata = {"batch": "7"}
    message.merge_metadata = {ANN: {"order": "a1"}, BOB: {"order": "b2"}}
    message.send()
    return message.anymail_status


async def test_a_batch_with_merge_variables(db: Pool) -> None:
    """Everybody has variables and metadata of their own, in the queue and in events."""
    async with serving(db) as world:
        status = await asyncio.to_thread(_send_merged, world)
        events = (await world.ask("GET", f"/v3/{OURS}/events?event=accepted")).json["items"]
        rows = await db.fetch("SELECT recipient, variables FROM deliveries")
    assert {one.status for one in status.recipients.values()} == {"queued"}
    told = {row["recipient"]: json.loads(row["variables"]) for row in rows}
    assert told[ANN]["name"] == "Ann"
    assert told[BOB]["name"] == "Bob"
    assert {told[ANN]["site"], told[BOB]["site"]} == {"Example"}
    variables = {one["recipient"]: one["user-variables"] for one in events}
    assert variables[ANN]["order"] == "a1"
    assert variables[BOB]["order"] == "b2"
    assert {one["batch"] for one in variables.values()} == {"7"}


async def test_errors_are_understood(db: Pool) -> None:
    """What anymail says of an unknown domain, a bad key and a wrong path is true."""

    def failing(world: World) -> list[str]:
        found = []
        unknown = {"from_email": "x@unknown.example.com"}
        for connection, fields in (
            (_connection(world), unknown),
            (_connection(world, api_key="no"), {}),
            (_connection(world, api_url=f"{world.url}/v9"), {}),
        ):
            with pytest.raises(AnymailRequestsAPIError) as caught:
                _message(connection, **fields).send()
            found.append(str(caught.value))
        return found

    async with serving(db) as world:
        unknown, forbidden, path = await asyncio.to_thread(failing, world)
    assert "Unknown sender domain 'unknown.example.com'" in unknown
    assert "401" in forbidden
    assert "Forbidden" in forbidden
    assert "404" in path
    assert "Not Found" in path
