"""``/.well-known/``: challenges of certificate authorities, and the probes of our own doctor.

Both are answered on host names of ours only, by any worker, from what the roster says: with
Postgres down, and never by a redirect. Nothing but a token of a strict alphabet is ever echoed.
"""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from certs import challenges
from edge.model import probe
from edge.model.vault import Vault
from edge.roster.snapshot import Roster
from edge.tracking.request import TrackingRequest

CHALLENGE: Final = challenges.PREFIX.encode()
PROBE: Final = probe.PREFIX.encode()
PREFIXES: Final = (CHALLENGE, PROBE)

Prober = Callable[[str, str], bytes | None]
"""Nonce and host to the answer that only an edge of this installation can give, or None."""


def prober_of(vault: Vault) -> Prober:
    """Answers probes as every edge with this master key does."""
    secret = probe.probe_secret(vault)
    return lambda nonce, _: probe.probe_answer(secret, nonce).encode()


class WellKnown:
    """Answers what begins with one of :data:`PREFIXES`; None where there is nothing."""

    def __init__(self, prober: Prober | None) -> None:
        self._prober = prober

    def answer(self, request: TrackingRequest, roster: Roster) -> web.Response | None:
        """The answer to a GET or HEAD."""
        if request.host not in roster.hosts:
            return None
        path = request.path.decode("latin-1")
        if request.path.startswith(PROBE):
            nonce = probe.nonce_of(path)
            if self._prober is None or nonce is None:
                return None
            return _plain(self._prober(nonce, request.host.decode()), "text/plain")
        if not roster.thumbprint:
            return None
        return _plain(challenges.answer(path, roster.thumbprint), challenges.CONTENT_TYPE)


def _plain(body: bytes | None, kind: str) -> web.Response | None:
    if body is None:
        return None
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return web.Response(body=body, content_type=kind, headers=headers)
