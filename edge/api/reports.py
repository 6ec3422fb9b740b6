"""``POST /v1/reports``: mail that came back, handed in over HTTP; and what it would be read as.

An addition to Mailgun's API. The body is the mail itself (``message/rfc822``), or a form whose
``message`` is a file or a text.
"""

from typing import Any

from aiohttp import web

from edge.api import params
from edge.api.body import read_raw
from edge.api.context import API, KEY
from edge.model.errors import CallerError
from edge.returns.reading import read
from edge.returns.report import as_json
from edge.sending.returned_mail import Mail, Outcome
from edge.store.api_keys import ApiKey

RAW = frozenset({"message/rfc822", "message/global", "text/plain", "application/octet-stream"})
NOTHING = (
    "Give the mail that came back: as the body with Content-Type: message/rfc822, or as the "
    "parameter message of a form"
)


async def report(request: web.Request) -> web.Response:
    """``POST /v1/reports``: read it and act upon it. A domain's key reports for its domain only."""
    api = request.app[API]
    raw, to = await _mail(request)
    key: ApiKey = request[KEY]
    mail = Mail(raw=raw, way="api", to=to, trusted=True, domain=key.domain)
    async with api.connection() as conn:
        result = await api.returns.take(conn, mail)
    if result.outcome is Outcome.FULL:
        raise CallerError("Too much unread mail is kept; look at it with `edge report unparsed`")
    return web.json_response(result.as_json())


async def explain(request: web.Request) -> web.Response:
    """``POST /v1/reports/explain``: only what it would be read as, with the rule that decided."""
    raw, _ = await _mail(request)
    return web.json_response(as_json(read(raw)))


async def _mail(request: web.Request) -> tuple[bytes, tuple[str, ...]]:
    """The mail and, where it is said, whom it was addressed to."""
    if request.content_type in RAW:
        raw = await read_raw(request, request.app[API].max_body)
        to: Any = tuple(request.query.getall("to", []))
        return _given(raw), to
    given = await params.read(request)
    files = [file.data for file in given.fields.files if file.name == "message"]
    texts = [
        text.encode("utf-8", "surrogatepass") for text in given.fields.texts.get("message", [])
    ]
    if len(files) + len(texts) > 1:
        raise CallerError("message parameter is given twice")
    to = (*given.fields.texts.get("to", []), *request.query.getall("to", []))
    return _given((files + texts or [b""])[0]), to


def _given(raw: bytes) -> bytes:
    if not raw.strip():
        raise CallerError(NOTHING)
    return raw
