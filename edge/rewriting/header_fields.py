"""Header fields as people read them, of any message whatever.

The standard library's parser of structured fields raises where an address list is broken (as of
Python 3.11: ``To: <``), and what is stored is what somebody handed in.
"""

from collections.abc import Sequence

from edge.rewriting import mime
from edge.rewriting.headers import decoded_text

Shown = tuple[str, str]
"""A name as it was written, and its value decoded (RFC 2047)."""


def shown_headers(source: bytes) -> list[Shown]:
    """Every header field in order; ``source`` may end anywhere."""
    found = []
    for header in mime.split(source).headers:
        name = source[header.start : header.start + len(header.name)].decode("latin-1")
        found.append((name, decoded_text(mime.value_of(source, header))))
    return found


def first(headers: Sequence[Shown], name: str) -> str:
    """The value of the first field of that name (lower case), or nothing."""
    return next((value for known, value in headers if known.lower() == name), "")
