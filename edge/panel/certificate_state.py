"""Where a tracking host's certificate stands, as a page tells it."""

from typing import Any, Final

from aiohttp import web

from edge.model.certificate import HostCertificate, Status
from edge.panel.context import PANEL

POLLED: Final = frozenset({Status.PROCESSING})
"""States that the page looks at again by itself."""


def shown(request: web.Request, found: HostCertificate | None) -> dict[str, Any]:
    """What the template is told."""
    panel = request.app[PANEL]
    now = panel.clock.now()
    status = found.status(now) if found is not None else Status.NONE
    failure = (found.failure or {}) if found is not None else {}
    return {
        "status": status.value,
        "off": panel.gate is None,
        "imported": found is not None and found.imported,
        "ends_at": int(found.not_after * 1e6) if found and found.not_after else None,
        "days_left": found.days_left(now) if found else None,
        "failure": failure.get("text", ""),
        "who": failure.get("who", ""),
        "retry_at": int(found.due * 1e6) if found and failure else None,
        "polls": status in POLLED,
        "orderable": panel.gate is not None
        and status in {Status.NONE, Status.ERROR, Status.EXPIRED},
    }
