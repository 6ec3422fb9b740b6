"""Stored messages: looked at, sent again; and the queue as Mailgun's clients ask for it."""

from email import policy
from email.parser import BytesParser
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from edge.api import params
from edge.api.auth import address_of
from edge.api.context import API, KEY
from edge.api.messages import LONGEST_ADDRESSES, NOT_AN_ADDRESS, QUEUED
from edge.api.scope import domain_of
from edge.model.addresses import mailboxes
from edge.model.errors import CallerError
from edge.rewriting.header_fields import first, shown_headers
from edge.sending.message import Addressee, Message, Options, Origin
from edge.store import deliveries, messages
from edge.store.messages import Stored

MIME: Final = "message/rfc2822"
"""What a client accepts that wants the message as it is; Mailgun's own name for it."""

_QUEUE: Final = {"is_disabled": False, "disabled": {"until": "", "reason": ""}}


async def get_message(request: web.Request) -> web.Response:
    """``GET …/messages/{key}``: read into its parts, or whole for ``Accept: message/rfc2822``."""
    async with request.app[API].connection() as conn:
        domain = await domain_of(request, conn)
        stored = await messages.get(conn, domain.number, request.match_info["key"])
        recipients = await messages.recipients(conn, stored)
    source = stored.source or b""
    headers = shown_headers(source)
    head = {
        "sender": stored.sender,
        "recipients": ", ".join(recipients),
        "subject": first(headers, "subject"),
        "from": first(headers, "from"),
    }
    if MIME in request.headers.get(hdrs.ACCEPT, ""):
        return web.json_response(head | {"body-mime": source.decode("utf-8", "replace")})
    return web.json_response(dict(reversed(headers)) | _parts(source) | head)


def _parts(source: bytes) -> dict[str, Any]:
    """Header fields as a list, bodies, and what is attached (RFC 5322, 2045)."""
    parsed = BytesParser(policy=policy.default).parsebytes(source)
    text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    plain = _content(text)
    return {
        "body-plain": plain,
        "body-html": _content(html),
        "stripped-text": plain,
        "stripped-html": _content(html),
        "stripped-signature": "",
        "message-headers": shown_headers(source),
        "attachments": [
            {
                "name": part.get_filename() or "",
                "content-type": part.get_content_type(),
                "size": len(part.get_payload(decode=True) or b""),
            }
            for part in parsed.iter_attachments()
        ],
    }


def _content(part: Any) -> str:
    """A body as text; one in a charset that nobody knows is shown with replacements."""
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, ValueError):
        return bytes(part.get_payload(decode=True) or b"").decode("utf-8", "replace")


async def resend(request: web.Request) -> web.Response:
    """``POST …/messages/{key}`` with ``to``: the stored message once more, to somebody else."""
    given = await params.read(request)
    api = request.app[API]
    async with api.connection() as conn:
        domain = await domain_of(request, conn)
        stored = await messages.get(conn, domain.number, request.match_info["key"])
    found = []
    for value in given.texts("to", longest=LONGEST_ADDRESSES):
        try:
            found += mailboxes(value)
        except CallerError as error:
            raise CallerError(f"to parameter {NOT_AN_ADDRESS} ({error})") from None
    if not found:
        raise CallerError("to parameter is missing")
    accepted = await api.acceptor.accept(
        Message(
            domain=domain,
            source=stored.source or b"",
            sender=stored.sender,
            recipients=tuple(Addressee(box.address, box.name) for box in found),
            options=_again(stored),
            origin=Origin(method="HTTP", ip=address_of(request, api), api_key=request[KEY].id),
        )
    )
    return web.json_response({"id": f"<{accepted.message_id}>", "message": QUEUED})


def _again(stored: Stored) -> Options:
    """The options of the first time, but for when it was to be sent."""
    options = msgspec.json.decode(stored.options, type=Options)
    return msgspec.structs.replace(
        options, deliver_at=0, deliver_within=0, mailing_list="", test_mode=False
    )


async def get_queues(request: web.Request) -> web.Response:
    """``GET …/sending_queues``: nothing here disables a queue."""
    async with request.app[API].connection() as conn:
        await domain_of(request, conn)
    return web.json_response({"regular": _QUEUE, "scheduled": _QUEUE})


async def purge_queue(request: web.Request) -> web.Response:
    """``DELETE /v3/{name}/envelopes``: drop what waits, but for what is being sent."""
    api = request.app[API]
    async with api.connection() as conn:
        domain = await domain_of(request, conn)
        await deliveries.purge(conn, domain.number, api.clock.now_us())
    return web.json_response({"message": "done"})
