"""What became of webhooks: deliveries with their last attempt, and one of them once more."""

from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from edge.model.errors import CallerError, NotFound
from edge.model.webhook import TYPES, shown_url
from edge.panel import domain_choice, forms, rendering
from edge.panel.context import PANEL, SUBJECT
from edge.store import webhook_log, webhooks
from edge.store.pool import Connection
from edge.store.webhook_log import LOOKED_THROUGH, Result
from edge.store.webhook_queue import Line
from edge.webhooks.places import ACCOUNT

LINES: Final = 50
RESULTS: Final = {
    Result.UNTAKEN: "Not taken",
    Result.TAKEN: "Taken",
    Result.DEFERRED: "Tried, will be again",
    Result.WAITING: "Not tried yet",
    Result.REJECTED: "Rejected (406)",
    Result.FAILED: "Failed for good",
    Result.EXPIRED: "Expired while paused or down",
    Result.REMOVED: "Removed with its webhook",
    Result.GONE: "Its event is gone",
}
DONE: Final = {"queued": "The delivery is queued once more, with its id and token."}
AGAIN: Final = frozenset({"failed", "expired", "rejected", "taken"})
"""Outcomes after which a delivery may be queued once more."""


async def urls_of(conn: Connection, lines: list[Line]) -> dict[int, str]:
    """URLs for people, by endpoint."""
    found = await webhook_log.addresses(conn, {one.endpoint for one in lines})
    return {number: shown_url(address) for number, address in found.items()}


async def page(request: web.Request, *, error: str = "", status: int = 200) -> web.Response:
    """The attempts that the address asks for, the newest first."""
    panel, given = request.app[PANEL], forms.query(request)
    endpoint = given.number("endpoint", low=1, high=2**31 - 1)
    kind = given.choice("type", TYPES, "")
    result = given.choice("result", [one.value for one in Result], "")
    before = given.number("before", low=1, high=2**62)
    error = error or "; ".join(given.mistakes)
    lines: list[Line] = []
    choices: dict[int, str] = {}
    async with panel.connection() as conn:
        domain, found = await domain_choice.chosen(request, conn)
        if domain is not None:
            configured = [
                *await webhooks.of_domain(conn, domain.number),
                *await webhooks.of_account(conn, ACCOUNT),
            ]
            choices = {one.endpoint.id: shown_url(one.endpoint.address) for one in configured}
            if endpoint is not None and endpoint not in choices:
                old = (await webhook_log.addresses(conn, [endpoint])).get(endpoint)
                choices |= {endpoint: shown_url(old)} if old else {}
            if not given.mistakes:
                lines = await webhook_log.page(
                    conn,
                    [endpoint] if endpoint is not None else choices,
                    domain=domain.number,
                    kind=kind or None,
                    result=Result(result) if result else None,
                    before=before,
                    limit=LINES + 1,
                )
    asked: dict[str, Any] = {"endpoint": endpoint, "type": kind, "result": result}
    same = {name: value for name, value in asked.items() if value}
    response = rendering.render(
        request,
        "attempts.html",
        status=400 if error and status == 200 else status,
        error=error,
        done=DONE.get(request.query.get("done", ""), ""),
        domain=domain,
        domains=found,
        lines=lines[:LINES],
        urls=choices,
        choices=choices,
        types=TYPES,
        results=RESULTS,
        asked=asked,
        kept=same,
        again=AGAIN,
        same=urlencode({"domain": domain.name if domain else "", **same}),
        more=lines[LINES - 1].id if len(lines) > LINES else None,
        before=before,
        looked_through=LOOKED_THROUGH,
    )
    domain_choice.remember(request, response, domain)
    return response


async def show(request: web.Request) -> web.Response:
    """``GET /webhooks/attempts``."""
    return await page(request)


async def again(request: web.Request) -> web.Response:
    """``POST /webhooks/attempts/{id}/again``: one delivery, to be told once more."""
    panel, text = request.app[PANEL], request.match_info["id"]
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotFound("There is no such delivery.")
    async with panel.connection() as conn:
        line = await webhook_log.one(conn, int(text))
        if line is None:
            raise NotFound("There is no such delivery: its time in the log is over.")
        url = (await urls_of(conn, [line])).get(line.endpoint, "?")
        request[SUBJECT] = f"{line.domain}: {line.type} to {url}"
        if not await webhook_log.again(conn, line.id, now_us=panel.clock.now_us()):
            raise CallerError(
                "This delivery cannot be queued: it waits already, or no webhook asks for it now."
            )
    query = urlencode({"domain": line.domain, "endpoint": line.endpoint, "done": "queued"})
    raise web.HTTPSeeOther(f"/webhooks/attempts?{query}")
