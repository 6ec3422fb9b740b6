"""Addresses, replies and passages found in text that people and programs write about failures."""

import re
from html import unescape
from typing import Final

import re2

from edge.returns.reasons import Phase

_STOPS = r"\s<>()\[\],;:@\"'|\\（）：，。；、「」『』【】《》〈〉“”‘’…"
ADDRESS: Final = re.compile(
    rf"(?:\"[^\"\s]{{1,64}}\"|[^{_STOPS}][^{_STOPS}]{{0,63}})"
    rf"@(?:\[[0-9A-Fa-f.:IPv]{{3,45}}\]|[^{_STOPS}/*!?]{{1,253}})"
)
"""One address; what follows it may still have to be trimmed."""

_TAG = re.compile(r"<(?!/?[^\s<>@]{1,100}@)(?:[A-Za-z!/?][^<>]{0,2000})>")
_BREAK = re.compile(
    r"<\s{0,5}(?:br|/?p|/?div|/?tr|/?table|/?li|/?h[1-6]|/?blockquote|hr|/?ul|/?pre)\b[^<>]{0,500}>",
    re.IGNORECASE,
)
_SCRIPT = re.compile(r"<(style|script|head)\b[^>]{0,500}>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)

REPLY: Final = re.compile(
    r"(?<![\d.,:/#@-])([245][0-7]\d)(?:[ \t]*[-:,]|[ \t]+|(?=[<\"'(]))[ \t]*\(?#?"
    r"(?:([245]\.\d{1,3}\.\d{1,3}))?"
)
"""A basic code and perhaps an enhanced status after it."""

STATUS: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,2})\.(\d{1,3})(?![\d.]\d|\d)")

_PHASES: Final = (
    (
        Phase.DOT,
        re2.compile(
            r"(?i)in reply to end of data|after (?:end of|sending) data|\(state 1[78]\)|\[BODY\]|after data command|end of message|failed after i sent the message"
        ),
    ),
    (Phase.DATA, re2.compile(r"(?i)in reply to data|after data\b|>>> data")),
    (
        Phase.RCPT,
        re2.compile(
            r"(?i)in reply to rcpt|after rcpt|>>> rcpt|\[RCPT_TO\]|\(state 1[34]\)|does not like recipient|rcpt to command"
        ),
    ),
    (
        Phase.MAIL,
        re2.compile(
            r"(?i)in reply to mail from|after mail from|>>> mail|\[MAIL_FROM\]|but sender was rejected|\(state 1[0-2]\)"
        ),
    ),
    (
        Phase.HELO,
        re2.compile(
            r"(?i)in reply to (?:helo|ehlo)|after (?:helo|ehlo)|>>> (?:helo|ehlo)|but my name was rejected"
        ),
    ),
    (
        Phase.CONNECT,
        re2.compile(
            r"(?i)after initial connection|but greeting failed|refused to talk to me|>>> connect"
        ),
    ),
)


def trimmed(address: str) -> str:
    """An address without the punctuation that text puts behind it."""
    return address.strip().strip(".'`*|&!?=…").rstrip("-_")


def addresses(text: str) -> list[str]:
    """Every address of a text, each once, in order, in its own spelling."""
    found: dict[str, str] = {}
    for match in ADDRESS.finditer(text):
        one = trimmed(match[0].removeprefix("mailto:"))
        if is_address(one):
            found.setdefault(one.lower(), one)
    return list(found.values())


def is_address(text: str) -> bool:
    """Whether a trimmed text is an address as far as a report is concerned."""
    local, at, host = text.rpartition("@")
    if not at or not local or not host or len(text) > 320 or "@" in local.strip('"'):
        return False
    return host.startswith("[") or (".." not in host and not host.startswith((".", "-")))


def first_address(text: str) -> str:
    """The first address of a text, or empty."""
    found = addresses(text[:2_000])
    return found[0] if found else ""


def without_tags(html: str) -> str:
    """The text of an HTML part: line breaks where blocks end, references decoded."""
    text = (
        _SCRIPT.sub(" ", html)
        if html.lower().count("<s") + html.lower().count("<head") < 200
        else html
    )
    text = _BREAK.sub("\n", text.replace("\n", " "))
    return unescape(_TAG.sub("", text)).replace("\u00a0", " ")


def reply_in(text: str) -> tuple[int, str, int]:
    """Basic code, enhanced status and place of the first refusal in a text; (0, "", -1) for none."""
    for match in REPLY.finditer(text):
        if match[1][0] in "45":
            status = match[2] or ""
            if not status or status[0] != match[1][0]:
                status = status_in(text[match.start() : match.start() + 600], match[1][0])
            return int(match[1]), normal(status), match.start()
    return 0, "", -1


def status_in(text: str, kind: str = "") -> str:
    """The first enhanced status of class 4 or 5 (or of ``kind``) in a text, or empty."""
    for match in STATUS.finditer(text):
        if match[1] == kind or (not kind and match[1] in "45"):
            return normal(match[0])
    return ""


def normal(status: str) -> str:
    """An enhanced status without leading zeros."""
    parts = status.split(".")
    return ".".join(str(int(part)) for part in parts) if len(parts) == 3 else ""


def phase_in(text: str) -> Phase | None:
    """What had been sent when the server refused, where the text says so."""
    for phase, pattern in _PHASES:
        if pattern.search(text):
            return phase
    return None
