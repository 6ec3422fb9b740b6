"""Rows of an uploaded CSV file, by the names in its first line, with the line each starts at."""

import csv
import io
from collections.abc import Collection, Iterator
from typing import Any, Final

from edge.model.errors import CallerError

HEADER_ERROR: Final = "while reading csv header"
SHOWN: Final = 20
"""Mistakes of one upload that are told; of the others their number."""


def rows(
    data: bytes, columns: Collection[str], needed: Collection[str], mistakes: list[str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row's place (``line 5``) and what it says in the known columns.

    One of the ``needed`` columns has to be there; the order is free, and other columns are passed
    over. A row that cannot be read becomes one of the ``mistakes``. Raises CallerError for a file
    that is no UTF-8 text, and for its header.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CallerError(f"The file is not UTF-8 text: see line {line}") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    names = _header(reader, columns, needed)
    for place, row in _numbered(reader, mistakes):
        if len(row) == len(names):
            yield place, {n: v for n, v in zip(names, row, strict=True) if n in columns}
        elif row:
            mistakes.append(f"{place}: has {len(row)} fields, the header {len(names)}")


def _header(reader: Any, columns: Collection[str], needed: Collection[str]) -> list[str]:
    try:
        names = [name.strip().lower() for name in next(reader, [])]
    except csv.Error as error:
        raise CallerError(f"{HEADER_ERROR}: {error}") from None
    doubled = sorted({name for name in names if name in columns and names.count(name) > 1})
    if not set(needed) & set(names):
        raise CallerError(f"{HEADER_ERROR}: it has to name a column {' or '.join(needed)}")
    if doubled:
        raise CallerError(f"{HEADER_ERROR}: it names {', '.join(doubled)} more than once")
    return names


def _numbered(reader: Any, mistakes: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Each row with the line it starts at; what cannot be read ends the file with a mistake."""
    while True:
        place = f"line {reader.line_num + 1}"
        try:
            row = next(reader, None)
        except csv.Error as error:
            mistakes.append(f"{place}: {error}")
            return
        if row is None:
            return
        yield place, row


def check(mistakes: list[str]) -> None:
    """Raise one CallerError that tells the mistakes of an upload, if there are any."""
    if mistakes:
        shown = mistakes[:SHOWN]
        if len(mistakes) > len(shown):
            shown.append(f"and {len(mistakes) - len(shown)} more")
        raise CallerError("; ".join(shown))
