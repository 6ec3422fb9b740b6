"""Suppression lists as CSV files: taken in with every mistake told by its line, and given out."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from aiohttp import web

from edge.model.domain import Domain
from edge.model.errors import CallerError, NotFound
from edge.model.params import Params, rfc1123
from edge.panel import domain_choice, forms, masking, streaming, suppressions
from edge.panel.context import PANEL, SUBJECT, may
from edge.panel.permissions import Permit
from edge.store.suppressed import TABLES, Entry, Kind
from edge.store.suppression_entries import COLUMNS, read_csv

MAX_UPLOAD: Final = 25 * 2**20
SHOWN: Final = 100
"""Mistakes of one file that are told; of the others their number."""

AT_ONCE: Final = 5_000


async def upload(request: web.Request) -> web.Response:
    """``POST /suppressions/import``: a whole file or, where a line is wrong, nothing of it."""
    panel, given = request.app[PANEL], await forms.body(request)
    kind, name = suppressions.kind_of(given), given.text("domain", "")
    mistakes: list[str] = []
    try:
        given.check()
        data = _file(given)
        async with panel.files:
            entries, mistakes = await asyncio.to_thread(read_csv, kind, data)
            if mistakes:
                raise CallerError("Nothing was imported: these lines have to be mended first.")
            if not entries:
                raise CallerError("The file has no line below its header.")
            async with panel.connection() as conn:
                domain = await domain_choice.named(conn, name)
                added = await TABLES[kind].put(
                    conn, domain.number, entries, now_us=panel.clock.now_us()
                )
        request[SUBJECT] = f"{name}: {kind}: {added} of {len(entries)}"
    except CallerError as error:
        told = mistakes[:SHOWN]
        if len(mistakes) > len(told):
            told.append(f"and {len(mistakes) - len(told)} more")
        return await suppressions.page(
            request, given=given, error=str(error), status=400, mistakes=tuple(told), name=name
        )
    raise suppressions.back(domain, kind, "imported")


def _file(given: Params) -> bytes:
    found = [one.data for one in given.fields.files if one.name == "file" and one.filename]
    if len(found) != 1:
        raise CallerError("Choose a CSV file first.")
    if len(found[0]) > MAX_UPLOAD:
        raise CallerError(f"The file has {len(found[0])} bytes; at most {MAX_UPLOAD} are taken.")
    return found[0]


async def export(request: web.Request) -> web.StreamResponse:
    """``GET /suppressions/export``: the file that ``import`` takes (masked, it takes none)."""
    given = forms.query(request)
    kind, term = suppressions.kind_of(given), suppressions.term_of(request, given)
    given.check()
    async with request.app[PANEL].connection() as conn:
        domain, _ = await domain_choice.chosen(request, conn)
    if domain is None:
        raise NotFound("There is no domain yet.")
    name = f"{kind}-{domain.name}.csv"
    return await streaming.attachment(
        request, name, "text/csv", _pieces(request, kind, domain, term)
    )


async def _pieces(
    request: web.Request, kind: Kind, domain: Domain, term: str
) -> AsyncIterator[str]:
    in_clear = may(request, Permit.CLEAR)
    pivot: str | None = None
    text = streaming.csv_text([COLUMNS[kind]])
    while True:
        async with request.app[PANEL].connection() as conn:
            found = await TABLES[kind].page(
                conn, domain.number, term=term, pivot=pivot, limit=AT_ONCE
            )
        yield text + streaming.csv_text(_row(kind, one, in_clear=in_clear) for one in found)
        if len(found) < AT_ONCE:
            return
        pivot, text = found[-1].value, ""


def _row(kind: Kind, found: Entry, *, in_clear: bool) -> list[str]:
    """As columns of the file. An address stays as it is, or the file could not be taken in again;
    what servers and people wrote is made harmless for spreadsheets.
    """
    value, error = found.value, found.error
    if not in_clear:
        value, error = masking.address(value), masking.text(error, found.value)
    told = {
        found.type: value,
        "code": found.code,
        "error": streaming.harmless(error),
        "tags": msgspec.json.encode(found.tags).decode(),
        "reason": streaming.harmless(found.reason),
        "created_at": rfc1123(found.created_at or 0, "UTC"),
    }
    return [told.get(column, "") for column in COLUMNS[kind]]
