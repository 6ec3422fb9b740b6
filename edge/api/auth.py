"""Who asks, and what they may do: HTTP Basic with the user ``api`` and an API key.

A key belongs to the account or to one domain and has a role. What a key of another domain asks for
does not exist for it: it gets the answer for an unknown domain, so it learns nothing. Keys are
found by their prefix and proved by their digest, in the same time for every wrong one
(:mod:`edge.store.api_keys`). A good key is remembered for :data:`REMEMBERED` seconds: so much
later at most a revocation acts.

Failed attempts are counted per address. Above the limit a request is refused before the database
is asked, unless its key is remembered as good: somebody else behind the same proxy must not be able
to lock a customer out of a running conversation.
"""

import base64
import binascii
from enum import Enum, auto
from typing import Final

from aiohttp import hdrs, web

from edge.api.context import API, KEY, Api
from edge.api.errors import NotAllowed, TooMany, Unauthorized
from edge.api.limits import draw
from edge.api.request_ids import Handler
from edge.model.capture import client_ip
from edge.store import api_keys
from edge.store.api_keys import ApiKey, Role
from edge.throttle import network_of

USER: Final = "api"
REMEMBERED: Final = 5.0
"""Seconds."""

MOST_REMEMBERED: Final = 1_000
LONGEST_HEADER: Final = 512
VERSIONS: Final = ("/v1/", "/v2/", "/v3/", "/v4/", "/v5/")
"""What lies below these needs a key, also where there is nothing; the rest is open."""

_USED_EVERY_US: Final = 60_000_000


class Need(Enum):
    """What a route asks of a key; a query that is a POST (analytics) still only reads."""

    READ = auto()
    WRITE = auto()
    SEND = auto()


ALLOWED: Final = {
    Role.ADMIN: frozenset(Need),
    Role.ANALYST: frozenset({Need.READ}),
    Role.SENDING: frozenset({Need.SEND}),
}


def basic(header: str) -> str:
    """The key in an ``Authorization`` header (RFC 7617); raises Unauthorized."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(header) > LONGEST_HEADER:
        raise Unauthorized("no API key")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        raise Unauthorized("an Authorization header that is no Basic one") from None
    user, _, key = decoded.partition(":")
    if user != USER:
        raise Unauthorized("the user name is api")
    return key


def address_of(request: web.Request, api: Api) -> str:
    """Whose failures these are: the right-most address that no trusted proxy vouches for."""
    lines = request.headers.getall(hdrs.X_FORWARDED_FOR, [])
    forwarded = [part.strip() for line in lines for part in line.split(",")]
    return network_of(client_ip(request.remote or "", forwarded, api.trusted))


async def authenticate(request: web.Request, api: Api) -> ApiKey:
    """The key of a request; raises Unauthorized, or TooMany after too many failures."""
    now = api.clock.now_us()
    address = address_of(request, api)
    try:
        offered = request.headers.getall(hdrs.AUTHORIZATION, [])
        if len(offered) != 1:
            raise Unauthorized("no API key, or more than one")
        text = basic(offered[0])
        key = _remembered(api, text) or await _looked_up(api, text, address)
        if not key.live(now):
            raise Unauthorized("the key has ended")
    except Unauthorized:
        if wait := api.failed.take(address):
            raise _throttled(wait) from None
        raise
    return key


def _throttled(seconds: float) -> TooMany:
    return TooMany("Too many failed attempts from your address; try again later", seconds)


def _remembered(api: Api, text: str) -> ApiKey | None:
    until, key = api.known.get(api_keys.digest(text), (0.0, None))
    return key if until > api.clock.monotonic() else None


async def _looked_up(api: Api, text: str, address: str) -> ApiKey:
    if wait := api.failed.wait(address):
        raise _throttled(wait)
    now = api.clock.now_us()
    async with api.connection() as conn:
        key = await api_keys.find(conn, text)
        if key is None or not key.live(now):
            raise Unauthorized("not a key of ours")
        if key.last_used_at is None or now - key.last_used_at >= _USED_EVERY_US:
            await api_keys.used(conn, key.id, now)
    if len(api.known) >= MOST_REMEMBERED:
        api.known.clear()
    api.known[key.digest] = (api.clock.monotonic() + REMEMBERED, key)
    return key


def allow(request: web.Request, need: Need) -> None:
    """Raise NotAllowed unless the request's key may do this."""
    key: ApiKey = request[KEY]
    if need not in ALLOWED[key.role]:
        raise NotAllowed(f"This API key has the role {key.role.value}, which does not allow that")


def allow_account(request: web.Request) -> None:
    """Raise NotAllowed for a key of one domain."""
    key: ApiKey = request[KEY]
    if key.domain is not None:
        raise NotAllowed("This API key belongs to one domain; this needs a key of the account")


@web.middleware
async def keys_required(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let nobody below ``/v1/`` to ``/v5/`` without a key, and no key faster than its limit."""
    api = request.config_dict.get(API)
    if api is not None and request.path.startswith(VERSIONS):
        request[KEY] = await authenticate(request, api)
        draw(request, api)
    return await handler(request)
