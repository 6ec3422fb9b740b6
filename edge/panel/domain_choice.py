"""Which domain a page is about: the one of its address, else the last, else the first.

Every page of logs, suppressions and messages is about one domain, as at Mailgun: the indexes are by
domain, and a page over all of them would read all of them.
"""

from typing import Final

from aiohttp import web

from edge.model.domain import Domain
from edge.model.errors import NotFound
from edge.panel.context import PANEL
from edge.panel.guard import cookie_name, set_cookie
from edge.store import domains
from edge.store.pool import Connection

COOKIE: Final = "panel-domain"


async def chosen(
    request: web.Request, conn: Connection, name: str | None = None
) -> tuple[Domain | None, list[Domain]]:
    """The domain, and all there are; None where there are none. Raises NotFound."""
    found = await domains.list_domains(conn)
    wanted = request.query.get("domain", "") if name is None else name
    if wanted:
        for domain in found:
            if domain.name == wanted:
                return domain, found
        raise NotFound("There is no such domain.")
    last = request.cookies.get(cookie_name(request.app[PANEL], COOKIE), "")
    for domain in found:
        if domain.name == last:
            return domain, found
    return (found[0] if found else None), found


async def named(conn: Connection, name: str) -> Domain:
    """The domain of a form or a path; raises NotFound, also for a removed one."""
    found = await domains.get(conn, name)
    if found.removed:
        raise NotFound("This domain is removed.")
    return found


def remember(request: web.Request, response: web.StreamResponse, domain: Domain | None) -> None:
    """Have the next page start with this domain."""
    if domain is not None:
        set_cookie(request.app[PANEL], response, COOKIE, domain.name)
