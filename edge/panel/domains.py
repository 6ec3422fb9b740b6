"""The domains: what there is, and adding one."""

from typing import Final
from urllib.parse import quote

from aiohttp import web

from edge.model.domain import DEFAULT_WEB_PREFIX, Domain, host_name
from edge.model.errors import CallerError
from edge.panel import forms, rendering
from edge.panel.context import PANEL, SUBJECT
from edge.store import certificates, domain_checks, domains

DONE: Final = {"removed": "The domain is removed. Links in mail already sent go on working."}


async def page(request: web.Request, *, error: str = "", status: int = 200) -> web.Response:
    """The list of domains."""
    panel = request.app[PANEL]
    now = panel.clock.now_us()
    async with panel.connection() as conn:
        found = await domains.list_domains(conn)
        held = {one.host: one for one in await certificates.list_all(conn)}
        checks = {
            one.number: check
            for one in found[:200]
            if (check := await domain_checks.recent(conn, one.number, now)) is not None
        }
    return rendering.render(
        request,
        "domains.html",
        status=status,
        error=error,
        done=DONE.get(request.query.get("done", ""), ""),
        domains=found,
        certificates=held,
        checks=checks,
        now=panel.clock.now(),
        prefix=DEFAULT_WEB_PREFIX,
    )


async def show(request: web.Request) -> web.Response:
    """``GET /domains``."""
    return await page(request)


async def add(request: web.Request) -> web.Response:
    """``POST /domains``."""
    panel, given = request.app[PANEL], await forms.body(request)
    name = given.text("name", "", longest=253)
    prefix = given.text("web_prefix", "", longest=190).strip().lower()
    request[SUBJECT] = name
    try:
        given.check()
        wanted = Domain(number=0, name=host_name(name), web_prefix=prefix or DEFAULT_WEB_PREFIX)
        async with panel.connection() as conn:
            domain = await domains.add(conn, wanted, now_us=panel.clock.now_us())
    except CallerError as error:
        return await page(request, error=str(error), status=400)
    raise web.HTTPSeeOther(f"/domains/{quote(domain.name)}?done=added")
