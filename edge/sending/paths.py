"""The arguments of MAIL and RCPT: an address in angle brackets and what follows it.

RFC 5321 § 4.1.2, wide where the world is (dots anywhere in a local part, no brackets, a space after
the colon; a source route is dropped, as § 3.6.1 says) and narrow where it is dangerous: no control
character and no line break is part of an address. Local parts and domains beyond ASCII are those of
RFC 6531. Pure.
"""

import re
from typing import Final

import msgspec

from edge.model.errors import CallerError

LONGEST: Final = 254
"""Octets of an address: a path has 256 with its brackets (RFC 5321 § 4.5.3.1.3)."""

_WIDE = "\u00a1-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff"
_ATOMS = rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~{_WIDE}-]+"
_QUOTED = rf'"(?:[ !#-\[\]-~{_WIDE}]|\\[ -~])*"'
_LABEL = rf"[A-Za-z0-9_{_WIDE}-]+"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Za-z:.-]+\])"
_MAILBOX = rf"(?:{_ATOMS}|{_QUOTED})@{_DOMAIN}"
_ARGUMENT = re.compile(
    rf" *(?:<(?:@[^<>:\s]*:)?(?P<in>{_MAILBOX})?>|(?P<bare>{_MAILBOX}))"
    rf"(?P<rest>(?: +[!-~{_WIDE}]+)*) *"
)
_PARAMETER = re.compile(rf"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~{_WIDE}]+))?")


class NotAPath(CallerError):
    """Not the argument of MAIL or RCPT."""


class Path(msgspec.Struct, frozen=True):
    """An address, empty for the null sender ``<>``, and parameters by their upper-case names."""

    address: str
    parameters: dict[str, str]


def parse(argument: str, keyword: str) -> Path:
    """The argument after ``MAIL`` (keyword ``FROM``) or ``RCPT`` (``TO``). Raises NotAPath."""
    name, colon, rest = argument.partition(":")
    if not colon or name.strip().upper() != keyword:
        raise NotAPath(f"{keyword}:<address> is missing")
    match = _ARGUMENT.fullmatch(rest)
    if match is None or not rest.isprintable():  # there are unprintable ones beyond ASCII too
        raise NotAPath("not an address in angle brackets")
    address = (match["in"] or match["bare"] or "").removesuffix(".")
    if len(address.encode()) > LONGEST:
        raise NotAPath(f"the address is longer than {LONGEST} octets")
    parameters = {}
    for word in match["rest"].split():
        given = _PARAMETER.fullmatch(word)
        if given is None or given[1].upper() in parameters:
            raise NotAPath("a parameter is malformed or given twice")
        parameters[given[1].upper()] = given[2] or ""
    return Path(address, parameters)
