"""The sandbox's outbox, an addition of this project: finished messages, to be looked at."""

from aiohttp import web

from edge.api import params
from edge.api.context import API
from edge.api.params import rfc1123
from edge.api.scope import domain_of
from edge.model.errors import NotFound
from edge.rewriting.header_fields import first, shown_headers
from edge.store import outbox
from edge.store.outbox import Line


async def list_outbox(request: web.Request) -> web.Response:
    """``GET …/outbox``: the newest first; ``limit`` up to 1,000."""
    given = await params.read(request)
    limit = given.number("limit", 100, low=1, high=1000)
    given.check()
    async with request.app[API].connection() as conn:
        domain = await domain_of(request, conn)
        lines = await outbox.list_lines(conn, domain.number, limit=limit)
    return web.json_response({"items": [_as_json(line) for line in lines]})


def _as_json(line: Line) -> dict[str, object]:
    headers = shown_headers(line.head)
    return {
        "id": str(line.delivery),
        "recipient": line.recipient,
        "created_at": rfc1123(line.at),
        "envelope-sender": line.sender,
        "size": line.size,
        "subject": first(headers, "subject"),
        "message-id": first(headers, "message-id").strip("<>"),
    }


async def get_finished(request: web.Request) -> web.Response:
    """``GET …/outbox/{delivery}``: the message, byte for byte."""
    number = request.match_info["delivery"]
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        raise NotFound("Message not found")
    async with request.app[API].connection() as conn:
        domain = await domain_of(request, conn)
        message = await outbox.get(conn, domain.number, int(number))
    return web.Response(body=message, content_type="message/rfc822")
