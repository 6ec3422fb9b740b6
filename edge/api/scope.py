"""The domain that a path names, if the request's key may know of it."""

from aiohttp import web

from edge.api.context import KEY
from edge.model.domain import Domain, host_name
from edge.model.errors import CallerError, NotFound
from edge.store import domains
from edge.store.api_keys import ApiKey
from edge.store.pool import Connection

NOT_FOUND = "Domain not found"


async def domain_of(request: web.Request, conn: Connection, *, told: bool = False) -> Domain:
    """The domain of ``{name}``; NotFound for none, a removed one, and one of another key alike.

    ``told`` names the domain in the error, as Mailgun does where messages and events are concerned.
    """
    missing = f"{NOT_FOUND}: {request.match_info['name']}" if told else NOT_FOUND
    key: ApiKey = request[KEY]
    try:
        name = host_name(request.match_info["name"])
        domain = await domains.get(conn, name)
    except CallerError:
        raise NotFound(missing) from None
    if domain.removed or key.domain not in {None, domain.number}:
        raise NotFound(missing)
    return domain
