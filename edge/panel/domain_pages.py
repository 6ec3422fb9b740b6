"""One domain: its switches, footers, DNS records, certificate, scheme and retention."""

from typing import Any, Final
from urllib.parse import quote

from aiohttp import web

from edge.model.domain import Domain
from edge.model.errors import CallerError
from edge.model.params import Params
from edge.panel import certificate_state, domain_choice, forms, rendering
from edge.panel.context import PANEL
from edge.panel.guard import FRAMING_POLICY
from edge.sending.dkim import Signer
from edge.sending.dns_records import Record, kept, records_of, wanted_of
from edge.sending.homes import own_key
from edge.store import authorities, certificates, domain_checks, domain_settings, domains
from edge.store.domain_checks import DomainCheck
from edge.store.domain_settings import LONGEST_FOOTER
from edge.store.pool import Connection

DONE: Final = {
    "added": "The domain is added. Create the DNS records below, then check them.",
    "tracking": "The tracking switches are saved; edges follow within seconds.",
    "footers": "The footers are saved.",
    "scheme": "The scheme of new links is changed.",
    "retention": "The retention is changed for events from now on.",
    "checked": "The DNS records have been looked up.",
    "ordered": "A certificate is on its way.",
}
CLICKS: Final = ("yes", "no", "htmlonly")


async def _records(request: web.Request, conn: Connection, domain: Domain) -> list[Record]:
    panel = request.app[PANEL]
    key = await own_key(conn, panel.vault, domain.number, panel.clock.now_us())
    return records_of(domain, panel.cname, Signer(domain.name, key.selector, key.private))


def _states(
    records: list[Record], check: DomainCheck | None
) -> list[tuple[Record, str, list[str]]]:
    """Each record, its state when last looked up (``unknown`` if never), what was there."""
    held = {(one.type, one.name, one.value): one for one in check.states} if check else {}
    shown = []
    for record in records:
        state = held.get((record.type, record.name, record.value))
        shown.append((record, state.valid if state else "unknown", state.cached if state else []))
    return shown


async def page(
    request: web.Request,
    *,
    error: str = "",
    status: int = 200,
    footers: tuple[str, str] | None = None,
) -> web.Response:
    """The page of one domain; ``footers`` are those that could not be saved."""
    panel = request.app[PANEL]
    async with panel.connection() as conn:
        domain = await domain_choice.named(conn, request.match_info["name"])
        settings = await domain_settings.get(conn, domain.number)
        records = await _records(request, conn, domain)
        check = await domain_checks.recent(conn, domain.number, panel.clock.now_us())
        held = await certificates.show(conn, domain.tracking_host)
        hosts = await domains.hosts(conn, domain.number)
    response = rendering.render(
        request,
        "domain.html",
        status=status,
        error=error,
        done=DONE.get(request.query.get("done", ""), ""),
        domain=domain,
        settings=settings,
        html_footer=footers[0] if footers else settings.html_footer,
        text_footer=footers[1] if footers else settings.text_footer,
        records=_states(records, check),
        check=check,
        hosts=[host for host in hosts if host != domain.tracking_host],
        certificate=certificate_state.shown(request, held),
        days=sorted({2, 7, 30, 90, 365, domain.retention_days}),
        clicks=CLICKS,
    )
    response.headers["Content-Security-Policy"] = FRAMING_POLICY
    return response


async def show(request: web.Request) -> web.Response:
    """``GET /domains/{name}``."""
    return await page(request)


def back(name: str, done: str) -> web.HTTPSeeOther:
    """To the page of the domain."""
    return web.HTTPSeeOther(f"/domains/{quote(name)}?done={done}")


async def _change(request: web.Request, given: Params, done: str, **changes: Any) -> web.Response:
    panel, name = request.app[PANEL], request.match_info["name"]
    try:
        given.check()
        async with panel.connection() as conn:
            await domains.change(conn, name, panel.clock.now_us(), **changes)
    except CallerError as error:
        return await page(request, error=str(error), status=400)
    raise back(name, done)


async def change_tracking(request: web.Request) -> web.Response:
    """``POST …/tracking``: all switches at once; a box that is not ticked is off."""
    given = await forms.body(request)
    return await _change(
        request,
        given,
        "tracking",
        open=given.has("open"),
        pixel_at_top=given.has("pixel_at_top"),
        click=given.choice("click", CLICKS, "no"),
        unsubscribe=given.has("unsubscribe"),
        unsubscribe_on_get=given.has("unsubscribe_on_get"),
    )


async def change_footers(request: web.Request) -> web.Response:
    """``POST …/footers``: both; ``restore`` brings back those of a new domain."""
    panel, given = request.app[PANEL], await forms.body(request)
    html = given.text("html_footer", "", longest=LONGEST_FOOTER, lines=True)
    text = given.text("text_footer", "", longest=LONGEST_FOOTER, lines=True)
    name = request.match_info["name"]
    try:
        given.check()
        async with panel.connection() as conn:
            domain = await domain_choice.named(conn, name)
            if given.has("restore"):
                await domain_settings.restore_footers(conn, domain.number)
            else:
                await domain_settings.change(
                    conn, domain.number, html_footer=html, text_footer=text
                )
    except CallerError as error:
        return await page(request, error=str(error), status=400, footers=(html, text))
    raise back(name, "footers")


async def change_scheme(request: web.Request) -> web.Response:
    """``POST …/scheme``. Without a certificate to https only with ``anyway``: links would die."""
    panel, given = request.app[PANEL], await forms.body(request)
    scheme = given.choice("web_scheme", ("http", "https"), "http")
    if scheme == "https" and not given.has("anyway"):
        async with panel.connection() as conn:
            domain = await domain_choice.named(conn, request.match_info["name"])
            held = await certificates.show(conn, domain.tracking_host)
        if held is None or not held.valid(panel.clock.now()):
            text = (
                f"{domain.tracking_host} has no valid certificate: every https link of new mail "
                "would be dead. Issue one first, or tick the box that says you mean it."
            )
            return await page(request, error=text, status=400)
    return await _change(request, given, "scheme", web_scheme=scheme)


async def change_retention(request: web.Request) -> web.Response:
    """``POST …/retention``."""
    given = await forms.body(request)
    days = given.number("retention_days", 30, low=1, high=365)
    return await _change(request, given, "retention", retention_days=days)


async def check(request: web.Request) -> web.Response:
    """``POST …/check``: asks DNS now. No connection to Postgres is held meanwhile."""
    panel, name = request.app[PANEL], request.match_info["name"]
    async with panel.connection() as conn:
        domain = await domain_choice.named(conn, name)
        records = await _records(request, conn, domain)
        authority = await authorities.current(conn)
    report = await panel.doctor.examine(wanted_of(domain, panel.cname, records, authority))
    async with panel.connection() as conn:
        await domain_choice.named(conn, name)  # it may be gone by now
        await domain_checks.put(conn, domain.number, kept(report, panel.clock.now_us()))
    raise back(name, "checked")


async def remove(request: web.Request) -> web.Response:
    """``POST …/remove``: with the domain's name typed once more."""
    panel, given, name = request.app[PANEL], await forms.body(request), request.match_info["name"]
    if given.text("again", "").strip().lower() != name:
        return await page(request, error=f"Type {name} to remove it.", status=400)
    async with panel.connection() as conn:
        await domains.remove(conn, name)
    raise web.HTTPSeeOther("/domains?done=removed")
