"""Messages: the sandbox's outbox, stored messages, and sending a test."""

import secrets
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import web

from edge.model.addresses import Mailbox, mailboxes
from edge.model.domain import Domain
from edge.model.errors import CallerError, EdgeError, NotFound
from edge.model.tokens import make_message_id
from edge.panel import domain_choice, forms, guard, mail_body, rendering
from edge.panel.context import PANEL, SUBJECT
from edge.panel.guard import FRAMING_POLICY
from edge.rewriting.report import Report
from edge.sending.compose import Parts, compose
from edge.sending.copies import Copies, Letter
from edge.sending.message import Addressee, Message, Options, Origin
from edge.store import mail_lines, messages, outbox
from edge.store.deliveries import Delivery
from edge.store.messages import Stored
from edge.store.pool import Connection

LINES: Final = 50
OUTBOX: Final = "outbox-"
STORED: Final = "stored-"
DONE: Final = {
    "sent": "The message is accepted. It appears here within seconds, and in the logs.",
}
TEST_SUBJECT: Final = "A test message"
TEST_TEXT: Final = "Hello!\n\nThis is a test. A link to be tracked: https://example.com/\n"
TEST_HTML: Final = (
    '<h1>Hello!</h1>\n<p>This is a test. <a href="https://example.com/">A link to be tracked</a>.'
    "</p>\n"
)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One message as a page shows it; ``report`` is what instrumenting does to it."""

    domain: Domain
    id: str
    title: str
    at: int
    recipient: str
    sender: str
    source: bytes
    report: Report | None
    why_none: str


async def page(request: web.Request, *, error: str = "", status: int = 200, **form: str) -> Any:
    """The list of a domain's messages, and the form of a test."""
    panel = request.app[PANEL]
    finished: list[outbox.Line] = []
    stored: list[mail_lines.Line] = []
    async with panel.connection() as conn:
        domain, found = await domain_choice.chosen(request, conn, form.get("domain") or None)
        if domain is not None:
            finished = await outbox.list_lines(conn, domain.number, limit=LINES)
            stored = await mail_lines.recent(conn, domain.number, limit=LINES)
    told = {"to": "", "subject": TEST_SUBJECT, "text": TEST_TEXT, "html": TEST_HTML} | form
    response = rendering.render(
        request,
        "messages.html",
        status=status,
        error=error,
        done=DONE.get(request.query.get("done", ""), ""),
        domain=domain,
        domains=found,
        finished=[(line, mail_body.subject_of(line.head)) for line in finished],
        stored=[(line, mail_body.subject_of(line.head)) for line in stored],
        form=told,
        sample=panel.sample(),
    )
    domain_choice.remember(request, response, domain)
    return response


async def show(request: web.Request) -> web.Response:
    """``GET /messages``."""
    response: web.Response = await page(request)
    return response


async def of(request: web.Request, conn: Connection, *, explained: bool = False) -> Shown:
    """The message of a path; raises NotFound."""
    domain = await domain_choice.named(conn, request.match_info["name"])
    name = request.match_info["delivery"]
    if name.startswith(OUTBOX):
        number = name.removeprefix(OUTBOX)
        if number.isascii() and number.isdigit() and len(number) < 19:
            return await _finished(request, conn, domain, int(number), explained=explained)
    elif name.startswith(STORED):
        return await _stored(request, conn, domain, name.removeprefix(STORED), explained=explained)
    raise NotFound("There is no such message.")


async def _finished(
    request: web.Request, conn: Connection, domain: Domain, number: int, *, explained: bool
) -> Shown:
    line = await outbox.line(conn, domain.number, number)
    source = await outbox.get(conn, domain.number, number)
    report, why_none = None, ""
    if explained:
        found = await mail_lines.delivery(conn, domain.number, number)
        why_none = "The message it was made of is not kept any more."
        if found is not None:
            report, why_none = await _report(request, conn, *found)
    return Shown(
        domain=domain,
        id=f"{OUTBOX}{number}",
        title="as it would have gone out",
        at=line.at,
        recipient=line.recipient,
        sender=line.sender,
        source=source,
        report=report,
        why_none=why_none,
    )


async def _stored(
    request: web.Request, conn: Connection, domain: Domain, key: str, *, explained: bool
) -> Shown:
    stored = await messages.get(conn, domain.number, key)
    recipients = await messages.recipients(conn, stored, 20)
    report, why_none = None, "Nobody was to get it."
    if explained:
        delivery = await mail_lines.first_delivery(conn, stored)
        if delivery is not None:
            report, why_none = await _report(request, conn, delivery, stored)
    return Shown(
        domain=domain,
        id=f"{STORED}{key}",
        title="as it was handed in",
        at=stored.accepted_at,
        recipient=", ".join(recipients),
        sender=stored.sender,
        source=stored.source or b"",
        report=report,
        why_none=why_none,
    )


async def _report(
    request: web.Request, conn: Connection, delivery: Delivery, stored: Stored
) -> tuple[Report | None, str]:
    homes = request.app[PANEL].homes
    await homes.refresh(conn)
    home = homes.get(delivery.domain)
    if home is None:
        return None, "The domain's settings cannot be read just now."
    try:
        letter = Letter.of(stored)
        return Copies(homes).report(home, delivery, letter, stored.source or b""), ""
    except EdgeError as error:
        return None, str(error)


async def show_one(request: web.Request) -> web.Response:
    """``GET /messages/{name}/{delivery}``."""
    async with request.app[PANEL].connection() as conn:
        found = await of(request, conn, explained=True)
    body = mail_body.take_apart(found.source)
    headers = {name.lower(): value for name, value in body.headers}
    response = rendering.render(
        request,
        "message.html",
        shown=found,
        body=body,
        report=found.report,
        message_id=headers.get("message-id", "").strip("<>"),
    )
    response.headers["Content-Security-Policy"] = FRAMING_POLICY
    return response


async def source(request: web.Request) -> web.Response:
    """``GET …/source``: byte for byte, as a file."""
    async with request.app[PANEL].connection() as conn:
        found = await of(request, conn)
    return web.Response(
        body=found.source,
        content_type="message/rfc822",
        headers={"Content-Disposition": f'attachment; filename="{quote(found.id)}.eml"'},
    )


async def send_test(request: web.Request) -> web.Response:
    """``POST /messages/test``: through the same door as every message."""
    panel, given = request.app[PANEL], await forms.body(request)
    name, to = given.text("domain", ""), given.text("to", "", longest=1_000)
    subject = given.text("subject", "", longest=500)
    text = given.text("text", "", longest=100_000, lines=True)
    html = given.text("html", "", longest=100_000, lines=True)
    request[SUBJECT] = f"{name}: {to}"
    try:
        given.check()
        boxes = mailboxes(to)
        if len(boxes) != 1:
            raise CallerError("Give one address to send to.")
        if not text.strip() and not html.strip():
            raise CallerError("Give a text or HTML.")
        async with panel.connection() as conn:
            domain = await domain_choice.named(conn, name)
        await panel.acceptor.accept(_message(request, domain, boxes[0], subject, text, html))
    except CallerError as error:
        told = {"domain": name, "to": to, "subject": subject, "text": text, "html": html}
        refused: web.Response = await page(request, error=str(error), status=400, **told)
        return refused
    raise web.HTTPSeeOther(f"/messages?{urlencode({'domain': domain.name, 'done': 'sent'})}")


def _message(
    request: web.Request, domain: Domain, to: Mailbox, subject: str, text: str, html: str
) -> Message:
    now = request.app[PANEL].clock.now_us()
    sender = Mailbox(f"test@{domain.name}", "Test")
    parts = Parts(
        sender=[sender],
        to=[to],
        subject=subject or TEST_SUBJECT,
        text=text if text.strip() else None,
        html=html if html.strip() else None,
        message_id=make_message_id(domain.name, now, secrets.token_bytes(8)),
        at=now / 1e6,
    )
    return Message(
        domain=domain,
        source=compose(parts),
        sender=sender.address,
        recipients=(Addressee(to.address, to.name),),
        options=Options(tags=("test",)),
        origin=Origin(method="HTTP", ip=guard.address_of(request)),
    )
