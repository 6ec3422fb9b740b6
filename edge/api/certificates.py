"""``/v2/x509/{host}``: a certificate for a tracking host, with the bodies that Mailgun answers.

Mailgun has three keys for what went wrong here (``Reason``, ``Description``, ``error``), and older
pages of its documentation a ``message`` for all of them: every answer has both. What is added to
Mailgun's bodies: ``reason``, ``who`` must act, and ``retry_at``, when it is tried again.
"""

import asyncio
import datetime
from typing import Any, Final

import structlog
from aiohttp import web

from certs import names
from certs.errors import CertificateError, CustomerError
from edge.api.context import API, KEY, Api
from edge.api.params import rfc1123
from edge.model.certificate import HostCertificate, Status
from edge.model.domain import Domain, host_name
from edge.model.errors import CallerError
from edge.store import certificates
from edge.store.api_keys import ApiKey
from edge.store.pool import Connection

log = structlog.get_logger()

GATE_PATIENCE: Final = 15.0
"""Seconds that a request waits for the host's DNS; the job asks again in any case."""

STARTED: Final = "Initiated x509 key pair generation"
NOT_FOUND: Final = "x509 cert not found"
NOT_STARTED: Final = "Please initiate x509 key pair generation at POST /v2/x509/{domain}"
WAITING: Final = "Waiting for x509 key pair generation"
EXPIRED: Final = "x509 certificate has expired"
FAILED: Final = "TLS x509 key pair generation failed, please contact support"
WRONG_CNAME: Final = "invalid CNAME record"
OFF: Final = (
    "Certificates are off on this server: its operator must set EDGE_ACME_DIRECTORY "
    "(and EDGE_ACME_AGREE_TOS) first"
)


class CertificatesOff(CallerError):
    """No authority is configured; only the operator can change that."""

    def __init__(self) -> None:
        super().__init__(OFF)


def _refused(status: int, key: str, text: str, **more: Any) -> web.Response:
    return web.json_response({key: text, "message": text, **more}, status=status)


async def _host(request: web.Request, conn: Connection) -> HostCertificate | None:
    """The host of the path if the request's key may know of it."""
    key: ApiKey = request[KEY]
    try:
        host = host_name(request.match_info["host"])
    except CallerError:
        return None
    found = await certificates.show(conn, host)
    if found is None or found.removed or key.domain not in {None, found.number}:
        return None
    return found


def _started(host: str) -> web.Response:
    location = f"/v2/x509/{host}/status"
    return web.json_response(
        {"message": STARTED, "location": location}, status=202, headers={"Location": location}
    )


async def _gate(api: Api, host: str) -> web.Response | None:
    """What the host's owner must mend first; whatever else fails now, the job asks again."""
    if api.gate is None:
        raise CertificatesOff
    try:
        names.host_name(host)
        async with asyncio.timeout(GATE_PATIENCE):
            await api.gate(host)
    except CustomerError as error:
        return _refused(400, "Reason", WRONG_CNAME, reason=str(error))
    except (CertificateError, TimeoutError) as error:
        log.warning("a host could not be checked", host=host, error=repr(error))
    return None


async def generate(request: web.Request) -> web.Response:
    """``POST /v2/x509/{host}``: ask for a certificate; after a failure, ask again."""
    api = request.app[API]
    async with api.connection() as conn:
        found = await _host(request, conn)
    if found is None:
        return _refused(404, "Description", NOT_FOUND)
    now = api.clock.now()
    started = f"x509 key pair generation has already been initiated for {found.host}"
    if found.status(now) not in {Status.NONE, Status.ERROR}:
        return _refused(409, "Description", started)
    if (refusal := await _gate(api, found.host)) is not None:
        return refusal
    if not await _order(api, found, now):
        return _refused(409, "Description", started)
    return _started(found.host)


async def renew(request: web.Request) -> web.Response:
    """``PUT /v2/x509/{host}``: renew a certificate that has ended; until then that is automatic."""
    api = request.app[API]
    async with api.connection() as conn:
        found = await _host(request, conn)
    if found is None or found.not_after is None:
        return _refused(404, "Description", NOT_FOUND)
    now = api.clock.now()
    running = f"x509 key pair generation job is already in progress for {found.host}"
    if found.valid(now):
        until = datetime.datetime.fromtimestamp(int(found.not_after), datetime.UTC)
        text = f"x509 certificate is still valid until {until:%Y-%m-%d %H:%M:%S} +0000 UTC"
        return _refused(409, "Description", text)
    if found.status(now) is Status.PROCESSING:
        return _refused(429, "Description", running)
    if (refusal := await _gate(api, found.host)) is not None:
        return refusal
    if not await _order(api, found, now):
        return _refused(429, "Description", running)
    return _started(found.host)


async def _order(api: Api, found: HostCertificate, now: float) -> bool:
    """Make a host due; False while somebody works on it, or was there first."""
    async with api.connection() as conn:
        if found.state is None:
            return await certificates.request(conn, found.host, str(found.number), now)
        return await certificates.nudge(conn, found.host, now, renew=True)


async def status(request: web.Request) -> web.Response:
    """``GET /v2/x509/{host}/status``: what there is, and what went wrong."""
    api = request.app[API]
    async with api.connection() as conn:
        found = await _host(request, conn)
    if found is None or found.status(api.clock.now()) is Status.NONE:
        return _refused(404, "Description", NOT_STARTED)
    return web.json_response(status_json(found, api.clock.now()))


def status_json(found: HostCertificate, now: float) -> dict[str, Any]:
    """A host's certificate as Mailgun's API shows it, and the true reason beside it."""
    word = found.status(now)
    error = {Status.EXPIRED: EXPIRED, Status.ERROR: FAILED}.get(word)
    body: dict[str, Any] = {
        "status": word.value,
        "message": WAITING if word is Status.PROCESSING else error or "",
        "error": error,
        "certificate": found.chain,
    }
    if word is Status.ACTIVE and found.not_after is not None:
        body["expires_at"] = rfc1123(int(found.not_after * 1e6))
    if found.failure is not None:
        body |= {
            "reason": found.failure.get("text", ""),
            "who": found.failure.get("who", ""),
            "retry_at": rfc1123(int(found.due * 1e6)),
        }
    return body


async def https_warning(api: Api, conn: Connection, domain: Domain) -> dict[str, str]:
    """What is added to an answer that set ``web_scheme`` to https before there is a certificate.

    Mailgun takes it silently, and so must we; but then every link of new mail is dead.
    """
    found = await certificates.show(conn, domain.tracking_host)
    if domain.web_scheme != "https" or (found is not None and found.valid(api.clock.now())):
        return {}
    log.warning("https links without a certificate", domain=domain.name, host=domain.tracking_host)
    text = (
        f"{domain.tracking_host} has no valid certificate here: links over https do not work until "
        f"it has one (POST /v2/x509/{domain.tracking_host})"
    )
    return {"warning": text}
