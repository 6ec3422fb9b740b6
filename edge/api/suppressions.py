"""``/v3/{domain}/bounces``, ``unsubscribes``, ``complaints`` and ``whitelists``.

The four differ in their fields (:mod:`edge.store.suppression_entries`), their texts, which SDKs
parse, and their tables (:mod:`edge.store.suppressed`); what is done with them is the same. A file
is stored before it is answered, though Mailgun's text speaks of the background.
"""

import asyncio
import csv
import io
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import web

from edge.api import address_pages, params
from edge.api.context import API
from edge.api.errors import TooLarge
from edge.api.params import Params, rfc1123
from edge.api.scope import domain_of
from edge.model.domain import Domain
from edge.model.errors import CallerError, NotFound
from edge.store.suppressed import TABLES, Entry, Kind
from edge.store.suppression_entries import COLUMNS, from_csv, from_form, from_json, tag_of, value_of

MAX_UPLOAD: Final = 25 * 2**20
"""Bytes of a CSV file (Mailgun: 25 MB)."""

UPLOADED: Final = "file uploaded successfully for processing. standby..."
NO_TAG: Final = "Unsubscribe event for this tag does not exist"
LONGEST_TERM: Final = 320

EXPORTED_AT_ONCE: Final = 5_000
"""Entries that are read for an export at a time."""


class Texts(NamedTuple):
    """What the answers of one list say; ``many`` with the number."""

    added: str
    many: str
    removed: str
    cleared: str
    missing: str


TEXTS: Final[Mapping[Kind, Texts]] = MappingProxyType(
    {
        Kind.BOUNCES: Texts(
            "Address has been added to the bounces table",
            "{} addresses have been added to the bounces table",
            "Bounced address has been removed",
            "Bounced addresses for this domain have been removed",
            "Address not found in bounces table",
        ),
        Kind.UNSUBSCRIBES: Texts(
            "Address has been added to the unsubscribes table",
            "{} addresses have been added to the unsubscribes table",
            "Unsubscribe event has been removed",
            "Unsubscribe addresses for this domain have been removed",
            "Address not found in unsubscribers table",
        ),
        Kind.COMPLAINTS: Texts(
            "Address has been added to the complaints table",
            "{} complaint addresses have been added to the complaints table",
            "Spam complaint has been removed",
            "Complaint addresses for this domain have been removed",
            "No spam complaints found for this address",
        ),
        Kind.WHITELISTS: Texts(
            "Address/Domain has been added to the allowlists table",
            "{} addresses/domains have been added to the allowlists table",
            "Allowlist address/domain has been removed",
            "Allowlist addresses/domains for this domain have been removed",
            "Address/Domain not found in allowlist table",
        ),
    }
)


def entry_json(kind: Kind, found: Entry) -> dict[str, Any]:
    """An entry as Mailgun shows it."""
    at = rfc1123(found.created_at or 0, "UTC")
    match kind:
        case Kind.BOUNCES:
            told = {"code": found.code, "error": found.error}
        case Kind.UNSUBSCRIBES:
            return {"address": found.value, "tags": list(found.tags), "created_at": at}
        case Kind.COMPLAINTS:
            told = {}
        case Kind.WHITELISTS:
            named = {"type": found.type, "value": found.value, "reason": found.reason}
            return {**named, "createdAt": at}
    return {"address": found.value, **told, "created_at": at}


async def _domain(request: web.Request) -> Domain:
    async with request.app[API].connection() as conn:
        return await domain_of(request, conn)


def _value(kind: Kind, request: web.Request) -> str:
    """The address or domain of the path; NotFound for what can be neither."""
    try:
        return value_of(kind, request.match_info["address"])
    except CallerError:
        raise NotFound(TEXTS[kind].missing) from None


async def list_entries(kind: Kind, request: web.Request) -> web.StreamResponse:
    """``GET …/bounces``: a page; with ``format=csv`` the whole list as a file (an addition)."""
    given = await params.read(request)
    page = address_pages.asked(given)
    term = given.text("term", "", longest=LONGEST_TERM).strip().lower()
    form = given.choice("format", ("json", "csv"), "json")
    given.check()
    domain = await _domain(request)
    if form == "csv":
        return await _export(kind, request, domain, term)
    api = request.app[API]
    async with api.connection() as conn:
        found = await TABLES[kind].page(
            conn,
            domain.number,
            term=term,
            pivot=page.pivot,
            backwards=page.backwards,
            limit=page.limit,
        )
    segments = ("v3", domain.name, kind.value)
    values = [one.value for one in found]
    paging = address_pages.links(api, segments, page, values, {"term": term})
    return web.json_response({"items": [entry_json(kind, one) for one in found], "paging": paging})


async def get_entry(kind: Kind, request: web.Request) -> web.Response:
    """``GET …/bounces/{address}``."""
    domain = await _domain(request)
    value = _value(kind, request)
    async with request.app[API].connection() as conn:
        found = await TABLES[kind].get(conn, domain.number, value)
    if found is None:
        raise NotFound(TEXTS[kind].missing)
    return web.json_response(entry_json(kind, found))


async def add(kind: Kind, request: web.Request) -> web.Response:
    """``POST …/bounces``: one by a form or a JSON object, up to 1,000 by a JSON list."""
    given = await params.read(request)
    domain = await _domain(request)
    batch = isinstance(given.fields.document, list)
    entries = from_json(kind, given.fields.document) if batch else [from_form(kind, given)]
    added = await _put(kind, request, domain, entries)
    texts, one = TEXTS[kind], entries[0]
    if batch:
        return web.json_response({"message": texts.many.format(added)})
    if not added:
        raise CallerError(f"{one.value} is on the allowlist: it is not put on the bounce list")
    named = {"address": one.value}
    if kind is Kind.WHITELISTS:
        named = {"type": one.type, "value": one.value}
    return web.json_response({"message": texts.added, **named})


async def _put(kind: Kind, request: web.Request, domain: Domain, entries: list[Entry]) -> int:
    api = request.app[API]
    async with api.connection() as conn:
        return await TABLES[kind].put(conn, domain.number, entries, now_us=api.clock.now_us())


async def delete_entry(kind: Kind, request: web.Request) -> web.Response:
    """``DELETE …/bounces/{address}``; of an unsubscribe with ``tag`` that one tag."""
    given = await params.read(request)
    domain = await _domain(request)
    value = _value(kind, request)
    tag = _tag(kind, given)
    api, table, texts = request.app[API], TABLES[kind], TEXTS[kind]
    async with api.connection() as conn:
        if not await table.remove(conn, domain.number, value, tag=tag, now_us=api.clock.now_us()):
            there = tag is not None and await table.get(conn, domain.number, value)
            raise NotFound(NO_TAG if there else texts.missing)
    name = "value" if kind is Kind.WHITELISTS else "address"
    return web.json_response({"message": texts.removed, name: value})


def _tag(kind: Kind, given: Params) -> str | None:
    """The one tag that is to go; None for all. An empty one is no tag, rather than all of them."""
    if kind is not Kind.UNSUBSCRIBES or not given.has("tag"):
        return None
    text = given.text("tag", "")
    given.check()
    try:
        return tag_of(text)
    except CallerError:
        raise NotFound(NO_TAG) from None


async def delete_all(kind: Kind, request: web.Request) -> web.Response:
    """``DELETE …/bounces``: all of them, or of unsubscribes with ``tag`` all from that tag."""
    given = await params.read(request)
    domain = await _domain(request)
    tag = _tag(kind, given)
    api = request.app[API]
    async with api.connection() as conn:
        await TABLES[kind].remove(conn, domain.number, None, tag=tag, now_us=api.clock.now_us())
    return web.json_response({"message": TEXTS[kind].cleared})


async def upload(kind: Kind, request: web.Request) -> web.Response:
    """``POST …/bounces/import``: a CSV file, as ``file`` or whatever a client calls it."""
    given = await params.read(request)
    domain = await _domain(request)
    data = _file(given)
    async with request.app[API].files:
        entries = await asyncio.to_thread(from_csv, kind, data)
        added = await _put(kind, request, domain, entries)
    return web.json_response({"message": UPLOADED, "imported": added}, status=202)


def _file(given: Params) -> bytes:
    """The one file of an upload, or the text of ``file``; raises CallerError."""
    files = given.fields.files
    found = [one.data for one in files if one.name == "file"] or [one.data for one in files]
    found = found or [text.encode() for text in given.fields.texts.get("file", [])]
    if len(found) != 1:
        raise CallerError(f"file is {'given more than once' if found else 'missing'}")
    if len(found[0]) > MAX_UPLOAD:
        raise TooLarge(f"The file has {len(found[0])} bytes; at most {MAX_UPLOAD} are taken")
    return found[0]


async def _export(
    kind: Kind, request: web.Request, domain: Domain, term: str
) -> web.StreamResponse:
    """The list as the CSV file that ``import`` takes, read and written piece by piece."""
    response = web.StreamResponse()
    response.content_type, response.charset = "text/csv", "utf-8"
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Disposition"] = f'attachment; filename="{kind.value}.csv"'
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    api, pivot, text = request.app[API], None, csv_text([COLUMNS[kind]])
    try:
        while True:
            async with api.connection() as conn:
                found = await TABLES[kind].page(
                    conn, domain.number, term=term, pivot=pivot, limit=EXPORTED_AT_ONCE
                )
            if not response.prepared:  # an error until here is still answered as one
                await response.prepare(request)
            await response.write((text + csv_text(csv_row(kind, one) for one in found)).encode())
            if len(found) < EXPORTED_AT_ONCE:
                await response.write_eof()
                return response
            pivot, text = found[-1].value, ""
    except BaseException:
        if response.prepared and request.transport is not None:
            request.transport.abort()  # half a file must not look like a whole one
        raise


def csv_row(kind: Kind, found: Entry) -> list[str]:
    """An entry as a row of :data:`~edge.store.suppression_entries.COLUMNS`."""
    told = {
        found.type: found.value,
        "code": found.code,
        "error": found.error,
        "tags": msgspec.json.encode(found.tags).decode(),
        "reason": found.reason,
        "created_at": rfc1123(found.created_at or 0, "UTC"),
    }
    return [told.get(column, "") for column in COLUMNS[kind]]


def csv_text(rows: Iterable[Iterable[str]]) -> str:
    """Rows as CSV (RFC 4180)."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
