"""Calls of the messages API."""

import io
from collections.abc import Sequence
from typing import Any

import aiohttp

from tests.integration.api.worlds import OURS, Answer, World

Fields = Sequence[tuple[str, str]]
ANN = "ann@example.net"
MESSAGE: Fields = (
    ("from", f"News <news@{OURS}>"), ("to", ANN), ("subject", "Hi"), ("text", "Hello")
)  # fmt: skip
QUEUED = "Queued. Thank you."
NOT_AN_ADDRESS = "parameter is not a valid address. please check documentation"


async def send(
    world: World,
    fields: Fields,
    *,
    files: Sequence[tuple[str, str, str, bytes]] = (),
    path: str = "messages",
    **more: Any,
) -> Answer:
    """One call; as multipart where there are files."""
    if not files:
        return await world.ask("POST", f"/v3/{OURS}/{path}", data=list(fields), **more)
    form = aiohttp.FormData(quote_fields=False)
    for name, value in fields:
        form.add_field(name, value, content_type="text/plain")
    for name, filename, kind, data in files:
        form.add_field(name, io.BytesIO(data), filename=filename, content_type=kind)
    return await world.ask("POST", f"/v3/{OURS}/{path}", data=form, **more)


def changed(**changes: str | None) -> Fields:
    """The plain message with some fields changed; None takes one away."""
    kept = [(name, value) for name, value in MESSAGE if name not in changes]
    return [*kept, *((name, value) for name, value in changes.items() if value is not None)]


MIME = (
    f"From: News <news@{OURS}>\r\nTo: all@example.net\r\nBcc: secret@example.net\r\n"
    "Subject: Hi\r\nX-Mailgun-Tag: one\r\nX-Mailgun-Track: no\r\n"
    'X-Mailgun-Variables: {"order": 17}\r\nX-Mailgun-Deliver-Within: 2h\r\n'
    "X-Mailgun-Dkim: no\r\nMessage-Id: <7@mime.example>\r\n\r\nHello\r\n"
)
