"""Click destinations: one ASCII spelling, made once when the link is sealed.

The redirect hands out exactly the sealed bytes (no later re-quoting, which is how most trackers
corrupt links), so everything a browser would do to the URL must have been done before: the host in
its ASCII form, every byte outside the printable ASCII range percent-encoded, as the WHATWG URL
standard does (https://url.spec.whatwg.org/, "URL serializing"). What is already ASCII is left
alone, byte for byte.
"""

import re
from typing import Final
from urllib.parse import quote, urlsplit

import idna

from edge.model.errors import InvalidDestination

MAX_URL: Final = 5_000
"""Octets; longer ones make a tracking URL that common mail software cuts."""

_PLAIN = re.compile(
    r"https?://(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?(?:[/?#][\x21-\x7e]*)?"
)
_SIMPLE = re.compile(r"https?://[A-Za-z0-9_.-]+(?:[/?#][\x21-\x7e]*)?")
_CONTROL = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_ASCII_SAFE = "".join(chr(c) for c in range(0x21, 0x7F))
_AUTHORITY = re.compile(r"(?i)(https?:)//([^/?#\\]*)(.*)", re.DOTALL)
_PORT = re.compile(r"(.*?)(:[0-9]*)?", re.DOTALL)
_MAX_PORT = 65_535
_HOST = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]")


def is_plain(url: str) -> bool:
    """Whether the URL may stand in a ``Location`` header as it is: http(s), 0x21 to 0x7E only.

    The hot path asks this of every opened token, so that even a wrongly sealed one cannot redirect
    elsewhere: after the scheme comes a host (no user information, no backslash, which browsers
    read as a slash) and then only printable ASCII.
    """
    return _PLAIN.fullmatch(url) is not None


def normalise(url: str) -> str:
    """The ASCII form of a destination; idempotent.

    Raises :class:`~edge.model.errors.InvalidDestination` for anything but http and https, for user
    information in the authority (a phishing classic), for a missing or impossible host, for
    control characters, and above 5,000 octets.
    """
    text = url.strip(" \t\r\n\f")
    if len(text) <= MAX_URL and _SIMPLE.fullmatch(text):
        return text  # nearly every link: nothing below would change or refuse it
    if _CONTROL.search(text):
        raise InvalidDestination(f"destination holds a control character: {text[:80]!r}")
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        raise InvalidDestination(
            f"destination must start with http:// or https://, this one does not: {text[:80]!r}"
        )
    scheme, authority, rest = match[1].lower(), match[2], match[3]
    if "@" in authority:
        raise InvalidDestination(f"destination carries user information before @: {text[:80]!r}")
    if rest.startswith("\\"):
        raise InvalidDestination(f"destination has a backslash after its host: {text[:80]!r}")
    result = f"{scheme}//{_ascii_authority(authority, text)}{quote(rest, safe=_ASCII_SAFE)}"
    if len(result) > MAX_URL:
        raise InvalidDestination(f"destination has {len(result)} octets; at most {MAX_URL} fit")
    if not is_plain(result):
        raise InvalidDestination(f"destination has no plain spelling: {text[:80]!r}")
    return result


def _ascii_authority(authority: str, text: str) -> str:
    match = _PORT.fullmatch(authority)
    host, port = (match[1], match[2] or "") if match else (authority, "")
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise InvalidDestination(f"host {host!r} has no ASCII form: {error}") from None
    if not _HOST.fullmatch(host):
        raise InvalidDestination(f"destination has no usable host: {text[:80]!r}")
    digits = port[1:].lstrip("0")
    if len(digits) > 5 or int(digits or 0) > _MAX_PORT:
        raise InvalidDestination(f"port {port[1:7]} does not exist: {text[:80]!r}")
    try:
        urlsplit(f"http://{host}{port}/")
    except ValueError as error:
        raise InvalidDestination(f"host {host!r} is not valid: {error}") from None
    return host + port
