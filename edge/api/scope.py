"""The domain that a path names, if the request's key may know of it."""

from aiohttp import web

from edge.api.context import KEY
from edge.model.domain import Domain, host_name
from edge.model.errors import CallerError, NotFound
from edge.store import domains
from edge.store.api_keys import ApiKey
from edge.store.pool import Connection

NOT_FOUND = "Domain not found"


async def domain_of(request: web.Request, conn: Connection) -> Domain:
    """The domain of ``{name}``; NotFound for none, a removed one, and one of another key alike."""
    key: ApiKey = request[KEY]
    try:
        name = host_name(request.match_info["name"])
        domain = await domains.get(conn, name)
    except CallerError:
        raise NotFound(NOT_FOUND) from None
    if domain.removed or key.domain not in {None, domain.number}:
        raise NotFound(NOT_FOUND)
    return domain
