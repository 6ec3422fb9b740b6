"""The key that webhooks are signed with: shown on demand, replaced, brought along. For owners.

It is shown by a POST, so that the audit log has a line for each look at it.
"""

from typing import Final

from aiohttp import web

from edge.model.errors import CallerError
from edge.model.webhook import KEY_LENGTHS, SigningKey, checked_key
from edge.panel import forms, rendering
from edge.panel.context import PANEL, SUBJECT
from edge.store import webhooks
from edge.webhooks.dispatch import made_key
from edge.webhooks.places import ACCOUNT

LONGEST_GRACE: Final = 720
"""Hours."""

SECOND_US: Final = 1_000_000


async def _page(
    request: web.Request,
    *,
    error: str = "",
    status: int = 200,
    done: str = "",
    shown: SigningKey | None = None,
) -> web.Response:
    panel = request.app[PANEL]
    now_us = panel.clock.now_us()
    async with panel.connection() as conn:
        key = await webhooks.signing_key(conn, panel.vault, ACCOUNT, made_key(), now_us=now_us)
    key = key.at(now_us)
    return rendering.render(
        request,
        "signing_key.html",
        status=status,
        error=error,
        done=done,
        shown=shown,
        until=key.previous_until if key.previous is not None else None,
        grace=panel.key_grace // 3600,
        lengths=KEY_LENGTHS,
    )


async def show(request: web.Request) -> web.Response:
    """``GET /webhooks/key``: without the key."""
    return await _page(request)


async def reveal(request: web.Request) -> web.Response:
    """``POST …/show``: with it, and with the replaced one while that is good."""
    panel = request.app[PANEL]
    now_us = panel.clock.now_us()
    async with panel.connection() as conn:
        key = await webhooks.signing_key(conn, panel.vault, ACCOUNT, made_key(), now_us=now_us)
    return await _page(request, shown=key.at(now_us))


async def _replace(request: web.Request, *, brought: bool) -> web.Response:
    panel, given = request.app[PANEL], await forms.body(request)
    hours = given.number("grace", panel.key_grace // 3600, low=0, high=LONGEST_GRACE)
    text = given.text("key", "", longest=4 * KEY_LENGTHS[1]).strip()
    request[SUBJECT] = f"grace {hours} h"
    try:
        given.check()
        key = checked_key(text) if brought else made_key()
    except CallerError as error:
        told = str(error).replace("http_signing_key", "The key")
        return await _page(request, error=told, status=400)
    now_us = panel.clock.now_us()
    until = now_us + hours * 3600 * SECOND_US if hours else None
    async with panel.connection() as conn, conn.transaction():
        await webhooks.lock(conn, ACCOUNT)
        await webhooks.set_key(conn, panel.vault, ACCOUNT, key, now_us=now_us, until=until)
    return await _page(request, done="The new key signs from now on.", shown=SigningKey(key))


async def renew(request: web.Request) -> web.Response:
    """``POST …/new``: a key that is made here."""
    return await _replace(request, brought=False)


async def bring(request: web.Request) -> web.Response:
    """``POST …/set``: a key that is brought along."""
    return await _replace(request, brought=True)
