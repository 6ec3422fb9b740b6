"""flufl.bounce, GNU Mailman's bounce reader, asked where our own reader finds nobody."""

import email
from email.errors import MessageError
from email.policy import compat32
from typing import Final

from flufl.bounce import scan_message

from edge.returns.texts import is_address, trimmed

MOST_OCTETS: Final = 64 * 1024
"""Octets that are given to it: its time is not linear in what a stranger sends."""

_ASCII: Final = bytes(code if 0 < code < 128 else 63 for code in range(256))
"""Its detectors know no header that is not ASCII."""

_STUMBLES: Final = (
    *(LookupError, ValueError, TypeError, AttributeError, AssertionError, RecursionError),
    MessageError,
)
"""What it and the standard library's parser raise over broken charsets, dates, parts, nesting."""


def recipients(raw: bytes) -> list[str]:
    """Addresses that failed for good, as far as it knows; none where it stumbles over the mail."""
    try:
        message = email.message_from_bytes(raw[:MOST_OCTETS].translate(_ASCII), policy=compat32)
        found = scan_message(message)
    except _STUMBLES:
        return []
    texts = sorted(one.decode("utf-8", "replace") for one in found)
    return [one for one in map(trimmed, texts) if is_address(one)]
