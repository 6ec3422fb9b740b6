"""Charsets: in which of them ASCII bytes can be spliced, and how text in them is read.

HTML is edited as latin-1, one character per byte, so that every offset is one into the bytes. That
is right where each byte that can end or begin an edit (``< > " ' & =``, white space) stands for
itself. So it is in the one-byte charsets that extend ASCII and in UTF-8; Shift_JIS, Big5 and GBK
have second bytes in the ASCII range, but only from 0x30 (digits, GB18030) and 0x40 (letters and
``[ \\ ] ^ _ { | }``) up, never one of those. Stateful charsets (ISO-2022, HZ, UTF-7) and wide
ones (UTF-16, UTF-32) are left alone.
"""

import codecs
import re
from functools import lru_cache
from typing import Final

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,39}")
_TRANSPARENT: Final = frozenset(
    {
        *("ascii", "utf-8", "koi8-r", "koi8-u", "koi8-t", "kz1048", "mac-roman", "tis-620"),
        *("mac-cyrillic", "mac-latin2", "mac-greek", "mac-turkish", "mac-iceland", "ptcp154"),
        *(f"iso8859-{n}" for n in range(1, 17)),
        *(f"cp{n}" for n in range(1250, 1259)),
        *("cp437", "cp737", "cp775", "cp850", "cp852", "cp855", "cp857", "cp858", "cp860"),
        *("cp861", "cp862", "cp863", "cp865", "cp866", "cp869", "cp874", "cp1125"),
        *("gb2312", "gbk", "gb18030", "big5", "big5hkscs", "cp950", "euc_jp", "euc_kr", "cp949"),
        *("shift_jis", "cp932", "euc_jis_2004", "shift_jis_2004", "euc_jisx0213"),
        "shift_jisx0213",
    }
)
_OTHER_NAMES: Final = {
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "ks_c_5601-1987": "cp949",
    "x-sjis": "cp932",
    "x-gbk": "gbk",
    "x-euc-jp": "euc_jp",
    "windows-31j": "cp932",
    "windows-874": "cp874",
    "unicode-1-1-utf-8": "utf-8",
    "utf8mb4": "utf-8",
    "us-ascii": "ascii",
    "": "ascii",
}


@lru_cache(256)
def codec(name: str) -> str | None:
    """Python's name of a charset that can be spliced, or None; no name at all means US-ASCII."""
    known = _OTHER_NAMES.get(name.lower())
    if known is not None:
        return known
    if not _NAME.fullmatch(name):
        return None
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return found if found in _TRANSPARENT else None


def read(raw: bytes, charset: str) -> str | None:
    """Text of these bytes, or None.

    Bytes above 0x7F in what claims to be US-ASCII are read as UTF-8, else as windows-1252, which
    is also what every mail reader means by ISO 8859-1 (WHATWG Encoding, section 4.2).
    """
    if raw.isascii():
        return raw.decode("ascii")
    for candidate in ("utf-8", "cp1252") if charset == "ascii" else (charset,):
        try:
            return raw.decode("cp1252" if candidate == "iso8859-1" else candidate)
        except UnicodeDecodeError:
            continue
    return None


def read_exactly(raw: bytes, charset: str) -> tuple[str, str] | None:
    """Text and the codec that turns it into exactly these bytes again, or None."""
    if raw.isascii():
        return raw.decode("ascii"), charset
    for candidate in ("utf-8", "cp1252") if charset == "ascii" else (charset,):
        try:
            text = raw.decode(candidate)
            if text.encode(candidate) == raw:
                return text, candidate
        except UnicodeError:
            continue
    return None
