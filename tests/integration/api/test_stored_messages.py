"""Stored messages, resending, and the queue as clients see it."""

import pytest

from edge.store.pool import Pool
from tests.integration.api.calls import (
    ANN,
    MESSAGE,
    MIME,
    NOT_AN_ADDRESS,
    QUEUED,
    changed,
    send,
)
from tests.integration.api.worlds import OURS, serving


async def test_a_stored_message(db: Pool) -> None:
    """Read into its parts, or whole; sent again to somebody else; gone."""
    async with serving(db) as world:
        fields = [*changed(to=f"Ann <{ANN}>,bob@example.org", html="<b>Hi"), ("o:tag", "t")]
        files = [("attachment", "a.txt", "text/plain", b"12345")]
        sent = await send(world, [*fields, ("v:a", "1")], files=files)
        key = await db.fetchval("SELECT key FROM messages")
        path = f"/v3/domains/{OURS}/messages/{key}"
        parts = (await world.ask("GET", path)).json
        whole = (await world.ask("GET", path, headers={"Accept": "message/rfc2822"})).json
        again = await world.ask("POST", path, data={"to": "Cyd <cyd@example.net>"})
        everybody = await db.fetch("SELECT recipient FROM deliveries ORDER BY id")
        for wrong, text in ((None, "to parameter is missing"), ("x", f"to {NOT_AN_ADDRESS}")):
            answer = await world.ask("POST", path, data={"to": wrong} if wrong else None)
            assert (answer.status, text in answer.message) == (400, True)
        missing = await world.ask("GET", f"{path}x")
        await db.execute("UPDATE messages SET source = NULL")
        gone = await world.ask("GET", path)
        resent = await world.ask("POST", path, data={"to": ANN})
    assert (parts["From"], parts["Subject"]) == (f"News <news@{OURS}>", "Hi")
    assert parts["Message-Id"] == sent.json["id"]
    assert (parts["sender"], parts["from"]) == (f"news@{OURS}", f"News <news@{OURS}>")
    assert parts["recipients"] == f"{ANN}, bob@example.org"
    assert (parts["body-plain"].strip(), parts["body-html"].strip()) == ("Hello", "<b>Hi")
    assert ["Subject", "Hi"] in parts["message-headers"]
    (file,) = parts["attachments"]
    assert (file["name"], file["size"]) == ("a.txt", 5)
    assert set(whole) == {"body-mime", "sender", "recipients", "subject", "from"}
    assert "Subject: Hi\r\n" in whole["body-mime"]
    assert again.json["message"] == QUEUED
    assert [row["recipient"] for row in everybody] == [ANN, "bob@example.org", "cyd@example.net"]
    for answer in (missing, gone, resent):
        assert (answer.status, answer.message) == (404, "Message not found")


@pytest.mark.parametrize("header", ["To: <", 'Reply-To: "', "Cc: undisclosed:;\xc3\xa4"])
async def test_a_stored_message_that_is_broken(db: Pool, header: str) -> None:
    """Whatever was taken can be shown."""
    async with serving(db) as world:
        more = "sender: evil@example.net\r\nContent-Type: text/x; charset=nobody"
        text = f"{header}\r\n{more}\r\n{MIME}"
        await send(world, [("to", ANN), ("message", text)], path="messages.mime")
        key = await db.fetchval("SELECT key FROM messages")
        answer = await world.ask("GET", f"/v3/domains/{OURS}/messages/{key}")
    assert answer.status == 200
    assert answer.json["sender"] == f"news@{OURS}"
    assert [header.partition(":")[0], header.partition(": ")[2]] in answer.json["message-headers"]


async def test_a_stored_message_of_test_mode(db: Pool) -> None:
    """It names whom it was for, though it goes to nobody."""
    async with serving(db) as world:
        await send(world, [*changed(to=f"{ANN},bob@example.org"), ("o:testmode", "yes")])
        key = await db.fetchval("SELECT key FROM messages")
        answer = await world.ask("GET", f"/v3/domains/{OURS}/messages/{key}")
    assert answer.json["recipients"] == f"{ANN}, bob@example.org"


async def test_queues(db: Pool) -> None:
    """Both are there and open; what waits can be dropped; a full queue says try later."""
    async with serving(db) as world:
        await send(world, MESSAGE)
        queues = (await world.ask("GET", f"/v3/domains/{OURS}/sending_queues")).json
        dropped = await world.ask("DELETE", f"/v3/{OURS}/envelopes")
        outcome = await db.fetchval("SELECT outcome FROM deliveries")
        world.api.acceptor._queue_limit = 0
        full = await send(world, MESSAGE)
        world.api.acceptor.database = None
        away = await send(world, MESSAGE)
    assert queues["regular"] == {"is_disabled": False, "disabled": {"until": "", "reason": ""}}
    assert "scheduled" in queues
    assert (dropped.json, outcome) == ({"message": "done"}, "removed")
    for answer in (full, away):
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
    assert "queue" in full.message
