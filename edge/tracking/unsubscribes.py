"""``/u/<token>``: a GET shows a page, a POST acts (RFC 8058).

Link scanners fetch every GET, so a GET changes nothing unless the domain's owner asked for that
with ``unsubscribe_on_get``; even then ingest drops it if a bot made it, and prefetches and HEAD
never count. ``List-Unsubscribe=One-Click`` acts at once: no cookie, no redirect, no page needed.
An unsubscribe is on disk before it is answered; when that is impossible the answer is 503, and
mail providers try again (RFC 8058 leaves it to them; a lost unsubscribe is a legal matter).
"""

import asyncio
import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec
from aiohttp import web

from edge.clock import Clock
from edge.model.capture import Act
from edge.model.tokens import Kind, UnsubscribeTarget
from edge.roster.snapshot import Roster
from edge.tracking import answers, pages
from edge.tracking.form import parse_form
from edge.tracking.judge import authentic
from edge.tracking.recorder import Recorder
from edge.tracking.request import TrackingRequest
from edge.tracking.upgrades import Upgrades

NONCE_SECONDS: Final = 3600
BODY_SECONDS: Final = 10
_PREFETCH: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")


class _Nonce(msgspec.Struct, array_like=True, frozen=True):
    version: int
    issued: int
    token: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Nonce).decode


def seal_nonce(roster: Roster, token: bytes, now_us: int) -> str:
    """A nonce that undoes this token's unsubscribe for an hour."""
    nonce = _Nonce(1, now_us, hashlib.sha256(token).digest()[:16])
    return roster.keyring.seal_raw(Kind.RESUBSCRIBE, _encode(nonce))


def nonce_holds(roster: Roster, token: bytes, nonce: str, now_us: int) -> bool:
    """Whether the nonce is ours, for this token, and not older than an hour."""
    plaintext = roster.keyring.open_raw(Kind.RESUBSCRIBE, nonce.encode("ascii", "replace"))
    if plaintext is None:
        return False
    try:
        opened = _decode(plaintext)
    except msgspec.DecodeError:
        return False
    age = (now_us - opened.issued) / 1_000_000
    return opened.token == hashlib.sha256(token).digest()[:16] and -60 < age <= NONCE_SECONDS


class Unsubscribes:
    """Answers ``/u/``."""

    def __init__(self, recorder: Recorder, clock: Clock, upgrades: Upgrades) -> None:
        self._recorder = recorder
        self._clock = clock
        self._upgrades = upgrades

    async def answer(self, request: TrackingRequest, roster: Roster) -> web.Response:
        """The answer to one request; its record is written first."""
        token = request.token
        found = authentic(roster, roster.unsubscribes, token, request.host)
        if found is None:
            return page(pages.not_valid(), 404)
        plaintext, target = found
        assert isinstance(target, UnsubscribeTarget)
        if request.method == "POST":
            return await self._post(request, roster, plaintext, target)
        if (url := self._upgrades.location(request, roster)) is not None:
            return web.Response(
                status=302, headers={"Location": url, **dict(answers.REDIRECT_HEADERS)}
            )
        domain = roster.domains.get(target.domain)
        wants = domain is not None and domain.unsubscribe_on_get and request.method == "GET"
        if wants and not any(name in request.headers for name in _PREFETCH):
            if not await self._store(request, Act.UNSUBSCRIBE_BY_GET, plaintext):
                return page(pages.try_again(), 503)
            nonce = seal_nonce(roster, token, self._clock.now_us())
            return page(pages.done(target, domain, nonce))
        self._recorder.record(
            request.key, Act.UNSUBSCRIBE_PAGE, request.peer, request.tls, plaintext, request.head
        )
        await self._recorder.settled()
        return page(pages.confirm(target, domain))

    async def _post(
        self, request: TrackingRequest, roster: Roster, plaintext: bytes, target: UnsubscribeTarget
    ) -> web.Response:
        form = await read_form(request.raw)
        if form is None:
            return page(pages.not_understood(), 400)
        domain = roster.domains.get(target.domain)
        one_click = form.get("List-Unsubscribe") == "One-Click"
        if one_click or form.get("action") == "unsubscribe":
            if not await self._store(request, Act.UNSUBSCRIBE, plaintext):
                return page(pages.try_again(), 503)
            if one_click:
                return web.Response(text="Unsubscribed.\n", headers={"Cache-Control": "no-store"})
            nonce = seal_nonce(roster, request.token, self._clock.now_us())
            return page(pages.done(target, domain, nonce))
        if form.get("action") == "resubscribe":
            now = self._clock.now_us()
            if not nonce_holds(roster, request.token, form.get("nonce", ""), now):
                return page(pages.too_late(), 403)
            if not await self._store(request, Act.RESUBSCRIBE, plaintext):
                return page(pages.try_again(), 503)
            return page(pages.undone(target, domain))
        return page(pages.not_understood(), 400)

    async def _store(self, request: TrackingRequest, act: Act, plaintext: bytes) -> bool:
        return await self._recorder.unsubscribe(
            request.key, act, request.peer, request.tls, plaintext, request.head
        )


async def read_form(request: web.BaseRequest) -> Mapping[str, str] | None:
    """Text fields of the body; None for what is no form, too long, too slow, or cut short."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.read()
    except (TimeoutError, ConnectionError, web.HTTPException, web.RequestPayloadError):
        return None
    return parse_form(request.headers.get("Content-Type", ""), body)


def page(html: str, status: int = 200) -> web.Response:
    """A page with its headers; 503 asks to come back."""
    response = web.Response(body=html.encode(), status=status, headers=dict(pages.PAGE_HEADERS))
    if status == 503:
        response.headers["Retry-After"] = "60"
    return response
