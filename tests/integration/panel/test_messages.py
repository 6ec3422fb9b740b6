"""Messages: looked at in a frame that lets them do nothing, explained, and sent as a test."""

import time

from edge.store import deliveries, messages, outbox
from edge.store.deliveries import NewDelivery
from edge.store.messages import Stored
from edge.store.outbox import Finished
from edge.store.panel_users import Role
from edge.store.pool import Pool
from tests.integration.panel.seeding import ATTACKS, DOMAIN, seed
from tests.integration.panel.worlds import serving

KEY = "k" * 24
SOURCE = (
    "From: News <news@mg.example.com>\r\nTo: ann@example.net\r\nSubject: {subject}\r\n"
    "Message-Id: <m1@mg.example.com>\r\nMIME-Version: 1.0\r\n"
    "Content-Type: text/html; charset=utf-8\r\n\r\n{body}\r\n"
)


async def _keep(db: Pool, subject: str = "Hello", body: str = "") -> None:
    """A message that was handed in, its delivery, and its finished copy."""
    html = body or '<p>Hi <a href="https://example.com/">there</a> <a href="mailto:x@y.z">x</a></p>'
    source = SOURCE.format(subject=subject, body=html).encode()
    now = time.time_ns() // 1000
    async with db.acquire() as conn:
        await seed(conn, more=1)
        number = await conn.fetchval("SELECT number FROM domains WHERE name = $1", DOMAIN)
        await messages.add(
            conn,
            [
                Stored(
                    number=7,
                    domain=number,
                    key=KEY,
                    message_id="m1@mg.example.com",
                    accepted_at=now,
                    sender="news@mg.example.com",
                    source=source,
                    options="{}",
                )
            ],
        )
        await deliveries.add(
            conn,
            [
                NewDelivery(
                    id=9,
                    message=7,
                    domain=number,
                    recipient="ann@example.net",
                    name="",
                    variables=None,
                    accepted_at=now,
                    due=now,
                    expires_at=now + 10**12,
                )
            ],
        )
        line = Finished(
            delivery=9,
            domain=number,
            recipient="ann@example.net",
            at=now,
            sender="b-1@bounces.mg.example.com",
            message=source,
        )
        await outbox.add(conn, [line])


async def test_a_message_is_shown_with_what_tracking_does_to_it(db: Pool) -> None:
    """Of the outbox and as it was handed in: header, preview, text, report, source."""
    await _keep(db)
    async with serving(db) as world, world.visitor(Role.SUPPORT) as support:
        listed = await support.get(f"/messages?domain={DOMAIN}")
        assert listed.words.count("Hello") >= 2
        for name in ("outbox-9", f"stored-{KEY}"):
            path = f"/messages/{DOMAIN}/{name}"
            page = await support.get(path)
            assert "ann@example.net" in page.words
            assert "https://example.com/" in page.words
            assert "tracked" in page.words
            assert "scheme" in page.words
            assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
            preview = await support.get(f"{path}/preview")
            assert preview.headers["Content-Security-Policy"].startswith("sandbox;")
            assert preview.headers["X-Frame-Options"] == "SAMEORIGIN"
            assert "<p>Hi" in preview.text
            source = await support.get(f"{path}/source")
            assert source.headers["Content-Disposition"].startswith("attachment")
            assert source.text.startswith("From: News")
        for wrong in ("outbox-1", "outbox-x", "stored-none", "other", "outbox-" + "9" * 30):
            for part in ("", "/preview", "/source"):
                assert (await support.get(f"/messages/{DOMAIN}/{wrong}{part}")).status == 404


async def test_a_hostile_message_is_text_outside_of_its_frame(db: Pool) -> None:
    """Subject, addresses and links of it are escaped; broken ones are shown all the same."""
    await _keep(db, subject=ATTACKS[0], body="".join(ATTACKS))
    async with serving(db) as world, world.visitor(Role.OWNER) as owner:
        page = await owner.get(f"/messages/{DOMAIN}/outbox-9")
        assert page.status == 200
        assert ATTACKS[0] in page.words
        assert ATTACKS[0] not in page.text
        for broken in (b"", b"\xff\xfe", b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--y"):
            await db.execute("UPDATE outbox SET message = $1", broken)
            for part in ("", "/preview", "/source"):
                page = await owner.get(f"/messages/{DOMAIN}/outbox-9{part}")
                assert page.status == 200, (broken, part, page.words)


async def test_a_test_is_sent_through_the_door_of_every_message(db: Pool) -> None:
    """Accepted, tagged, queued; what is wrong is told, and the form keeps what was typed."""
    async with db.acquire() as conn:
        await seed(conn, attacks=False, more=1)
    async with serving(db) as world, world.visitor(Role.OWNER) as owner:
        fields = {"domain": DOMAIN, "to": "Me <me@example.org>", "subject": "S", "text": "T\r\nU"}
        assert (await owner.post("/messages/test", fields)).status == 303
        row = await db.fetchrow("SELECT sender, source FROM messages")
        assert row is not None
        assert row["sender"] == f"test@{DOMAIN}"
        assert b"T\r\nU" in row["source"]
        assert b"\r\r" not in row["source"]
        assert await db.fetchval("SELECT recipient FROM deliveries") == "me@example.org"
        assert await db.fetchval(
            "SELECT tags FROM events WHERE event = 'accepted' AND recipient = 'me@example.org'"
        ) == ["test"]
        for wrong in (
            {"to": ""},
            {"to": "a@b.example, c@d.example"},
            {"to": "nobody"},
            {"text": " "},
            {"subject": "a\nBcc: x@y.example"},
        ):
            page = await owner.post("/messages/test", fields | wrong)
            assert page.status == 400, wrong
        assert "Me &lt;me@example.org&gt;" in page.text
        assert await db.fetchval("SELECT count(*) FROM messages") == 1
