"""Pages that people see move from http to https where that is sure to work.

Only hosts with HSTS in the roster, whose certificate this very worker holds, of domains that did
not switch it off. Pixels, redirects,
forms, challenges and probes are never moved: mail programs and machines ask for those, and a
detour could lose what they came for.
"""

from typing import Final

from certs.sni import Certificates
from edge.roster.snapshot import Roster
from edge.tracking.request import TrackingRequest

_PROXY_SAYS: Final = ("X-Forwarded-Proto", "Forwarded")
"""A proxy in front may have ended TLS already: moving its clients would be a loop."""


class Upgrades:
    """Knows where https is: ``port`` is the one in URLs."""

    def __init__(self, certificates: Certificates | None, port: int) -> None:
        self._certificates = certificates
        self._port = "" if port == 443 else f":{port}"

    def location(self, request: TrackingRequest, roster: Roster) -> str | None:
        """Where a request should go on instead, None to answer it here.

        For a path that was found authentic: nothing of another's making gets into the URL, as the
        host is one of the roster's.
        """
        if request.tls or self._certificates is None or request.method == "POST":
            return None
        if any(name in request.headers for name in _PROXY_SAYS):
            return None
        if not roster.hsts.get(request.host):  # 0 is HSTS that is being taken back
            return None
        domain = roster.domains.get(roster.hosts.get(request.host, -1))
        if domain is None or not domain.https_redirect:
            return None
        host = request.host.decode()
        if host not in self._certificates:
            return None
        return f"https://{host}{self._port}{request.path.decode('ascii')}"
