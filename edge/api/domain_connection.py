"""``/v3/domains/{name}/connection`` and ``/web_prefix``: two settings with paths of their own."""

from typing import Any, Final

from aiohttp import web

from edge.api import params
from edge.api.certificates import https_warning
from edge.api.context import API
from edge.api.scope import domain_of
from edge.store import domain_settings, domains
from edge.store.domain_settings import DomainSettings

UPDATED: Final = (
    "Domain connection settings have been updated, may take 10 minutes to fully propagate"
)


def _as_json(settings: DomainSettings) -> dict[str, Any]:
    """Bare, as recorded from the real service, and under ``connection``, where Go reads it."""
    bare = {
        "require_tls": settings.require_tls,
        "skip_verification": settings.skip_verification,
    }
    return {**bare, "connection": bare}


async def get_connection(request: web.Request) -> web.Response:
    """``GET …/connection``."""
    async with request.app[API].connection() as conn:
        domain = await domain_of(request, conn)
        settings = await domain_settings.get(conn, domain.number)
    return web.json_response(_as_json(settings))


async def change_connection(request: web.Request) -> web.Response:
    """``PUT …/connection``: ``require_tls``, ``skip_verification``; what is not given stays."""
    given = await params.read(request)
    wanted = {
        "require_tls": given.boolean("require_tls"),
        "skip_verification": given.boolean("skip_verification"),
    }
    async with request.app[API].connection() as conn:
        domain = await domain_of(request, conn)
        given.check()
        kept = {name: value for name, value in wanted.items() if value is not None}
        settings = await domain_settings.change(conn, domain.number, **kept)
    return web.json_response({"message": UPDATED, **_as_json(settings)})


async def change_web_prefix(request: web.Request) -> web.Response:
    """``PUT …/web_prefix``, in the form or in the query. It needs a CNAME of its own."""
    given = await params.read(request)
    api = request.app[API]
    async with api.connection() as conn:
        domain = await domain_of(request, conn)
        prefix = given.text("web_prefix", "", required=True, longest=190)
        given.check()
        chosen = prefix.strip().lower()
        changed = await domains.change(conn, domain.name, api.clock.now_us(), web_prefix=chosen)
        warning = await https_warning(api, conn, changed)
    return web.json_response({"message": "Domain web prefix updated", **warning})
