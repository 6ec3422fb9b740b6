"""The fields of a form, out of the body of a POST: a pure function that never raises.

Both kinds that RFC 8058 section 3.2 names: ``application/x-www-form-urlencoded`` and
``multipart/form-data`` (RFC 7578). Bodies are small and whole, so nothing is parsed as a stream;
files and encoded parts are of no use here and are passed over.
"""

import re
from typing import Final
from urllib.parse import parse_qsl

MAX_FIELDS: Final = 100

_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))', re.IGNORECASE)
_DISPOSITION = re.compile(
    rb"^content-disposition:\s*form-data\b(.*)$", re.IGNORECASE | re.MULTILINE
)
_NAME = re.compile(rb';\s*name=(?:"([^"]*)"|([^\s";]+))', re.IGNORECASE)


def parse_form(content_type: str, body: bytes) -> dict[str, str] | None:
    """Text fields by name, the first of equal names; None for what is no form."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        return _urlencoded(body)
    if kind == "multipart/form-data":
        return _multipart(content_type, body)
    return None


def _urlencoded(body: bytes) -> dict[str, str] | None:
    try:
        pairs = parse_qsl(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS
        )
    except ValueError:
        return None
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name, value)
    return fields


def _multipart(content_type: str, body: bytes) -> dict[str, str] | None:
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        return None
    delimiter = b"\r\n--" + (boundary[1] or boundary[2]).encode("utf-8", "surrogateescape")
    parts = (b"\r\n" + body).split(delimiter, MAX_FIELDS + 1)
    fields: dict[str, str] = {}
    for part in parts[1:-1]:  # what no delimiter follows is cut short, or the epilogue
        line, _, rest = part.partition(b"\r\n")
        if line.strip(b" \t"):
            break
        head, separator, value = rest.partition(b"\r\n\r\n")
        disposition = _DISPOSITION.search(head)
        if not separator or disposition is None or b"filename" in disposition[1].lower():
            continue
        name = _NAME.search(disposition[1])
        if name is not None:
            key = (name[1] if name[1] is not None else name[2]).decode("utf-8", "replace")
            fields.setdefault(key, value.decode("utf-8", "replace"))
    return fields
