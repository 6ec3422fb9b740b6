"""What others wrote, to be shown in a frame: pages whose policy lets them do nothing."""

from typing import Final

from aiohttp import web

from edge.panel import domain_choice, mail_body, messages
from edge.panel.context import PANEL
from edge.panel.guard import FRAMED_POLICY
from edge.store import domain_settings

_HEADERS: Final = {
    "Content-Security-Policy": FRAMED_POLICY,
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Type": "text/html; charset=utf-8",
}
_SAMPLE: Final = "<p>The message of your customer ends here.</p>"
_NOTHING: Final = "<p><em>There is no HTML footer.</em></p>"
_NO_HTML: Final = "<p><em>This message has no HTML part.</em></p>"


def framed(html: str) -> web.Response:
    """What others wrote, under a policy that lets it do nothing."""
    return web.Response(body=html.encode("utf-8", "replace"), headers=_HEADERS)


async def footers(request: web.Request) -> web.Response:
    """``GET /domains/{name}/footers/preview``: the saved HTML footer below a sample."""
    async with request.app[PANEL].connection() as conn:
        domain = await domain_choice.named(conn, request.match_info["name"])
        settings = await domain_settings.get(conn, domain.number)
    html = settings.html_footer.replace("%unsubscribe_url%", "#unsubscribe")
    return framed(f"<!doctype html><title>Footer</title>{_SAMPLE}{html or _NOTHING}")


async def message(request: web.Request) -> web.Response:
    """``GET /messages/{name}/{delivery}/preview``: its HTML part; nothing in it is fetched."""
    async with request.app[PANEL].connection() as conn:
        found = await messages.of(request, conn)
    return framed(mail_body.take_apart(found.source).html or _NO_HTML)
