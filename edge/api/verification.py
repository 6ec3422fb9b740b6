"""``PUT /v3/domains/{name}/verify``: look the DNS records up, and remember what was there.

A domain's state stays as it is: what a look-up says for a moment never stops serving or sending.
``findings`` is an addition to Mailgun's answer: what is wrong, and how to mend it.
"""

from aiohttp import web

from edge.api.context import API
from edge.api.domains import dns_records, shown
from edge.api.scope import domain_of
from edge.sending.dns_records import kept, wanted_of
from edge.store import authorities, domain_checks


async def verify_domain(request: web.Request) -> web.Response:
    """``PUT …/verify``. No connection to Postgres is held while DNS is asked."""
    api = request.app[API]
    async with api.connection() as conn:
        domain = await domain_of(request, conn)
        records = await dns_records(api, conn, domain)
        authority = await authorities.current(conn)
    report = await api.doctor.examine(wanted_of(domain, api.cname, records, authority))
    async with api.connection() as conn:
        domain = await domain_of(request, conn)  # it may be gone by now
        check = kept(report, api.clock.now_us())
        await domain_checks.put(conn, domain.number, check)
        answer = await shown(request, conn, domain)
    answer["findings"] = check.findings
    return web.json_response({"message": "Domain DNS records have been updated", **answer})
