"""flufl.bounce, GNU Mailman's bounce reader, asked where our own reader finds nobody."""

import email
from email.policy import compat32
from typing import Final

from flufl.bounce import scan_message

from edge.returns.texts import is_address, trimmed

MOST_OCTETS: Final = 64 * 1024
"""Octets that are given to it: its time is not linear in what a stranger sends."""


def recipients(raw: bytes) -> list[str]:
    """Addresses that failed for good, as far as it knows; none where it stumbles over the mail."""
    message = email.message_from_bytes(raw[:MOST_OCTETS], policy=compat32)
    try:
        found = scan_message(message)
    except (LookupError, ValueError, TypeError, AttributeError):  # broken charsets, dates, parts
        return []
    texts = sorted(one.decode("utf-8", "replace") for one in found)
    return [one for one in map(trimmed, texts) if is_address(one)]
