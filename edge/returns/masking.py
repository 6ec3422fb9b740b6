"""A mail made fit to be a fixture: its addresses, hosts and names of people are replaced.

The same address becomes the same mask everywhere, so what the mail says about it stays. What
decides (words, codes, structure) is not touched. Parts in base64 are left out, since an address in
them cannot be seen.
"""

import re
from typing import Final

_ADDRESS: Final = re.compile(
    rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8})"
)
_IPV4: Final = re.compile(rb"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_KEPT: Final = re.compile(rb"mailer-daemon|postmaster|abuse|noreply|no-reply|mail-daemon", re.I)
_PROVIDER: Final = re.compile(
    rb"(?:docomo|ezweb|softbank|gmail|googlemail|outlook|hotmail|live|yahoo|aol|icloud|gmx|web|mail|"
    rb"yandex|qq|163|126|orange|free|t-online|comcast|zoho)\.[a-z]{2,3}(?:\.[a-z]{2})?",
    re.IGNORECASE,
)
"""A provider's name says nothing of a person, and may decide."""

_NAMED: Final = re.compile(
    rb"^(From|To|Cc|Reply-To|Sender):([^<\n]{0,200})<", re.IGNORECASE | re.MULTILINE
)
_SUBJECT_OF_OTHERS: Final = re.compile(rb"(?<=\n)(Subject:)([^\n]{0,998})", re.I)
_BASE64: Final = re.compile(rb"(?:^[A-Za-z0-9+/=]{60,80}\r?\n){4,}", re.MULTILINE)


def masked(raw: bytes) -> bytes:
    """The mail with masked addresses; its first subject stays, those of returned messages go."""
    seen: dict[bytes, bytes] = {}

    def mask(match: re.Match[bytes]) -> bytes:
        whole = match[0].lower()
        if whole not in seen:
            local = whole.partition(b"@")[0]
            name = local if _KEPT.fullmatch(local) else b"user%d" % (len(seen) + 1)
            host = whole.rpartition(b"@")[2]
            if not _PROVIDER.fullmatch(host):
                host = b"example.%s" % (b"org" if len(seen) % 2 else b"net")
            seen[whole] = name + b"@" + host
        return seen[whole]

    text = _BASE64.sub(b"[base64 left out]\n", raw)
    text = _NAMED.sub(rb"\1: Somebody <", text)
    text = _ADDRESS.sub(mask, text)
    text = _IPV4.sub(b"192.0.2.1", text)
    first, found, rest = text.partition(b"\nSubject:")
    return first + found + _SUBJECT_OF_OTHERS.sub(rb"\1 masked", rest)
