"""``POST …/messages`` and ``messages.mime``: Mailgun's parameters, answers and errors."""

import json
import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime

import msgspec

from edge.sending.message import Options
from edge.store import search
from edge.store.api_keys import Role
from edge.store.filters import Filter
from edge.store.pool import Pool
from tests.integration.api.calls import (
    ANN,
    MESSAGE,
    MIME,
    NOT_AN_ADDRESS,
    QUEUED,
    Fields,
    changed,
    send,
)
from tests.integration.api.worlds import OTHER, OURS, Answer, sending_key, serving


async def _stored(db: Pool, answer: Answer) -> tuple[EmailMessage, Options, list[str]]:
    """What was stored of an answered call: the message, its options, its recipients."""
    assert answer.status == 200, answer.body
    assert answer.json["message"] == QUEUED
    row = await db.fetchrow(
        "SELECT number, source, options FROM messages WHERE message_id = $1",
        answer.json["id"].strip("<>"),
    )
    assert row is not None
    recipients = await db.fetch(
        "SELECT recipient FROM deliveries WHERE message = $1 ORDER BY id", row["number"]
    )
    parsed = message_from_bytes(row["source"], policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    options = msgspec.json.decode(row["options"], type=Options)
    return parsed, options, [one["recipient"] for one in recipients]


async def _count(db: Pool) -> int:
    number: int = await db.fetchval("SELECT count(*) FROM messages")
    return number


async def test_a_message_of_every_part(db: Pool) -> None:
    """Fields, files and options of one call, and Mailgun's answer."""
    async with serving(db) as world:
        answer = await send(
            world,
            [
                ("from", f"Jörg <news@{OURS}>"), ("to", f"Ann <{ANN}>, ANN@example.net"),
                ("to", '"B, ob" <bob@example.org>'), ("cc", "cc@example.net"),
                ("bcc", "bcc@example.net"), ("subject", "Grüße"), ("text", "Hällo"),
                ("html", '<p>Hi<img src="cid:a.png">'), ("amp-html", "<html ⚡4email>"),
                ("o:tag", "One"), ("o:tag", "two"), ("o:tracking", "htmlonly"),
                ("o:tracking-opens", "no"), ("o:dkim", "no"), ("o:require-tls", "True"),
                ("o:skip-verification", "1"), ("o:deliver-within", "1h30m"),
                ("h:Reply-To", "r@example.net"), ("h:X-Mine", "1"), ("v:order", "17"),
                ("v:cart", '{"n": 1}'),
            ],
            files=[
                ("attachment", "report.pdf", "application/pdf", b"%PDF"),
                ("attachment", "Übersicht.csv", "text/csv", b"a;b"),
                ("inline", "a.png", "image/png", b"PNG"),
            ],
        )  # fmt: skip
        message, options, recipients = await _stored(db, answer)
        async with db.acquire() as conn:
            (event, *_) = await search.search(conn, Filter(events=("accepted",)), limit=1)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert re.fullmatch(rf"<\d{{14}}\.[0-9a-f]{{16}}@{re.escape(OURS)}>", answer.json["id"])
    assert recipients == [ANN, "bob@example.org", "cc@example.net", "bcc@example.net"]
    assert [str(one) for one in message["To"].addresses][2] == '"B, ob" <bob@example.org>'
    assert (str(message["Cc"]), message["Bcc"]) == ("cc@example.net", None)
    assert b"bcc@" not in bytes(message)
    assert (message["Subject"], message["Reply-To"]) == ("Grüße", "r@example.net")
    assert (message["X-Mine"], str(message["Message-Id"])) == ("1", answer.json["id"])
    assert message["From"].addresses[0].display_name == "Jörg"
    kinds = [part.get_content_type() for part in message.walk() if not part.is_multipart()]
    assert kinds == [
        *("text/plain", "text/x-amp-html", "text/html", "image/png"),
        *("application/pdf", "text/csv"),
    ]
    assert [one.get_filename() for one in message.iter_attachments()] == [
        "report.pdf",
        "Übersicht.csv",
    ]
    assert options.tags == ("one", "two")
    assert options.variables == {"order": "17", "cart": '{"n": 1}'}
    assert (options.dkim, options.require_tls, options.skip_verification) == (False, True, True)
    assert options.deliver_within == 5400
    assert (options.given.tracking, options.given.opens) == ("htmlonly", False)
    told = event.render()
    assert [one["filename"] for one in told["message"]["attachments"]] == [
        *("a.png", "report.pdf", "Übersicht.csv")
    ]
    assert told["message"]["recipients"] == recipients


REFUSED: list[tuple[Fields, str]] = [
    (changed(**{"from": None}), "from parameter is missing"),
    (changed(to=None), "to parameter is missing"),
    (changed(to=""), f"to {NOT_AN_ADDRESS}"),
    (changed(to=f"{ANN}, nobody"), f"to {NOT_AN_ADDRESS}"),
    (changed(to=f"{ANN}\r\nBcc: x@y.example"), "to holds a control character"),
    (changed(cc="a b@example.net"), f"cc {NOT_AN_ADDRESS}"),
    (changed(bcc="x@"), f"bcc {NOT_AN_ADDRESS}"),
    (changed(**{"from": "nobody"}), f"from {NOT_AN_ADDRESS}"),
    (
        changed(text=None),
        "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified",
    ),
    (changed(template="welcome"), "Stored templates are not offered here"),
    (
        changed(**{"v:big": "x" * 16_380, "o:tag": "12345"}),
        "Send options (parameters starting with o:, h:, or v:) are limited to 16KB total",
    ),
    (changed(**{"o:tracking": "maybe"}), "o:tracking must be yes, no, true or false, or htmlonly"),
    (changed(**{"o:tracking-opens": "htmlonly"}), "o:tracking-opens must be"),
    (changed(**{"o:testmode": "perhaps"}), "o:testmode has to be yes, no"),
    (changed(**{"o:deliverytime": "tomorrow"}), "o:deliverytime: 'tomorrow' is not an RFC 2822"),
    (changed(**{"o:deliverytime": "1 Jan 99999999999 00:00:00 +0000"}), "is not an RFC 2822 date"),
    (changed(**{"o:deliverytime": "1 Jan 9999 00:00:00 +0000"}), "at most 7 days ahead"),
    (changed(**{"o:deliver-within": "1m"}), "o:deliver-within: '1m' is not between 5m and 24h"),
    (changed(**{"h:Content-Type": "text/html"}), "h:Content-Type cannot be set"),
    (changed(**{"h:Bcc": "x@y.example"}), "h:Bcc cannot be set"),
    (changed(**{"h:X-A": "1\r\nBcc: x@y.example"}), "h:X-A holds a control character"),
    (changed(**{"h:X A": "1"}), "h:X A is not the name of a header"),
    (changed(**{"h:Message-Id": "x y"}), "h:Message-Id is not a Message-Id"),
    (changed(**{"h:From": ""}), "The message has no From header"),
    (changed(**{"recipient-variables": "[1]"}), "recipient-variables has to be a JSON object"),
    (changed(**{"recipient-variables": f'{{"{ANN}": 1}}'}), "recipient-variables has to be"),
    (
        changed(**{"recipient-variables": '{"a@b.cc": {"x":' + "[" * 9000 + "]" * 9000 + "}}"}),
        "recipient-variables is nested too deeply",
    ),
    (changed(to=", ".join(f"r{number}@example.net" for number in range(1001))), "at most 1000"),
    ((("from", "sdsdsd"),), f"from {NOT_AN_ADDRESS}"),
]


async def test_what_is_refused(db: Pool) -> None:
    """Mailgun's texts; one bad recipient fails the whole call and nothing is kept of it."""
    async with serving(db) as world:
        for fields, text in REFUSED:
            answer = await send(world, fields)
            assert (answer.status, text in answer.message) == (400, True), (text, answer.body)
        assert await _count(db) == 0
        unknown = await world.ask("POST", "/v3/no.example.com/messages", data=list(MESSAGE))
        assert (unknown.status, unknown.message) == (404, "Domain not found: no.example.com")
        anonymous = await send(world, MESSAGE, key="")
        assert (anonymous.status, anonymous.body) == (401, b"Forbidden")
        huge = [("attachment", "a", "application/octet-stream", bytes(19 * 2**20))]
        answer = await send(world, MESSAGE, files=huge)
        assert (answer.status, answer.message) == (400, "The message is larger than 25 MB")
        rejected = await db.fetchval("SELECT count(*) FROM events WHERE event = 'rejected'")
    assert rejected == 2  # without From, and too large


async def test_what_is_taken(db: Pool) -> None:
    """Limits that are just kept, spellings of clients, what is dropped or ignored in silence."""
    async with serving(db) as world:
        world.api.acceptor._queue_limit = 10_000
        many = ", ".join(f"r{number}@example.net" for number in range(1000))
        _, _, recipients = await _stored(db, await send(world, changed(to=many)))
        assert len(recipients) == 1000
        answer = await send(world, [*MESSAGE, ("v:big", "x" * 16_384)])
        _, options, _ = await _stored(db, answer)
        assert len(options.variables["big"]) == 4096
        surplus = [("o:tag", tag) for tag in ("a", "A", "é", "b", "x" * 129, "c", "d")]
        _, options, _ = await _stored(db, await send(world, [*MESSAGE, *surplus]))
        assert options.tags == ("a", "b", "c")
        rails = [(f"{name}[]", value) for name, value in MESSAGE]
        message, _, _ = await _stored(db, await send(world, rails))
        assert message["Subject"] == "Hi"
        answer = await send(world, changed(subject="a\r\nBcc: x@y.example", text="", html="h"))
        message, _, recipients = await _stored(db, answer)
        assert (message["Subject"], message["Bcc"]) == ("a Bcc: x@y.example", None)
        assert recipients == [ANN]
        answer = await send(world, [*changed(subject=None), ("t:text", "yes"), ("o:odd", "1")])
        message, _, _ = await _stored(db, answer)
        assert "Subject" not in message
        for spelling in ("yes", "True", "1", "on"):
            answer = await send(world, [*MESSAGE, ("o:testmode", spelling), ("o:tracking", "no")])
            _, options, recipients = await _stored(db, answer)
            assert (options.test_mode, recipients) == (True, [])
        answer = await send(world, [*MESSAGE, ("h:Message-Id", "<mine.1@x.example>")])
        assert answer.json["id"] == "<mine.1@x.example>"
        pixel = ("o:X-Mailgun-Track-Pixel-Location-Top", "yes")
        _, options, _ = await _stored(db, await send(world, [*MESSAGE, pixel]))
        assert options.given.pixel_at_top is True
        as_json = await world.ask("POST", f"/v3/{OURS}/messages", json=dict(MESSAGE))
        assert (await _stored(db, as_json))[2] == [ANN]


async def test_scheduled_and_batch(db: Pool) -> None:
    """A time in any zone; recipient variables by address in any case, for each their own."""
    async with serving(db) as world:
        due = int(world.clock.now()) + 86_400
        spelled = format_datetime(datetime.fromtimestamp(due, UTC))
        answer = await send(world, [*MESSAGE, ("o:deliverytime", spelled)])
        await _stored(db, answer)
        assert await db.fetchval("SELECT due FROM deliveries") == due * 1_000_000
        variables = {"ANN@example.net": {"id": 1}, "bob@example.org": {"id": [True]}}
        answer = await send(
            world,
            [
                *changed(to=f"Ann <{ANN}>,bob@example.org,cyd@example.net"),
                ("recipient-variables", json.dumps(variables)),
                ("v:rid", "%recipient.id%"),
            ],
        )
        message, options, recipients = await _stored(db, answer)
        rows = await db.fetch("SELECT recipient, name, variables FROM deliveries ORDER BY id DESC")
        async with db.acquire() as conn:
            wanted = Filter(message_id=answer.json["id"])
            told = [one.render() for one in await search.search(conn, wanted)]
    assert options.personal
    assert str(message["To"]) == "%recipient%"
    assert recipients == [ANN, "bob@example.org", "cyd@example.net"]
    assert [row["variables"] for row in rows[:3]] == [None, '{"id": [true]}', '{"id": 1}']
    assert rows[2]["name"] == "Ann"
    rids = {event["recipient"]: event["user-variables"]["rid"] for event in told}
    assert rids == {ANN: "1", "bob@example.org": "[true]", "cyd@example.net": "%recipient.id%"}


MIME_REFUSED: list[tuple[Fields, str]] = [
    ([("message", MIME)], "to parameter is missing"),
    ([("to", ANN)], "message parameter is missing"),
    ([("to", ANN), ("message", "no header")], "does not begin with header fields"),
    ([("to", ANN), ("message", "Subject: x\n\nx")], "no From header"),
    ([("to", "nobody"), ("message", MIME)], f"to {NOT_AN_ADDRESS}"),
    ([("to", ANN), ("message", MIME), ("h:Content-Type", "x/y")], "cannot be set"),
]


async def test_mime(db: Pool) -> None:
    """As a file or as text; its own headers say what is wanted, and parameters go before them."""
    async with serving(db) as world:
        file = [("message", "m.eml", "message/rfc822", MIME.encode())]
        answer = await send(world, [("to", ANN)], files=file, path="messages.mime")
        message, options, recipients = await _stored(db, answer)
        assert answer.json["id"] == "<7@mime.example>"
        assert recipients == [ANN]
        assert (message["To"], message["Bcc"]) == ("all@example.net", None)
        assert (options.tags, options.variables) == (("one",), {"order": "17"})
        assert (options.given.tracking, options.dkim) == ("no", False)
        assert options.deliver_within == 7200
        text = MIME.replace("7@mime.example", "8@mime.example").replace("\r\n", "\n")
        answer = await send(
            world,
            [
                *(("to", ANN), ("to", "b@example.net"), ("message", text), ("o:tracking", "yes")),
                *(("o:tag", "two"), ("o:dkim", "yes"), ("v:order", "18"), ("h:X-Mine", "1")),
            ],
            path="messages.mime",
        )
        message, options, recipients = await _stored(db, answer)
        assert recipients == [ANN, "b@example.net"]
        assert (options.tags, options.variables) == (("two", "one"), {"order": "18"})
        assert (options.given.tracking, options.dkim) == ("yes", True)
        assert message["X-Mine"] == "1"
        for fields, wrong in MIME_REFUSED:
            answer = await send(world, fields, path="messages.mime")
            assert (answer.status, wrong in answer.message) == (400, True), (wrong, answer.body)
        deep = 'X-Mailgun-Variables: {"a": ' + "[" * 5000 + "]" * 5000 + "}\r\n"
        for bad, wrong in (
            (deep, "nested too deeply"),
            ("X-Mailgun-Variables: [1]\r\n", "x-mailgun-variables must be a JSON object"),
            ("X-Mailgun-Track: perhaps\r\n", "X-Mailgun-Track must be"),
            ("X-Mailgun-Deliver-By: soon\r\n", "x-mailgun-deliver-by:"),
            (f"X-Mailgun-Variables: {'x' * 17_000}\r\n", "limited to 16KB total"),
        ):
            fields = [("to", ANN), ("message", f"{bad}From: a@b.cc\r\n\r\nHello")]
            answer = await send(world, fields, path="messages.mime")
            assert (answer.status, wrong in answer.message) == (400, True), (wrong, answer.body)
        assert await _count(db) == 2


async def test_who_may_send(db: Pool) -> None:
    """A sending key sends for its domain and does nothing else; another's is not told of it."""
    async with serving(db) as world:
        key = await sending_key(world)
        answer = await send(world, MESSAGE, key=key)
        await _stored(db, answer)
        stored = await db.fetchval("SELECT key FROM messages")
        path = f"/v3/domains/{OURS}/messages/{stored}"
        assert (await world.ask("GET", path, key=key)).status == 403
        assert (await world.ask("DELETE", f"/v3/{OURS}/envelopes", key=key)).status == 403
        foreign = await world.make_key(domain=OTHER)
        for method, place in (
            ("POST", f"/v3/{OURS}/messages"),
            ("POST", f"/v3/{OURS}/messages.mime"),
            ("GET", path),
            ("POST", path),
            ("GET", path.replace(OURS, OTHER)),
            ("DELETE", f"/v3/{OURS}/envelopes"),
        ):
            data = list(MESSAGE) if method == "POST" else None
            assert (await world.ask(method, place, key=foreign, data=data)).status == 404
        analyst = await world.make_key(role=Role.ANALYST)
        assert (await send(world, MESSAGE, key=analyst)).status == 403
        assert (await world.ask("GET", path, key=analyst)).status == 200
