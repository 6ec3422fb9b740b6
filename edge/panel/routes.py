"""Every route of the panel and what it needs: the only place where its paths are written."""

from functools import partial
from typing import Final, NamedTuple
from urllib.parse import urlencode

from aiohttp import web

from edge.panel import (
    access,
    account,
    analytics,
    audit,
    certificates,
    click_map,
    domain_keys,
    domain_pages,
    domains,
    event_page,
    guard,
    log_export,
    logs,
    messages,
    overview,
    previews,
    rendering,
    suppression_files,
    suppressions,
    users,
    webhook_attempts,
    webhook_key,
    webhook_page,
    webhook_receiver,
    webhook_replays,
    webhooks,
)
from edge.panel.context import MAX_BODY, PANEL, SESSION, SUBJECT, Handler, Panel, may
from edge.panel.guard import Forbidden
from edge.panel.permissions import Permit
from edge.store import panel_audit

DOMAIN: Final = "/domains/{name}"
WEBHOOK: Final = "/webhooks/{number}"


class Route(NamedTuple):
    """One method of one path; ``need`` None is open to whoever reaches the port."""

    method: str
    path: str
    handler: Handler
    need: Permit | None


_ACCESS: Final = (
    Route("GET", "/static/{name:.+}", rendering.static, None),
    Route("GET", "/login", access.show_login, None),
    Route("POST", "/login", access.login, None),
    Route("GET", "/first-run", access.show_first_run, None),
    Route("POST", "/first-run", access.first_run, None),
    Route("GET", "/", access.start, Permit.OWN),
    Route("GET", "/welcome", access.welcome, Permit.READ_MAIL),
    Route("POST", "/logout", access.logout, Permit.OWN),
    Route("GET", "/account", account.show, Permit.OWN),
    Route("POST", "/account/password", account.change_password, Permit.OWN),
    Route("POST", "/account/totp", account.begin_totp, Permit.OWN),
    Route("POST", "/account/totp/confirm", account.confirm_totp, Permit.OWN),
    Route("POST", "/account/totp/off", account.end_totp, Permit.OWN),
    Route("POST", "/account/sessions/end", account.end_sessions, Permit.OWN),
    Route("GET", "/users", users.show, Permit.ADMINISTER),
    Route("POST", "/users/add", users.add, Permit.ADMINISTER),
    Route("POST", "/users/role", users.change_role, Permit.ADMINISTER),
    Route("POST", "/users/reset", users.reset, Permit.ADMINISTER),
    Route("POST", "/users/remove", users.remove, Permit.ADMINISTER),
    Route("GET", "/audit", audit.show, Permit.ADMINISTER),
)

_FIGURES: Final = (
    Route("GET", "/overview", overview.show, Permit.LOOK),
    Route("GET", "/overview/chart", overview.chart, Permit.LOOK),
    Route("GET", "/overview/tail", overview.tail, Permit.LOOK),
    Route("GET", "/analytics", analytics.show, Permit.LOOK),
    Route("GET", "/analytics/export", analytics.export, Permit.LOOK),
    Route("GET", "/analytics/links", click_map.show, Permit.LOOK),
)

_LOGS: Final = (
    Route("GET", "/logs", logs.show, Permit.LOOK),
    Route("GET", "/logs/export", log_export.export, Permit.LOOK),
    Route("GET", "/logs/{id}", event_page.show, Permit.LOOK),
    Route("GET", "/logs/{id}/json", event_page.raw, Permit.LOOK),
)

_SUPPRESSIONS: Final = (
    Route("GET", "/suppressions", suppressions.show, Permit.LOOK),
    Route("GET", "/suppressions/export", suppression_files.export, Permit.LOOK),
    Route("POST", "/suppressions/add", suppressions.add, Permit.SUPPRESS),
    Route("POST", "/suppressions/remove", suppressions.remove, Permit.SUPPRESS),
    Route("POST", "/suppressions/import", suppression_files.upload, Permit.SUPPRESS),
)

_DOMAINS: Final = (
    Route("GET", "/domains", domains.show, Permit.LOOK),
    Route("POST", "/domains", domains.add, Permit.MANAGE),
    Route("GET", DOMAIN, domain_pages.show, Permit.LOOK),
    Route("POST", f"{DOMAIN}/tracking", domain_pages.change_tracking, Permit.MANAGE),
    Route("POST", f"{DOMAIN}/footers", domain_pages.change_footers, Permit.MANAGE),
    Route("GET", f"{DOMAIN}/footers/preview", previews.footers, Permit.LOOK),
    Route("POST", f"{DOMAIN}/scheme", domain_pages.change_scheme, Permit.MANAGE),
    Route("POST", f"{DOMAIN}/retention", domain_pages.change_retention, Permit.MANAGE),
    Route("POST", f"{DOMAIN}/check", domain_pages.check, Permit.MANAGE),
    Route("POST", f"{DOMAIN}/remove", domain_pages.remove, Permit.MANAGE),
    Route("GET", f"{DOMAIN}/certificate", certificates.fragment, Permit.LOOK),
    Route("POST", f"{DOMAIN}/certificate", certificates.order, Permit.MANAGE),
    Route("GET", f"{DOMAIN}/keys", domain_keys.show, Permit.MANAGE),
    Route("POST", f"{DOMAIN}/keys", domain_keys.add_key, Permit.MANAGE),
    Route("POST", f"{DOMAIN}/keys/revoke", domain_keys.revoke_key, Permit.MANAGE),
    Route("POST", f"{DOMAIN}/logins", domain_keys.add_login, Permit.MANAGE),
    Route("POST", f"{DOMAIN}/logins/reset", domain_keys.reset_login, Permit.MANAGE),
    Route("POST", f"{DOMAIN}/logins/remove", domain_keys.remove_login, Permit.MANAGE),
)

_MESSAGES: Final = (
    Route("GET", "/messages", messages.show, Permit.READ_MAIL),
    Route("POST", "/messages/test", messages.send_test, Permit.SEND),
    Route("GET", "/messages/{name}/{delivery}", messages.show_one, Permit.READ_MAIL),
    Route("GET", "/messages/{name}/{delivery}/preview", previews.message, Permit.READ_MAIL),
    Route("GET", "/messages/{name}/{delivery}/clicks", click_map.framed, Permit.READ_MAIL),
    Route("GET", "/messages/{name}/{delivery}/source", messages.source, Permit.READ_MAIL),
)

_WEBHOOKS: Final = (
    Route("GET", "/webhooks", webhooks.show, Permit.LOOK),
    Route("POST", "/webhooks", webhooks.add, Permit.MANAGE),
    Route("GET", "/webhooks/attempts", webhook_attempts.show, Permit.LOOK),
    Route("POST", "/webhooks/attempts/{id}/again", webhook_attempts.again, Permit.TRY),
    Route("GET", "/webhooks/key", webhook_key.show, Permit.MANAGE),
    Route("POST", "/webhooks/key/show", webhook_key.reveal, Permit.MANAGE),
    Route("POST", "/webhooks/key/new", webhook_key.renew, Permit.MANAGE),
    Route("POST", "/webhooks/key/set", webhook_key.bring, Permit.MANAGE),
    Route("GET", "/webhooks/receiver", webhook_receiver.show, Permit.LOOK),
    Route("POST", "/webhooks/receiver", webhook_receiver.switch_on, Permit.MANAGE),
    Route("POST", "/webhooks/receiver/off", webhook_receiver.switch_off, Permit.MANAGE),
    Route("GET", "/webhooks/replays/{job}", webhook_replays.show, Permit.TRY),
    Route("POST", "/webhooks/replays/{job}/start", webhook_replays.start, Permit.TRY),
    Route("POST", "/webhooks/replays/{job}/stop", webhook_replays.stop, Permit.TRY),
    Route("GET", WEBHOOK, webhook_page.show, Permit.LOOK),
    Route("POST", f"{WEBHOOK}/types", webhook_page.change_types, Permit.MANAGE),
    Route("POST", f"{WEBHOOK}/retried", webhook_page.change_retried, Permit.MANAGE),
    Route("POST", f"{WEBHOOK}/remove", webhook_page.remove, Permit.MANAGE),
    Route("POST", f"{WEBHOOK}/pause", webhook_page.pause, Permit.TRY),
    Route("POST", f"{WEBHOOK}/resume", webhook_page.resume, Permit.TRY),
    Route("POST", f"{WEBHOOK}/test", webhook_page.test, Permit.TRY),
    Route("POST", f"{WEBHOOK}/again", webhook_page.again, Permit.TRY),
    Route("POST", f"{WEBHOOK}/replay", webhook_replays.ask, Permit.TRY),
)

ROUTES: Final = (*_ACCESS, *_FIGURES, *_LOGS, *_SUPPRESSIONS, *_DOMAINS, *_MESSAGES, *_WEBHOOKS)


async def _guarded(route: Route, request: web.Request) -> web.StreamResponse:
    """The route for whoever may use it; a write leaves a line in the audit log."""
    if route.need is not None:
        if SESSION not in request:
            raise web.HTTPSeeOther(_login(request))
        if not may(request, route.need):
            await _told(request, route, "refused")
            raise Forbidden(f"Your role ({request[SESSION].role.value}) does not allow that.")
    if route.method == "GET":
        return await route.handler(request)
    try:
        response = await route.handler(request)
    except web.HTTPException as raised:
        await _told(request, route, "done" if raised.status < 400 else "failed")
        raise
    except Exception:
        await _told(request, route, "failed")
        raise
    if response.status != 429:  # whoever hammers on the door does not fill the log
        await _told(request, route, "done" if response.status < 400 else "failed")
    return response


def _login(request: web.Request) -> str:
    if request.method != "GET" or request.path == "/":
        return "/login"
    return f"/login?{urlencode({'next': request.path_qs})}"


async def _told(request: web.Request, route: Route, outcome: str) -> None:
    panel, session = request.app[PANEL], request.get(SESSION)
    if route.method == "GET" or (session is None and route.path != "/login"):
        return
    name = request.match_info.get("name", "")
    subject = request.get(SUBJECT, "")
    async with panel.connection() as conn:
        await panel_audit.add(
            conn,
            at=panel.clock.now_us(),
            user=session.name if session else "",
            address=guard.address_of(request),
            action=ACTIONS[route.path],
            subject=f"{name}: {subject}" if name and subject else name or subject,
            outcome=outcome,
        )


ACTIONS: Final = {
    "/login": "log in",
    "/first-run": "first run",
    "/logout": "log out",
    "/account/password": "change own password",
    "/account/totp": "begin second factor",
    "/account/totp/confirm": "set second factor",
    "/account/totp/off": "remove second factor",
    "/account/sessions/end": "end own sessions",
    "/users/add": "add user",
    "/users/role": "change role",
    "/users/reset": "reset password",
    "/users/remove": "remove user",
    "/suppressions/add": "add suppression",
    "/suppressions/remove": "remove suppression",
    "/suppressions/import": "import suppressions",
    "/domains": "add domain",
    f"{DOMAIN}/tracking": "change tracking",
    f"{DOMAIN}/footers": "change footers",
    f"{DOMAIN}/scheme": "change web scheme",
    f"{DOMAIN}/retention": "change retention",
    f"{DOMAIN}/check": "check DNS",
    f"{DOMAIN}/remove": "remove domain",
    f"{DOMAIN}/certificate": "order certificate",
    f"{DOMAIN}/keys": "make API key",
    f"{DOMAIN}/keys/revoke": "revoke API key",
    f"{DOMAIN}/logins": "add SMTP login",
    f"{DOMAIN}/logins/reset": "reset SMTP password",
    f"{DOMAIN}/logins/remove": "remove SMTP login",
    "/messages/test": "send test",
    "/webhooks": "add webhook",
    "/webhooks/attempts/{id}/again": "repeat delivery",
    "/webhooks/key/show": "show signing key",
    "/webhooks/key/new": "replace signing key",
    "/webhooks/key/set": "set signing key",
    "/webhooks/receiver": "switch receiver on",
    "/webhooks/receiver/off": "switch receiver off",
    "/webhooks/replays/{job}/start": "begin replay",
    "/webhooks/replays/{job}/stop": "stop replay",
    f"{WEBHOOK}/types": "change webhook types",
    f"{WEBHOOK}/retried": "change retried types",
    f"{WEBHOOK}/remove": "remove webhook",
    f"{WEBHOOK}/pause": "pause webhook",
    f"{WEBHOOK}/resume": "resume webhook",
    f"{WEBHOOK}/test": "test webhook",
    f"{WEBHOOK}/again": "repeat what was not taken",
    f"{WEBHOOK}/replay": "count replay",
}
"""What the audit log calls each write."""


def application(panel: Panel) -> web.Application:
    """The panel's application."""
    app = web.Application(
        middlewares=[guard.hardened, guard.sessions, guard.unforged], client_max_size=MAX_BODY
    )
    app[PANEL] = panel
    rendering.set_up(app)
    for route in ROUTES:
        handler = partial(_guarded, route)
        if route.method == "GET":
            app.router.add_get(route.path, handler)
        else:
            app.router.add_route(route.method, route.path, handler)
    return app
