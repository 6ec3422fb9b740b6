"""``/v3/domains/{name}/dkim_authority`` and ``/dkim_selector``: who signs, and under which name.

Here every domain signs for itself, so its authority is never changed. The selector is a part of the
name of a DNS record: that record has to be there before the selector is changed, because messages
are signed under the new name at once.
"""

from typing import Final

from aiohttp import web

from edge.api import params
from edge.api.context import API
from edge.api.domain_json import dns_json
from edge.api.domains import dns_records
from edge.api.scope import domain_of
from edge.sending.dkim import Signer
from edge.sending.homes import own_key
from edge.store import routes

UNCHANGED: Final = "Domain DKIM authority has not been changed"
CHANGED: Final = "DKIM selector changed"
LONGEST_SELECTOR: Final = 63
"""Octets of one DNS label (RFC 1035 § 2.3.4)."""


async def change_authority(request: web.Request) -> web.Response:
    """``PUT …/dkim_authority``: ``self``; the answer says that nothing is changed."""
    given = await params.read(request)
    api = request.app[API]
    async with api.connection() as conn:
        domain = await domain_of(request, conn)
        given.boolean("self")
        given.check()
        shown = dns_json(await dns_records(api, conn, domain))
    records = shown["sending_dns_records"]
    return web.json_response(
        {"message": UNCHANGED, "changed": False, "sending_dns_records": records}
    )


async def change_selector(request: web.Request) -> web.Response:
    """``PUT …/dkim_selector``: ``dkim_selector``, the label under which the key is looked up."""
    given = await params.read(request)
    api = request.app[API]
    async with api.connection() as conn, conn.transaction():
        domain = await domain_of(request, conn)
        selector = given.text("dkim_selector", "", required=True, longest=LONGEST_SELECTOR)
        given.check()
        key = await own_key(conn, api.vault, domain.number, api.clock.now_us())
        signer = Signer(domain.name, selector.strip().lower(), key.private)
        await routes.set_selector(conn, domain.number, signer.selector)
    return web.json_response({"message": CHANGED})
