"""Where the URLs and variables of a plain text body are.

There is no grammar for URLs in prose; mail readers guess where one ends, and so does this, in the
way they do (RFC 3986, appendix C): a URL runs to white space, ``<``, ``>``, a quotation mark or a
grave accent; punctuation at its end is the sentence's; a closing bracket belongs to the URL if its
opening one does. A URL also ends before a character of a script written without spaces
(``https://e.example/はこちら``) and before punctuation that is not ASCII, but takes letters of
other scripts with it (``https://grün.example/ä``).

In ``format=flowed; delsp=yes`` (RFC 3676) a long URL may be broken over lines, which is undone;
with ``delsp=no`` a broken line means a space, so a URL cannot go on.
"""

import re
import unicodedata
from typing import Final

import msgspec

from edge.rewriting.html_part import FoundVariable
from edge.rewriting.links import MERGE_TAG
from edge.rewriting.report import Reason
from edge.rewriting.variables import Place

_URL = re.compile(r"(?i)(?<![A-Za-z0-9+.-])https?://[^\s<>\"`\x00-\x1f\x7f]+")
_FLOWED_URL = re.compile(
    r"(?i)(?<![A-Za-z0-9+.-])https?://[^\s<>\"`\x00-\x1f\x7f]+"
    r"(?: \r?\n ?(?![>\r\n]|https?://)[^\s<>\"`\x00-\x1f\x7f]+)*"
)
_BREAK = re.compile(r" \r?\n ?")
_TRAILING: Final = ".,;:!?'*|\\"
_BRACKETS: Final = {")": "(", "]": "[", "}": "{"}
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)
_MAX_QUOTE: Final = 1_000
"""How far back the beginning of a quoted line is looked for; no line is longer (RFC 5322)."""
_PGP = re.compile(rb"(?m)^-----BEGIN PGP (?:MESSAGE|SIGNED MESSAGE|SIGNATURE)")


class FoundUrl(msgspec.Struct, gc=False):
    """A URL in a text: its offsets in characters, and its value with line breaks undone."""

    start: int
    end: int
    value: str
    reason: Reason | None = None


def scan(
    text: str, variable: "re.Pattern[str]", *, joined: bool
) -> tuple[list[FoundUrl], list[FoundVariable]]:
    """URLs and variables of a text; ``joined`` is that of ``format=flowed; delsp=yes``."""
    found = []
    for match in (_FLOWED_URL if joined else _URL).finditer(text):
        run = match[0]
        length = _length(run)
        value, reason = run[:length], None
        if joined:
            if _BREAK.search(value):
                value = _BREAK.sub("", value)
            line = text.rfind("\n", max(0, match.start() - _MAX_QUOTE), match.start()) + 1
            if text.startswith(">", line) and text.startswith((" \n", " \r\n"), match.end()):
                reason = Reason.BROKEN_LINE
        found.append(FoundUrl(match.start(), match.start() + length, value, reason))
    variables = [
        FoundVariable(match.start(), match.end(), match[1], Place.TEXT)
        for match in variable.finditer(text)
    ]
    return found, variables


def _length(run: str) -> int:
    """How much of a run of characters without spaces is the URL."""
    end = len(run)
    if not run.isascii():
        host = run.index("//") + 2
        for at, character in enumerate(run[host:], host):
            if character > "\x7f" and (
                _UNSPACED.match(character) or unicodedata.category(character)[0] in "PZC"
            ):
                end = at
                break
    merged = max((match.end() for match in MERGE_TAG.finditer(run, 0, end)), default=0)
    opened = {bracket: run.count(bracket, 0, end) for bracket in "()[]{}"}
    while end > merged:
        last = run[end - 1]
        if last in _BRACKETS and opened[last] > opened[_BRACKETS[last]]:
            opened[last] -= 1
        elif last not in _TRAILING:
            break
        end -= 1
    return end


def holds_pgp(body: bytes) -> bool:
    """Whether a body holds an OpenPGP message or signature as text."""
    return b"-----BEGIN PGP " in body and _PGP.search(body) is not None
