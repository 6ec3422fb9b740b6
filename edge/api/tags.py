"""Tags of a domain: ``/v3/{domain}/tags`` with the tag in the path, ``/v3/{domain}/tag?tag=``.

Both are the same handlers. A deleted tag is hidden until it is seen again; its figures stay.
"""

from typing import Any, Final
from urllib.parse import quote, urlencode

from aiohttp import web

from edge.api import params
from edge.api.context import API, Api
from edge.api.params import Params
from edge.api.scope import domain_of
from edge.api.stats import aggregated, aggregated_by, by_time
from edge.model.conditions import EQUAL, Condition
from edge.model.domain import Domain
from edge.model.errors import CallerError, NotFound
from edge.model.periods import rfc3339
from edge.store import tags
from edge.store.facts import MAX_TAG, clean_tags
from edge.store.pool import Connection
from edge.store.tags import Known

NOT_FOUND: Final = "Tag not found"
MOST: Final = 1000
LONGEST_DESCRIPTION: Final = 1_000
DEVICES: Final = ("desktop", "mobile", "tablet", "unknown")
PAGES: Final = ("first", "last", "next", "prev", "previous")

_PLURAL: Final = {"country": "countries", "provider": "providers", "device": "devices"}
_FILTERS: Final = {"provider": "recipient_domain", "device": "device", "country": "country"}


def tag_json(found: Known) -> dict[str, Any]:
    """A tag as v3 shows it. Its times are RFC 3339: Go's client can read nothing else."""
    return {
        "tag": found.tag,
        "description": found.description,
        "first-seen": rfc3339(found.first_seen),
        "last-seen": rfc3339(found.last_seen),
    }


def tag_name(text: str) -> str | None:
    """A tag in its stored spelling; None for what can be none."""
    found = clean_tags([text])
    return found[0] if found else None


async def _tag(request: web.Request, given: Params, conn: Connection, domain: Domain) -> Known:
    """The tag of the path or of ``tag``; raises NotFound. Go's client writes a space as ``+``."""
    text = _asked_tag(request, given)
    for spelling in dict.fromkeys((text, text.replace("+", " "))):
        name = tag_name(spelling)
        found = await tags.get(conn, domain.number, name) if name else None
        if found is not None:
            return found
    raise NotFound(NOT_FOUND)


def _asked_tag(request: web.Request, given: Params) -> str:
    if "tag" in request.match_info:
        return request.match_info["tag"]
    if not given.has("tag"):
        given.mistake("tag is missing")
    text = given.text("tag", "")
    given.check()
    return text


async def list_tags(request: web.Request) -> web.Response:
    """``GET /v3/{domain}/tags``: a page, in order of the names."""
    given = await params.read(request)
    where = given.choice("page", PAGES, "first")
    pivot = given.text("tag", "").strip().lower() or None
    prefix = given.text("prefix", "", longest=MAX_TAG).strip().lower()
    limit = given.number("limit", 100, low=1, high=MOST)
    given.check()
    backwards = where in {"last", "prev", "previous"}
    if where in {"first", "last"}:
        pivot = None
    api = request.app[API]
    async with api.connection() as conn:
        domain = await domain_of(request, conn)
        found = await tags.page(
            conn, domain.number, prefix=prefix, pivot=pivot, backwards=backwards, limit=limit
        )
    keep = {"limit": str(limit)} | ({"prefix": prefix} if prefix else {})
    names = [one.tag for one in found]
    body = {
        "items": [tag_json(one) for one in found],
        "paging": _links(api, domain, names, keep),
    }
    return web.json_response(body)


def _links(api: Api, domain: Domain, names: list[str], keep: dict[str, str]) -> dict[str, str]:
    """The four links; those around an empty page are the first and the last page's."""
    base = f"{api.public_url}/v3/{quote(domain.name, safe='')}/tags"

    def url(page: str, tag: str = "") -> str:
        place = {"page": page} | ({"tag": tag} if tag else {})
        return f"{base}?{urlencode(place | keep)}"

    first, last = url("first"), url("last")
    return {
        "first": first,
        "last": last,
        "next": url("next", names[-1]) if names else first,
        "previous": url("prev", names[0]) if names else last,
    }


async def get_tag(request: web.Request) -> web.Response:
    """One tag."""
    given = await params.read(request)
    async with request.app[API].connection() as conn:
        domain = await domain_of(request, conn)
        found = await _tag(request, given, conn, domain)
    return web.json_response(tag_json(found))


async def change_tag(request: web.Request) -> web.Response:
    """Set a tag's ``description``; a tag that was never seen is made, as at Mailgun."""
    given = await params.read(request)
    text = given.text("description", "", longest=LONGEST_DESCRIPTION, lines=True)
    api = request.app[API]
    async with api.connection() as conn:
        domain = await domain_of(request, conn)
        written = _asked_tag(request, given)
        given.check()
        try:
            name = (await _tag(request, given, conn, domain)).tag
        except NotFound:
            name = tag_name(written) or ""
        if not name:
            raise CallerError(f"a tag has 1 to {MAX_TAG} printable ASCII characters")
        await tags.describe(conn, domain.number, name, text, now_us=api.clock.now_us())
    return web.json_response({"message": "Tag updated"})


async def delete_tag(request: web.Request) -> web.Response:
    """Hide a tag until it is seen again."""
    given = await params.read(request)
    api = request.app[API]
    async with api.connection() as conn:
        domain = await domain_of(request, conn)
        found = await _tag(request, given, conn, domain)
        await tags.delete(conn, [domain.number], found.tag, now_us=api.clock.now_us())
    return web.json_response({"message": "Tag deleted"})


async def stats_of_tag(request: web.Request) -> web.Response:
    """``…/stats``: the tag's figures by time, of one ``provider``, ``device``, ``country`` too."""
    given = await params.read(request)
    conditions = [
        Condition(attribute, EQUAL, (text.strip(),))
        for name, attribute in _FILTERS.items()
        if (text := given.text(name, "")).strip()
    ]
    async with request.app[API].connection() as conn:
        domain = await domain_of(request, conn)
        found = await _tag(request, given, conn, domain)
        told = {"tag": found.tag, "description": found.description}
        of_tag = (Condition("tag", EQUAL, (found.tag,)), *conditions)
        return await by_time(request, conn, given, [domain], of_tag, told)


async def aggregates_of_tag(what: str, request: web.Request) -> web.Response:
    """``…/stats/aggregates``: the tag's figures by ``what``, or by the query's ``type``."""
    given = await params.read(request)
    one = what or given.choice("type", tuple(_PLURAL), "")
    if not one and not given.mistakes:
        given.mistake(f"type has to be one of {', '.join(_PLURAL)}")
    api = request.app[API]
    async with api.connection() as conn:
        domain = await domain_of(request, conn)
        given.check()
        found = await _tag(request, given, conn, domain)
        figures, more = await aggregated(
            conn,
            domain,
            aggregated_by(_PLURAL[one]),
            now_us=api.clock.now_us(),
            conditions=(Condition("tag", EQUAL, (found.tag,)),),
        )
    return web.json_response({"tag": found.tag, one: figures}, headers=more)


async def values_of(what: str, request: web.Request) -> web.Response:
    """``GET /v3/domains/{domain}/tag/{devices,providers,countries}``: what there is."""
    api = request.app[API]
    async with api.connection() as conn:
        domain = await domain_of(request, conn)
        found, _ = await aggregated(conn, domain, aggregated_by(what), now_us=api.clock.now_us())
    known = DEVICES if what == "devices" else ()
    return web.json_response({"items": sorted({*known, *found})})


async def limits(request: web.Request) -> web.Response:
    """``GET /v3/domains/{domain}/limits/tag``."""
    api = request.app[API]
    async with api.connection() as conn:
        domain = await domain_of(request, conn)
        count = await tags.count(conn, [domain.number])
    most = api.acceptor.most_tags
    return web.json_response({"id": str(domain.number), "limit": most, "count": count})
