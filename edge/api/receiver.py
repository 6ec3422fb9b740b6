"""``POST /receive/{token}``: the built-in receiver of webhooks, for trying them out.

On the control port, and not on the panel's: whoever posts here is a stranger with a program, and
must share no origin with the pages of people who are logged in. No key is asked for: the path is
the secret. While nobody has switched it on (in the panel), every path is unknown.
"""

import asyncio
import json
from typing import Final

from aiohttp import web

from edge.api.auth import address_of
from edge.api.body import SECONDS
from edge.api.context import API, RECEIVED_A_MINUTE
from edge.api.errors import TooLarge, TooMany
from edge.model.errors import CallerError, NotFound
from edge.store import receivers, webhooks
from edge.store.receivers import LARGEST, Receipt
from edge.webhooks import signature
from edge.webhooks.dispatch import made_key

PATH: Final = "/receive/{token}"
TOKEN_LENGTH: Final = 43
"""Characters: 32 random bytes in base64url."""

KEPT: Final = (
    "Content-Type",
    "User-Agent",
    signature.TIMESTAMP,
    signature.SIGNATURE,
    signature.PREVIOUS,
)
"""Headers that are kept; the rest is nobody's business."""

LONGEST_HEADER: Final = 300


async def take(request: web.Request) -> web.Response:
    """Keep a POST with the verdicts on its signatures."""
    api, token = request.app[API], request.match_info["token"]
    if len(token) != TOKEN_LENGTH or not token.isascii():
        raise NotFound("Not found")
    now_us, address = api.clock.now_us(), address_of(request, api)
    if wait := api.receiving.wait(address):
        raise TooMany("Too many requests for receivers that there are not", wait)
    async with api.connection() as conn:
        account = await receivers.find(conn, token, now_us=now_us)
        if account is None:
            api.receiving.take(address)  # whoever guesses does not keep the database busy
            raise NotFound("Not found")
        key = await webhooks.signing_key(conn, api.vault, account, made_key(), now_us=now_us)
    if wait := api.receiving.take(str(account)):
        raise TooMany(f"This receiver takes {RECEIVED_A_MINUTE} requests a minute", wait)
    body = await _body(request)  # no connection is held while a stranger takes their time
    seconds, key = now_us // 1_000_000, key.at(now_us)
    receipt = Receipt(
        at=now_us,
        address=address,
        headers={
            name: request.headers[name][:LONGEST_HEADER] for name in KEPT if name in request.headers
        },
        body=body,
        mailgun=signature.checked_token(key, body, seconds=seconds).value,
        whole=signature.checked_body(key, request.headers, body, seconds=seconds).value,
    )
    async with api.connection() as conn:
        if not await receivers.take(conn, account, token, receipt):
            raise NotFound("Not found")
    return web.Response(text=json.dumps({"message": "received"}), content_type="application/json")


async def _body(request: web.Request) -> bytes:
    """Raises TooLarge: nothing of what is too large is kept."""
    data = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            async for piece in request.content.iter_chunked(8_192):
                data += piece
                if len(data) > LARGEST:
                    raise TooLarge(f"The receiver takes at most {LARGEST} bytes")
    except TimeoutError:
        raise CallerError("The body did not come in time") from None
    except (web.RequestPayloadError, ValueError):
        raise CallerError("The body cannot be read") from None
    return bytes(data)
