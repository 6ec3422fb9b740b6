"""The built-in receiver: switched on and off here, and what was posted to it.

It takes its POSTs on the control port (:mod:`edge.api.receiver`); here is only what it kept.
"""

import json
from typing import Any, Final

from aiohttp import web
from markupsafe import escape

from edge.model.errors import CallerError
from edge.panel import masking, rendering
from edge.panel.context import PANEL, may
from edge.panel.permissions import Permit
from edge.store import receivers
from edge.store.receivers import LARGEST, MOST, Receipt
from edge.webhooks.places import ACCOUNT
from edge.webhooks.signature import Verdict

DONE: Final = {
    "on": "The receiver is on: everything that is posted to its URL appears here.",
    "off": "The receiver is off, and what it had received is forgotten.",
}
VERDICTS: Final = {
    Verdict.GOOD: ("good", "genuine"),
    Verdict.PREVIOUS: ("warn", "genuine, by the key before"),
    Verdict.OLD: ("warn", "genuine, but old"),
    Verdict.WRONG: ("bad", "wrong"),
    Verdict.MISSING: ("", "none"),
}
"""Tone and words of each."""

LONGEST_SHOWN: Final = 4_000
"""Characters of a body on the page; 100 whole ones would be megabytes."""

WHOLE_PAGE: Final = 80_000
"""Characters of all bodies together, as they stand in the page; of those beyond the beginnings are
shown, so that the page stays below 200 kB."""

BEGINNING: Final = 200


def _shown(one: Receipt, *, in_clear: bool, longest: int) -> dict[str, Any]:
    """A POST as the page shows it."""
    text = one.body.decode("utf-8", "replace")
    kind = ""
    try:
        document: Any = json.loads(text)
        event = document.get("event-data", {})
        kind = str(event.get("event", ""))[:40]
        if not in_clear:
            document = {"event-data": masking.event(event, str(event.get("recipient", "")))}
        text = json.dumps(document, indent=1, ensure_ascii=False)
    except (ValueError, AttributeError, RecursionError):
        # It is no webhook of ours: shown as it came, or not at all where recipients are hidden,
        # since nobody knows where in it they would be.
        text = text if in_clear else masking.HIDDEN
    text = "".join(part if part.isprintable() or part == "\n" else "\ufffd" for part in text)
    return {
        "one": one,
        "kind": kind,
        "size": len(one.body),
        "text": text[:longest],
        "cut": len(text) > longest,
        "mailgun": VERDICTS[Verdict(one.mailgun)],
        "whole": VERDICTS[Verdict(one.whole)],
    }


async def show(request: web.Request) -> web.Response:
    """``GET /webhooks/receiver``; for htmx the list alone."""
    panel = request.app[PANEL]
    async with panel.connection() as conn:
        now_us = panel.clock.now_us()
        found = await receivers.show(conn, panel.vault, ACCOUNT, now_us=now_us)
        came = await receivers.receipts(conn, ACCOUNT) if found else []
    left, shown = WHOLE_PAGE, []
    for one in came:
        longest = LONGEST_SHOWN if left > 0 else BEGINNING
        shown.append(_shown(one, in_clear=may(request, Permit.CLEAR), longest=longest))
        left -= len(escape(shown[-1]["text"]))
    part = request.headers.get("HX-Request") == "true"
    return rendering.render(
        request,
        "receipts.html" if part else "receiver.html",
        done=DONE.get(request.query.get("done", ""), ""),
        receiver=found,
        url=f"{panel.receiver}/receive/{found.token}" if found else "",
        came=shown,
        most=MOST,
        largest=LARGEST // 1024,
    )


async def switch_on(request: web.Request) -> web.Response:
    """``POST /webhooks/receiver``: a new URL for a day, in the place of what there was."""
    panel = request.app[PANEL]
    if not panel.receiver:
        raise CallerError("This server has no control port to receive on.")
    async with panel.connection() as conn:
        await receivers.switch_on(conn, panel.vault, ACCOUNT, now_us=panel.clock.now_us())
    raise web.HTTPSeeOther("/webhooks/receiver?done=on")


async def switch_off(request: web.Request) -> web.Response:
    """``POST /webhooks/receiver/off``."""
    async with request.app[PANEL].connection() as conn:
        await receivers.switch_off(conn, ACCOUNT)
    raise web.HTTPSeeOther("/webhooks/receiver?done=off")
