"""``/v3/lists/{address}/members``: who is on a list, one by one or uploaded together.

An upload is stored before it is answered, in one statement, also where the answer has Mailgun's
text about the background: clients that wait for their ``task-id`` find everything there.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from aiohttp import web

from edge.api import address_pages, params
from edge.api.context import API
from edge.api.errors import TooLarge
from edge.api.lists import LONGEST_ADDRESS, MAX_SKIP, list_json, only
from edge.api.member_entries import from_csv, from_json, variables_of
from edge.api.params import Params
from edge.model.addresses import Mailbox, mailbox
from edge.model.errors import CallerError
from edge.store import list_members, lists
from edge.store.list_members import Entry, Member
from edge.store.pool import Connection

MAX_UPLOAD: Final = 5_000_000
"""Bytes of a CSV file, and of a JSON list (Mailgun: 5 MB)."""

AT_ONCE: Final = 100
"""Members of one upload up to which Mailgun answers when it is done."""

LONGEST_VARIABLES: Final = 70_000


def member_json(found: Member) -> dict[str, Any]:
    """A member as Mailgun shows it."""
    return {
        "address": found.address,
        "name": found.name,
        "subscribed": found.subscribed,
        "vars": found.vars,
    }


@asynccontextmanager
async def _changing(request: web.Request) -> AsyncIterator[tuple[Connection, str]]:
    """A transaction in which the members of the path's list are this request's to change."""
    async with request.app[API].connection() as conn, conn.transaction():
        yield (
            conn,
            await lists.find(
                conn, request.match_info["address"], only=only(request), for_change=True
            ),
        )


async def list_all(request: web.Request) -> web.Response:
    """``GET …/members``; with ``address`` the one that has it."""
    given = await params.read(request)
    limit = given.number("limit", 100, low=1, high=address_pages.MOST)
    skip = given.number("skip", 0, low=0, high=MAX_SKIP)
    subscribed = given.boolean("subscribed")
    box = _mailbox(given, required=False)
    given.check()
    async with request.app[API].connection() as conn:
        list_ = await lists.find(conn, request.match_info["address"], only=only(request))
        total, found = await list_members.list_members(
            conn,
            list_,
            subscribed=subscribed,
            address=box.address if box else None,
            limit=limit,
            skip=skip,
        )
    return web.json_response({"total_count": total, "items": [member_json(one) for one in found]})


async def page_members(request: web.Request) -> web.Response:
    """``GET …/members/pages``."""
    given = await params.read(request)
    page = address_pages.asked(given)
    subscribed = given.boolean("subscribed")
    given.check()
    api = request.app[API]
    async with api.connection() as conn:
        list_ = await lists.find(conn, request.match_info["address"], only=only(request))
        found = await list_members.page(
            conn,
            list_,
            subscribed=subscribed,
            pivot=page.pivot,
            backwards=page.backwards,
            limit=page.limit,
        )
    keep = {} if subscribed is None else {"subscribed": "yes" if subscribed else "no"}
    segments = ("v3", "lists", list_, "members", "pages")
    paging = address_pages.links(api, segments, page, [one.address for one in found], keep)
    return web.json_response({"items": [member_json(one) for one in found], "paging": paging})


def _mailbox(given: Params, *, required: bool) -> Mailbox | None:
    text = given.text("address", required=required, longest=2 * LONGEST_ADDRESS)
    if not text or not text.strip():
        return None
    try:
        return mailbox(text)
    except CallerError as error:
        given.mistake(f"address: {error}")
        return None


def _said(given: Params, *, required: bool) -> Entry:
    """What a form says of a member; its address may be empty unless it is ``required``."""
    box = _mailbox(given, required=required) or Mailbox("")
    text = given.text("vars", "", longest=LONGEST_VARIABLES, lines=True)
    variables = None
    if text.strip():
        try:
            variables = variables_of(text)
        except CallerError as error:
            given.mistake(str(error))
    name = given.text("name", box.name or None)
    return Entry(box.address, name, variables, given.boolean("subscribed"))


async def create_member(request: web.Request) -> web.Response:
    """``POST …/members``: ``address``, ``name``, ``vars``, ``subscribed``, ``upsert``."""
    given = await params.read(request)
    said = _said(given, required=True)
    upsert = given.boolean("upsert", default=False)
    given.check()
    now_us = request.app[API].clock.now_us()
    async with _changing(request) as (conn, list_):
        made = await list_members.add(conn, list_, said, upsert=upsert, now_us=now_us)
    return web.json_response(
        {"message": "Mailing list member has been created", "member": member_json(made)}
    )


async def get_member(request: web.Request) -> web.Response:
    """``GET …/members/{member}``."""
    async with request.app[API].connection() as conn:
        list_ = await lists.find(conn, request.match_info["address"], only=only(request))
        found = await list_members.get(conn, list_, request.match_info["member"])
    return web.json_response({"member": member_json(found)})


async def change_member(request: web.Request) -> web.Response:
    """``PUT …/members/{member}``; what is not given stays."""
    given = await params.read(request)
    said = _said(given, required=False)
    given.check()
    now_us = request.app[API].clock.now_us()
    async with _changing(request) as (conn, list_):
        found = await list_members.change(
            conn, list_, request.match_info["member"], said, now_us=now_us
        )
    return web.json_response(
        {"message": "Mailing list member has been updated", "member": member_json(found)}
    )


async def delete_member(request: web.Request) -> web.Response:
    """``DELETE …/members/{member}``."""
    async with _changing(request) as (conn, list_):
        gone = await list_members.remove(conn, list_, request.match_info["member"])
    return web.json_response(
        {"message": "Mailing list member has been deleted", "member": {"address": gone}}
    )


def _document(given: Params) -> Any:
    """The JSON list of an upload: a form's text, or part of a JSON body, or the whole body.

    Raises CallerError.
    """
    body = given.fields.document
    if isinstance(body, list):
        return body
    if isinstance(body, dict) and isinstance(body.get("members"), list):
        return body["members"]
    text = _single([text.encode() for text in given.fields.texts.get("members", [])])
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise CallerError(f"members is not valid JSON: {error}") from None


def _file(given: Params) -> bytes:
    """The CSV of an upload: the file ``members``, or the only one, or a text of that name.

    Raises CallerError.
    """
    files = given.fields.files
    named = [one for one in files if one.name == "members"] or files
    texts = given.fields.texts.get("members", [])
    return _single([one.data for one in named] or [text.encode() for text in texts])


def _single(uploads: list[bytes]) -> bytes:
    if len(uploads) != 1:
        raise CallerError(f"members is {'given more than once' if uploads else 'missing'}")
    if len(uploads[0]) > MAX_UPLOAD:
        raise TooLarge(
            f"The upload has {len(uploads[0])} bytes; at most {MAX_UPLOAD} are taken at once"
        )
    return uploads[0]


async def upload_json(request: web.Request) -> web.Response:
    """``POST …/members.json``: ``members``, ``upsert``, ``subscribed`` for those that say none."""
    given = await params.read(request)
    upsert, subscribed = given.boolean("upsert", default=False), given.boolean("subscribed")
    entries: list[Entry] = []
    try:
        entries = from_json(_document(given), subscribed)
    except TooLarge:
        raise
    except CallerError as error:
        given.mistake(str(error))
    given.check()
    return await _stored(request, entries, upsert=upsert, task=len(entries) > AT_ONCE)


async def upload_csv(request: web.Request) -> web.Response:
    """``POST …/members.csv``: the file ``members``; ``upsert`` and ``subscribed`` as with JSON."""
    given = await params.read(request)
    upsert, subscribed = given.boolean("upsert", default=False), given.boolean("subscribed")
    entries: list[Entry] = []
    try:
        entries = await asyncio.to_thread(from_csv, _file(given), subscribed)
    except TooLarge:
        raise
    except CallerError as error:
        given.mistake(str(error))
    given.check()
    return await _stored(request, entries, upsert=upsert, task=True)


async def _stored(
    request: web.Request, entries: list[Entry], *, upsert: bool, task: bool
) -> web.Response:
    now_us = request.app[API].clock.now_us()
    async with _changing(request) as (conn, list_):
        await list_members.put(conn, list_, entries, upsert=upsert, now_us=now_us)
        found = await lists.get(conn, list_, only=only(request))
    message = "Mailing list has been updated"
    if len(entries) > AT_ONCE:
        message = "Mailing list upload started in background"
    body: dict[str, Any] = {"message": message, "list": list_json(found)}
    if task:
        body["task-id"] = secrets.token_hex(8)
    return web.json_response(body)
