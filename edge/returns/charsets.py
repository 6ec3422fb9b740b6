"""Bytes of mail to text, whatever their charset claims to be; total."""

import codecs
import re
from typing import Final

from edge.returns.transfer import decode_base64, decode_quoted

_WORD = re.compile(
    r"=\?([A-Za-z0-9_.:+-]{1,40})(?:\*[A-Za-z-]{1,20})?\?([bBqQ])\?([^?\s]{0,2000})\?="
)
_BETWEEN = re.compile(r"(\?=)\s+(?==\?)")

_ALIASES: Final = {
    "unicode-1-1-utf-7": "utf-7",
    "x-unknown": "latin-1",
    "unknown-8bit": "latin-1",
    "unknown": "latin-1",
    "x-sjis": "cp932",
    "shift_jis": "cp932",
    "x-euc-jp": "euc-jp",
    "x-gbk": "gb18030",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-1": "cp1252",
    "us-ascii": "",
    "ascii": "",
    "": "",
}
_TEXT_CODECS: Final = frozenset({"idna", "punycode", "raw_unicode_escape", "unicode_escape"})


def decode(raw: bytes, charset: str = "") -> str:
    """Text by its charset; where that is missing, unknown or wrong: UTF-8, else Windows-1252."""
    name = charset.strip().strip("'\"").lower()
    name = _ALIASES.get(name, name)
    if name:
        try:
            codec = codecs.lookup(name)
            if codec.name not in _TEXT_CODECS and codec._is_text_encoding:
                return raw.decode(codec.name)
        except (LookupError, ValueError):
            name = ""  # unknown, or it lied: judged by the bytes alone
    if b"\x1b$" in raw or b"\x1b(" in raw:
        return raw.decode("iso2022_jp_ext", "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def header_text(value: str) -> str:
    """A header's value with its encoded words (RFC 2047) decoded, as far as they can be."""
    if "=?" not in value:
        return value
    return _WORD.sub(_decoded, _BETWEEN.sub(r"\1", value))


def _decoded(match: re.Match[str]) -> str:
    charset, how, text = match.groups()
    raw = text.encode("latin-1", "replace")
    if how in "bB":
        return decode(decode_base64(raw), charset)
    return decode(decode_quoted(raw.replace(b"_", b" ")), charset)
