"""``/v3/{domain}/events``: the events of a domain, by page.

``begin`` is where reading starts and ``end`` where it stops: whichever is later decides the
direction. Without ``begin`` it starts with the newest event (or, ascending, the oldest), without
``end`` it stops at the oldest event (or, ascending, never: such a question is polled along
``next``).
"""

import json
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import msgspec
from aiohttp import web

from edge.api import event_tokens, params
from edge.api.context import API, Api
from edge.api.event_tokens import Asked
from edge.api.params import Params
from edge.api.scope import domain_of
from edge.model.domain import Domain
from edge.model.errors import CallerError
from edge.model.expression import LONGEST, Node, parse
from edge.store import event_pages
from edge.store.event_pages import Page, Place, Question
from edge.store.expressions import FIELDS, NUMERIC
from edge.store.filters import Filter

MOST: Final = 300
MOST_BYTES: Final = 1_500
"""Of all filters of a question together: a page's token holds them, and is in a link twice."""

_DAY_US: Final = 86_400_000_000
_PRETTY: Final = partial(json.dumps, indent=2)


async def list_events(request: web.Request) -> web.Response:
    """``GET /v3/{domain}/events``, and ``…/events/{token}``: a page of events."""
    given = await params.read(request)
    api = request.app[API]
    # mailgun.js takes all that follows the last slash of a link for the token.
    token = given.text("page", "", longest=event_tokens.LONGEST).partition("?")[0]
    token = token or request.match_info.get("token", "")
    async with api.connection() as conn:
        domain = await domain_of(request, conn, told=True)
        given.check()
        place = Place()
        if token:
            asked, place = event_tokens.unseal(api.vault, token, domain=domain.number)
        else:
            asked = _asked(given, domain.number, api.clock.now_us())
            if asked.ascending and asked.end is None:
                asked = msgspec.structs.replace(asked, since=await event_pages.begin(conn))
        question = _question(domain, asked, api.clock.now_us())
        page = await event_pages.turn(conn, question, place)
    body = {
        "items": [one.render() for one in page.found],
        "paging": _links(api, domain, asked, page),
    }
    return web.json_response(body, dumps=_PRETTY if asked.pretty else json.dumps)


def _asked(given: Params, domain: int, now_us: int) -> Asked:
    """The question that a request's parameters make; raises CallerError with every mistake."""
    begin, end = given.time("begin"), given.time("end")
    ascending = given.boolean("ascending")
    asked = Asked(
        domain=domain,
        ascending=_direction(given, begin, end, ascending, now_us),
        limit=given.number("limit", 100, low=1, high=MOST),
        begin=begin,
        end=end,
        pretty=given.boolean("pretty", True),
        fields=_fields(given),
    )
    given.check()
    return asked


def _direction(
    given: Params, begin: int | None, end: int | None, ascending: bool | None, now_us: int
) -> bool:
    """Whether the oldest event comes first."""
    if end is None:
        return begin is not None if ascending is None else ascending
    if begin is None:
        return end > now_us if ascending is None else ascending
    if begin == end:
        return ascending is not False
    if ascending is not None and ascending is not (begin < end):
        order = "before" if begin < end else "after"
        said = "yes" if ascending else "no"
        given.mistake(f"ascending={said} contradicts begin and end: begin is {order} end")
    return begin < end


def _fields(given: Params) -> tuple[tuple[str, str], ...]:
    """The filters as written, in the order of :data:`FIELDS`; all are read, to find mistakes."""
    written = [
        (name, text)
        for name in FIELDS
        for text in given.texts(name, longest=LONGEST, most=MOST)
        if text.strip()
    ]
    if sum(len(text.encode()) for _, text in written) > MOST_BYTES:
        given.mistake(f"the filters together are longer than {MOST_BYTES} bytes")
        return ()
    for name, text in written:
        try:
            _tree(name, text)
        except CallerError as error:
            given.mistake(f"{name}: {error}")
    return tuple(written)


def _tree(name: str, text: str) -> Node:
    return parse(text, numbers=name in NUMERIC)


def _question(domain: Domain, asked: Asked, now_us: int) -> Question:
    """For the store: with the order of the bounds undone, and nothing older than is kept."""
    low, high = (asked.begin, asked.end) if asked.ascending else (asked.end, asked.begin)
    oldest = now_us - domain.retention_days * _DAY_US
    wanted = Filter(
        domain=domain.number,
        begin=max(oldest, low or 0),
        end=None if high is None else high + 1,
        fields=tuple((name, _tree(name, text)) for name, text in asked.fields),
    )
    return Question(wanted, asked.ascending, asked.limit, asked.since)


def _links(api: Api, domain: Domain, asked: Asked, page: Page) -> dict[str, Any]:
    """The four links. The token is in them twice: some clients keep the path, some the query."""
    base = f"{api.public_url}/v3/{quote(domain.name, safe='')}/events"
    places = {
        "previous": page.previous,
        "first": Place(),
        "last": Place(back=True),
        "next": page.following,
    }
    links = {}
    for name, place in places.items():
        token = event_tokens.seal(api.vault, asked, place)
        links[name] = f"{base}/{token}?page={token}"
    return links
