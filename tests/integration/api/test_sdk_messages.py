"""Sending through Mailgun's own clients, Python and JavaScript, with only the base URL changed."""

import asyncio
import json
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import mailgun.client

from edge.store.pool import Pool
from tests.integration.api.node import node
from tests.integration.api.worlds import OURS, World, serving

MIME = f"From: News <news@{OURS}>\r\nTo: ann@example.net\r\nSubject: Mime\r\n\r\nHello\r\n"
QUEUED = "Queued. Thank you."


async def _by_subject(db: Pool) -> dict[str, EmailMessage]:
    """The stored messages."""
    found = {}
    for row in await db.fetch("SELECT source FROM messages"):
        message = message_from_bytes(row["source"], policy=policy.default)
        assert isinstance(message, EmailMessage)
        found[str(message["Subject"])] = message
    return found


async def _recipients(db: Pool) -> list[str]:
    rows = await db.fetch("SELECT recipient FROM deliveries ORDER BY id")
    return [row["recipient"] for row in rows]


def _files(message: EmailMessage) -> list[tuple[str | None, Any]]:
    return [
        (part.get_filename(), part.get_payload(decode=True))
        for part in message.walk()
        if part.get_filename() is not None
    ]


def _python(world: World, mime: Path) -> dict[str, Any]:
    """The SDK's own examples of messages."""
    client = mailgun.client.Client(auth=("api", world.key), api_url=world.url)
    plain = {"from": f"News <news@{OURS}>", "to": "ann@example.net", "text": "Hello"}
    found: dict[str, Any] = {}

    def create(name: str, data: dict[str, Any], **more: Any) -> None:
        answer = client.messages.create(data=plain | {"subject": name} | data, domain=OURS, **more)
        assert (answer.status_code, answer.json()["message"]) == (200, QUEUED)
        found[name] = answer.json()

    create("plain", {"cc": "cc@example.net", "o:tag": ["Python", "test"]})
    files = [("attachment", ("ü.txt", b"One")), ("inline", ("two.png", b"Two"))]
    create("files", {"html": "<p>Hi"}, files=files)
    variables = json.dumps({"ann@example.net": {"id": 1}, "bob@example.net": {"id": 2}})
    both = ["ann@example.net", "bob@example.net"]
    create("batch", {"to": both, "recipient-variables": variables, "v:rid": "%recipient.id%"})
    create("test", {"o:testmode": True, "o:tracking": "False"})
    wrong = client.messages.create(data={"from": "sdsdsd"}, domain=OURS)
    assert wrong.status_code == 400
    answer = client.mimemessage.create(
        data={"to": "ann@example.net"},
        files={"message": ("m.eml", mime.read_bytes())},
        domain=OURS,
    )
    assert (answer.status_code, answer.json()["message"]) == (200, QUEUED)
    queues = client.domains_sendingqueues.get(domain=OURS)
    assert "scheduled" in queues.json()
    return found


async def test_the_python_sdk_sends(db: Pool, tmp_path: Path) -> None:
    """Plain, with files, batch, test mode and MIME; a stored message read and sent again."""
    mime = tmp_path / "m.eml"
    mime.write_bytes(MIME.encode())
    async with serving(db) as world:
        answers = await asyncio.to_thread(_python, world, mime)
        stored = await _by_subject(db)
        assert len(await _recipients(db)) == 2 + 1 + 2 + 0 + 1
        key = await db.fetchval("SELECT key FROM messages ORDER BY number LIMIT 1")

        def again() -> Any:
            client = mailgun.client.Client(auth=("api", world.key), api_url=world.url)
            url = f"{world.url}/v3/domains/{OURS}/messages/{key}"
            data = {"to": ["dan@example.net"]}
            return client.resend_message.create(data=data, domain=OURS, storage_url=url).json()

        sent = await asyncio.to_thread(again)
    assert set(stored) == {"plain", "files", "batch", "test", "Mime"}
    assert _files(stored["files"]) == [("two.png", b"Two"), ("ü.txt", b"One")]
    assert str(stored["batch"]["To"]) == "%recipient%"
    assert sent == {"id": answers["plain"]["id"], "message": QUEUED}


async def test_mailgun_js_sends(db: Pool, node_modules: Path) -> None:
    """Text, HTML, files, batch, MIME as text; an error as it reports it."""
    async with serving(db) as world:
        answers = await asyncio.to_thread(node, node_modules, "send.js", world)
        stored = await _by_subject(db)
        recipients = await _recipients(db)
        variables = await db.fetch(
            "SELECT variables FROM deliveries WHERE variables IS NOT NULL ORDER BY id"
        )
        key = await db.fetchval("SELECT key FROM messages ORDER BY number LIMIT 1")
        answers |= await asyncio.to_thread(node, node_modules, "send.js", world, key)
        assert (await _recipients(db))[-2:] == ["cyd@example.net", "dan@example.net"]
    for name in ("text", "html", "files", "batch", "mime", "mimeFile", "resent"):
        assert answers[name]["message"] == QUEUED, answers[name]
        assert answers[name]["id"].startswith("<")
        assert answers[name]["status"] == 200
    assert answers["wrong"]["status"] == 400
    assert "to parameter is missing" in json.dumps(answers["wrong"])
    assert answers["stored"]["Subject"] == "text"
    assert answers["forbidden"]["status"] == 401
    assert answers["missing"]["status"] == 404
    assert answers["queues"]["regular"]["is_disabled"] is False
    assert set(stored) == {"text", "html", "files", "batch", "Mime", "MimeFile"}
    assert _files(stored["files"]) == [("b.png", b"PNG"), ("a.txt", b"Hello")]
    assert recipients[:2] == ["ann@example.net", "bob@example.net"]
    assert [row["variables"] for row in variables] == ['{"id": 1}', '{"id": 2}']
    body = stored["html"].get_body(("html",))
    assert body is not None
    assert body.get_content().strip() == "<p>Hällo"
