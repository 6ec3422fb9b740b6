"""``/v3/lists``: mailing lists. Their members are in :mod:`edge.api.list_members`.

A key of one domain sees the lists of that domain; any other is not there for it.
"""

from typing import Any, Final

from aiohttp import web

from edge.api import address_pages, params
from edge.api.context import API, KEY
from edge.api.params import Params, rfc1123
from edge.model.addresses import address_of
from edge.model.errors import CallerError
from edge.store import lists
from edge.store.lists import ACCESS_LEVELS, REPLY_PREFERENCES, Changes, MailingList

MAX_SKIP: Final = 10_000_000
LONGEST_ADDRESS: Final = 320
LONGEST_DESCRIPTION: Final = 10_000


def list_json(found: MailingList) -> dict[str, Any]:
    """A list as Mailgun shows it."""
    return {
        "address": found.address,
        "name": found.name,
        "description": found.description,
        "access_level": found.access_level,
        "reply_preference": found.reply_preference,
        "created_at": rfc1123(found.created_at, "-0000"),
        "members_count": found.members_count,
    }


def only(request: web.Request) -> int | None:
    """The number of the one domain whose lists the request's key may see; None for all."""
    return request[KEY].domain


def _address(given: Params, *, required: bool = False) -> str | None:
    text = given.text("address", required=required, longest=LONGEST_ADDRESS)
    if not text or not text.strip():
        return None
    try:
        return address_of(text)
    except CallerError as error:
        given.mistake(f"address: {error}")
        return None


def _word(given: Params, name: str, title: str, allowed: tuple[str, ...]) -> str | None:
    """One of some words; a wrong one gets Mailgun's own text."""
    text = given.text(name) or ""
    word = text.strip().lower()
    if word and word not in allowed:
        words = ", ".join(f"'{one}'" for one in allowed)
        given.mistake(f"Invalid {title} '{text[:100]}'. It can be any of: {words}.")
        return None
    return word or None


def _said(given: Params, *, required: bool) -> Changes:
    said = Changes(
        address=_address(given, required=required),
        name=given.text("name"),
        description=given.text("description", longest=LONGEST_DESCRIPTION, lines=True),
        access_level=_word(given, "access_level", "access level", ACCESS_LEVELS),
        reply_preference=_word(given, "reply_preference", "reply preference", REPLY_PREFERENCES),
    )
    given.check()
    return said


async def list_lists(request: web.Request) -> web.Response:
    """``GET /v3/lists``; with ``address`` the one that has it."""
    given = await params.read(request)
    limit = given.number("limit", 100, low=1, high=address_pages.MOST)
    skip = given.number("skip", 0, low=0, high=MAX_SKIP)
    address = _address(given)
    given.check()
    async with request.app[API].connection() as conn:
        total, found = await lists.list_lists(
            conn, only=only(request), address=address, limit=limit, skip=skip
        )
    return web.json_response({"total_count": total, "items": [list_json(one) for one in found]})


async def page_lists(request: web.Request) -> web.Response:
    """``GET /v3/lists/pages``."""
    given = await params.read(request)
    page = address_pages.asked(given)
    given.check()
    api = request.app[API]
    async with api.connection() as conn:
        found = await lists.page(
            conn,
            only=only(request),
            pivot=page.pivot,
            backwards=page.backwards,
            limit=page.limit,
        )
    segments = ("v3", "lists", "pages")
    paging = address_pages.links(api, segments, page, [one.address for one in found], {})
    return web.json_response({"items": [list_json(one) for one in found], "paging": paging})


async def create_list(request: web.Request) -> web.Response:
    """``POST /v3/lists``."""
    given = await params.read(request)
    said = _said(given, required=True)
    api = request.app[API]
    async with api.connection() as conn:
        made = await lists.add(
            conn, said.address or "", said, only=only(request), now_us=api.clock.now_us()
        )
    return web.json_response({"message": "Mailing list has been created", "list": list_json(made)})


async def get_list(request: web.Request) -> web.Response:
    """``GET /v3/lists/{address}``."""
    async with request.app[API].connection() as conn:
        found = await lists.get(conn, request.match_info["address"], only=only(request))
    return web.json_response({"list": list_json(found)})


async def change_list(request: web.Request) -> web.Response:
    """``PUT /v3/lists/{address}``; what is not given stays."""
    given = await params.read(request)
    said = _said(given, required=False)
    async with request.app[API].connection() as conn:
        found = await lists.change(conn, request.match_info["address"], said, only=only(request))
    return web.json_response({"message": "Mailing list has been updated", "list": list_json(found)})


async def delete_list(request: web.Request) -> web.Response:
    """``DELETE /v3/lists/{address}``: the list and its members."""
    async with request.app[API].connection() as conn:
        gone = await lists.remove(conn, request.match_info["address"], only=only(request))
    return web.json_response({"message": "Mailing list has been removed", "address": gone})
