"""The certificate of a tracking host: what there is, and ordering one with a click."""

import asyncio
from typing import Final

import structlog
from aiohttp import web

from certs import names
from certs.errors import CertificateError, CustomerError
from edge.model.certificate import HostCertificate, Status
from edge.model.errors import CallerError
from edge.panel import certificate_state, domain_choice, domain_pages, rendering
from edge.panel.context import PANEL, SUBJECT, Panel
from edge.store import certificates

log = structlog.get_logger()

GATE_PATIENCE: Final = 15.0
"""Seconds that a click waits for the host's DNS; the job asks again in any case."""


async def fragment(request: web.Request) -> web.Response:
    """``GET …/certificate``: the state alone, which the page asks for while an order runs."""
    panel = request.app[PANEL]
    async with panel.connection() as conn:
        domain = await domain_choice.named(conn, request.match_info["name"])
        found = await certificates.show(conn, domain.tracking_host)
    return rendering.render(
        request,
        "certificate.html",
        domain=domain,
        certificate=certificate_state.shown(request, found),
    )


async def order(request: web.Request) -> web.Response:
    """``POST …/certificate``: as ``POST /v2/x509`` of the API does; its DNS is asked first."""
    panel, name = request.app[PANEL], request.match_info["name"]
    try:
        async with panel.connection() as conn:
            domain = await domain_choice.named(conn, name)
            found = await certificates.show(conn, domain.tracking_host)
        if found is None:
            raise CallerError("This host is not known yet: try again in a moment.")
        request[SUBJECT] = found.host
        await _gate(panel, found.host)
        await _due(panel, found)
    except CallerError as error:
        return await domain_pages.page(request, error=str(error), status=400)
    raise domain_pages.back(name, "ordered")


async def _gate(panel: Panel, host: str) -> None:
    """Raise CallerError for what the host's owner must mend first."""
    if panel.gate is None:
        raise CallerError(
            "Certificates are off on this server: set EDGE_ACME_DIRECTORY and EDGE_ACME_AGREE_TOS."
        )
    try:
        names.host_name(host)
        async with asyncio.timeout(GATE_PATIENCE):
            await panel.gate(host)
    except CustomerError as error:
        raise CallerError(str(error)) from None
    except (CertificateError, TimeoutError) as error:
        log.warning("a host could not be checked", host=host, error=repr(error))


async def _due(panel: Panel, found: HostCertificate) -> None:
    now = panel.clock.now()
    if found.valid(now) or found.status(now) is Status.PROCESSING:
        return  # somebody was here first: there is one, or there will be
    async with panel.connection() as conn:
        if found.state is None:
            await certificates.request(conn, found.host, str(found.number), now)
        else:
            await certificates.nudge(conn, found.host, now, renew=True)
