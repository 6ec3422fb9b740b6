"""The domains that a request is about, if its key may know of them."""

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


async def domains_of(request: web.Request, conn: Connection) -> list[Domain]:
    """Every domain that the request's key may see, by name."""
    key: ApiKey = request[KEY]
    return [
        domain for domain in await domains.list_domains(conn) if key.domain in {None, domain.number}
    ]
