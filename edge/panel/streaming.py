"""Files that are written while they are read from the database, piece by piece."""

import csv
import io
from collections.abc import AsyncIterator, Iterable
from typing import Final

from aiohttp import hdrs, web

from edge.panel.guard import add_headers

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula, whoever wrote it (CWE-1236)."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def csv_text(rows: Iterable[Iterable[str]]) -> str:
    """Rows as CSV (RFC 4180)."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


async def attachment(
    request: web.Request, name: str, kind: str, pieces: AsyncIterator[str]
) -> web.StreamResponse:
    """Answer with a file. An error before its first piece is still answered as one; after that
    the connection breaks, since half a file must not look like a whole one.
    """
    response = web.StreamResponse()
    response.content_type, response.charset = kind, "utf-8"
    response.headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{name}"'
    add_headers(response)
    if request.method == hdrs.METH_HEAD:
        await response.prepare(request)
        return response
    try:
        async for piece in pieces:
            if not response.prepared:
                await response.prepare(request)
            await response.write(piece.encode("utf-8", "replace"))
        if not response.prepared:
            await response.prepare(request)
        await response.write_eof()
    except BaseException:
        if response.prepared and request.transport is not None:
            request.transport.abort()
        raise
    return response
