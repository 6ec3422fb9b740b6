"""Every route of tracking hostnames on aiohttp; the hot protocol serves two of them faster."""

from typing import Final

from aiohttp import web

from edge.clock import Clock
from edge.model.capture import Act
from edge.model.tokens import ClickTarget
from edge.roster.snapshot import RosterFile
from edge.tracking import answers
from edge.tracking.judge import authentic, misdirected
from edge.tracking.recorder import Recorder
from edge.tracking.request import TrackingRequest
from edge.tracking.unsubscribes import Unsubscribes
from edge.tracking.upgrades import Upgrades
from edge.tracking.well_known import PREFIXES, Prober, WellKnown

ROUTES: Final = {
    "/o/{token}": ("GET", "HEAD"),
    "/c/{token}": ("GET", "HEAD"),
    "/u/{token}": ("GET", "HEAD", "POST"),
    "/robots.txt": ("GET", "HEAD"),
    "/.well-known/acme-challenge/{token}": ("GET", "HEAD"),
    "/.well-known/edge-probe/{nonce}": ("GET", "HEAD"),
}
"""What there is, for the documentation's test; the dispatch below is by first segment."""

MAX_HEADERS: Final = 32 * 1024
"""Bytes of all headers together: they are kept in the record, and read from it again."""

_ROBOTS: Final = "User-agent: *\nDisallow: /\n"


class Routes:
    """Handler of every request that is not served on the hot way."""

    def __init__(
        self,
        roster: RosterFile,
        recorder: Recorder,
        clock: Clock,
        upgrades: Upgrades,
        prober: Prober | None,
    ) -> None:
        self._roster = roster
        self._recorder = recorder
        self._unsubscribes = Unsubscribes(recorder, clock, upgrades)
        self._well_known = WellKnown(prober)
        self.foreign = 0

    async def answer(
        self, raw: web.BaseRequest, peer: str, *, tls: bool, name: bytes
    ) -> web.StreamResponse:
        """The answer to any request; never raises for anything a client can send.

        ``name`` is what the connection's handshake asked for, empty in plain and without SNI.
        """
        if (raw.version.major, raw.version.minor) < (1, 0) or raw.version.major > 1:
            return _refuse(400, "This HTTP version is not spoken here.\n")
        if raw.version.minor == 0 and "Transfer-Encoding" in raw.headers:
            return _refuse(400, "HTTP/1.0 has no Transfer-Encoding.\n")
        if raw.version.minor >= 1 and "Host" not in raw.headers:
            return _refuse(400, "HTTP/1.1 needs a Host header.\n")
        if sum(len(name) + len(value) + 4 for name, value in raw.raw_headers) > MAX_HEADERS:
            return _refuse(431, "These headers are too long.\n")
        request = TrackingRequest(raw, peer, tls)
        roster = self._roster.current
        if misdirected(roster, name, request.host):
            return _refuse(421, "This connection was opened for another host.\n")
        response = await self._dispatch(request)
        if name and (age := roster.hsts.get(request.host)) is not None:
            response.headers[answers.HSTS] = f"max-age={age}"
        response.headers["Server"] = answers.SERVER
        return response

    async def _dispatch(self, request: TrackingRequest) -> web.StreamResponse:
        start = request.path[:3]
        if start == b"/u/":
            if request.method not in ROUTES["/u/{token}"]:
                return _refuse(405, "GET, HEAD or POST.\n", Allow="GET, HEAD, POST")
            return await self._unsubscribes.answer(request, self._roster.current)
        well_known = request.path.startswith(PREFIXES)
        if start not in {b"/o/", b"/c/"} and request.path != b"/robots.txt" and not well_known:
            return _not_found()
        if request.method not in {"GET", "HEAD"}:
            return _refuse(405, "GET or HEAD.\n", Allow="GET, HEAD")
        if start == b"/o/":
            return await self._open(request)
        if start == b"/c/":
            return await self._click(request)
        if well_known:
            return self._well_known.answer(request, self._roster.current) or _not_found()
        return web.Response(text=_ROBOTS, headers={"Cache-Control": "max-age=86400"})

    async def _open(self, request: TrackingRequest) -> web.StreamResponse:
        roster = self._roster.current
        found = authentic(roster, roster.opens, request.token, request.host)
        if found is None:
            self.foreign += 1
        else:
            await self._record(request, Act.OPEN, found[0])
        return web.Response(body=answers.PIXEL, headers=dict(answers.PIXEL_HEADERS))

    async def _click(self, request: TrackingRequest) -> web.StreamResponse:
        roster = self._roster.current
        found = authentic(roster, roster.clicks, request.token, request.host)
        if found is None:
            self.foreign += 1
            return _not_found()
        target = found[1]
        assert isinstance(target, ClickTarget)
        await self._record(request, Act.CLICK, found[0])
        headers = {"Location": target.url, "Content-Length": "0"} | dict(answers.REDIRECT_HEADERS)
        return web.Response(status=302, headers=headers)

    async def _record(self, request: TrackingRequest, act: Act, plaintext: bytes) -> None:
        self._recorder.record(request.key, act, request.peer, request.tls, plaintext, request.head)
        await self._recorder.settled()


def _not_found() -> web.Response:
    headers = dict(answers.NOT_FOUND_HEADERS)
    return web.Response(status=404, body=answers.NOT_FOUND_BODY, headers=headers)


def _refuse(status: int, text: str, **headers: str) -> web.Response:
    response = web.Response(status=status, text=text, headers={"Cache-Control": "no-store"})
    response.headers.update(headers)
    if status in {400, 431}:
        response.force_close()
    return response
