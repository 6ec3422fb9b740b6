"""Reading a message that was handed in: what it says of itself, and what its sender wants of it.

Pure but for the identity that a message without one gets. Only the header of a message is changed:
a Date or Message-Id that is missing is put before it (RFC 6409 section 8 lets a submission server
do so); what no recipient may see is taken out: Bcc, and with it the other fields that Postfix
drops from submitted mail (``message_drop_headers``); a header that does not end in an empty line
gets one; and a bare CR in it becomes a space, since sending would make a line end of it.
"""

import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Final

import msgspec

from edge.model.addresses import bare_address
from edge.model.errors import CallerError
from edge.model.tokens import make_message_id, pack_message_id
from edge.rewriting import controls, mime
from edge.rewriting.controls import Controls
from edge.rewriting.headers import decoded_text
from edge.rewriting.variables import Recipient, parse, pattern, recipient_variable
from edge.sending import hops, retry
from edge.sending.message import MAX_MESSAGE, MAX_RECIPIENTS, Addressee, Message, Options
from edge.store.facts import clean_tags

SECOND_US: Final = 1_000_000
MAX_AHEAD_US: Final = 7 * 86_400 * SECOND_US
"""How far ahead a message may be scheduled: Mailgun's longest, 7 days."""

MAX_WITHIN: Final = 24 * 3600
MIN_WITHIN: Final = 300
"""Seconds of ``o:deliver-within``: Mailgun's 5 minutes to 24 hours."""

LONGEST_HEADER: Final = 1_000
LONGEST_VARIABLE: Final = 4_096
"""Characters of a header, and of a user variable, that events show (Mailgun: 4 KB)."""

_PERSONAL: Final = pattern(personal=True, unsubscribe=False)


class Rejected(CallerError):
    """A message of an authorised sender that cannot be sent; told by a ``rejected`` event."""


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A message that can be accepted.

    ``options`` are the caller's over what the message's own ``X-Mailgun-*`` headers say.
    ``headers`` and ``about`` are for the message facts; times in µs.
    """

    message: Message
    source: bytes
    message_id: str
    recipients: tuple[Addressee, ...]
    options: Options
    headers: dict[str, str]
    about: dict[str, Any]
    tags_dropped: int
    at: int
    due: int
    expires_at: int


def read(message: Message, now_us: int) -> Read:
    """Check a message and read it.

    Raises CallerError for what the caller can mend in the call, Rejected for a message that is
    none: without a header, without From, or over the limit.
    """
    if len(message.source) > MAX_MESSAGE:
        raise Rejected(f"The message is larger than {MAX_MESSAGE // 2**20} MB")
    root = mime.split(message.source)
    message = _without_bare_returns(message, root)
    if not root.headers:
        raise Rejected("This is not a message: it does not begin with header fields")
    fields = _Fields(message.source, root)
    if not fields.first("from"):
        raise Rejected("The message has no From header")
    said = controls.read(message.source, root)
    recipients = _recipients(message.recipients, said)
    options, dropped = _options(message.options, said)
    due, expires_at = _times(options, now_us)
    message_id, source = _identified(message, root, fields, now_us)
    to = fields.first("to")
    headers = {
        "from": fields.shown("from"),
        "to": "%recipient%" if options.personal and "%recipient%" in to else fields.shown("to"),
        "subject": fields.shown("subject"),
    }
    about = {"attachments": _attachments(message.source, root), "size": len(source)}
    return Read(
        message=message,
        source=source,
        message_id=message_id,
        recipients=recipients,
        options=options,
        headers=headers,
        about=about,
        tags_dropped=dropped,
        at=now_us,
        due=due,
        expires_at=expires_at,
    )


class _Fields:
    """The header fields of a message by name."""

    def __init__(self, source: bytes, root: mime.Part) -> None:
        self._values: dict[str, str] = {}
        for header in root.headers:
            if header.name in _READ and header.name not in self._values:
                self._values[header.name] = mime.value_of(source, header)

    def first(self, name: str) -> str:
        """The raw value of the first field of that name, or nothing."""
        return self._values.get(name, "")

    def shown(self, name: str) -> str:
        """The value as people read it, cut where it is absurdly long."""
        return decoded_text(self.first(name)).replace("\0", "")[:LONGEST_HEADER]


_BARE_CR: Final = re.compile(rb"\r(?!\n)")
_READ: Final = frozenset({"from", "to", "subject", "date", "message-id"})


def _identified(
    message: Message, root: mime.Part, fields: _Fields, now_us: int
) -> tuple[str, bytes]:
    """The message's id, and the message as it is stored.

    An id that no token can hold (over-long, with spaces) stays in the message; the events then
    know it by one of ours, and the instrumenter leaves it alone.
    """
    domain = message.domain.name
    own = make_message_id(domain, now_us, secrets.token_bytes(8))
    given = fields.first("message-id").strip()
    added = b""
    line_end = mime.line_end(message.source)
    if not given:
        given = own
        added += b"Message-Id: <" + own.encode() + b">" + line_end
    if not fields.first("date"):
        date = format_datetime(datetime.fromtimestamp(now_us // SECOND_US, UTC))
        added += b"Date: " + date.encode() + line_end
    bare = given[given.find("<") + 1 : given.rfind(">")] if "<" in given else given
    try:
        pack_message_id(bare, domain)
        bare.encode("ascii")
    except (CallerError, UnicodeEncodeError):
        bare = own
    return bare, added + _sound(message.source, root)


def _without_bare_returns(message: Message, root: mime.Part) -> Message:
    """The message without a CR in a header's value; every offset stays."""
    head = message.source[: root.body]
    if head.count(b"\r") == head.count(b"\r\n"):
        return message
    clean = _BARE_CR.sub(b" ", head) + message.source[root.body :]
    return msgspec.structs.replace(message, source=clean)


def _sound(source: bytes, root: mime.Part) -> bytes:
    """The message as it may be handed on: its header ends in an empty line, and it is without
    fields for the submission server only and without the line that mailbox files put before a
    message (``From x Mon Jan 1``), which behind fields of ours would end the header.
    """
    kept, here = [], root.headers[0].start
    for header in root.headers:
        if header.name in hops.HIDDEN:
            kept.append(source[here : header.start])
            here = header.end
    head = b"".join((*kept, source[here : root.blank]))
    if root.blank < root.body:
        return head + source[root.blank :]
    # It has no body, or a line that is no header field: what follows is the body, as for Postfix.
    end = mime.line_end(source)
    return head + (b"" if head.endswith(b"\n") else end) + end + source[root.body :]


def _recipients(given: tuple[Addressee, ...], said: Controls) -> tuple[Addressee, ...]:
    """Each recipient once, in order, with its variables; raises CallerError for a bad one."""
    variables = {address.lower(): found for address, found in said.recipient_variables.items()}
    found: dict[str, Addressee] = {}
    for one in given:
        address = bare_address(one.address)
        key = address.lower()
        if key not in found:
            own = one.variables or variables.get(key, {})
            found[key] = Addressee(address, one.name, own)
    if not found:
        raise CallerError("to parameter is missing")
    if len(found) > MAX_RECIPIENTS:
        raise CallerError(f"A message may have at most {MAX_RECIPIENTS} recipients")
    return tuple(found.values())


def _options(given: Options, said: Controls) -> tuple[Options, int]:
    """What the caller wants, and where it says nothing what the message says; dropped tags."""
    wanted = (*given.tags, *said.tags)
    tags = tuple(clean_tags(wanted))
    dropped = len({tag.strip().lower() for tag in wanted}) - len(tags)
    variables = said.variables | given.variables
    options = msgspec.structs.replace(
        given,
        tags=tags,
        given=given.given.over(said.given),
        variables={
            name: value.replace("\0", "")[:LONGEST_VARIABLE] for name, value in variables.items()
        },
        personal=given.personal or bool(said.recipient_variables),
        test_mode=given.test_mode or said.test_mode,
        deliver_at=given.deliver_at or _header(said, "deliver-by", delivery_time),
        deliver_within=given.deliver_within or _header(said, "deliver-within", delivery_window),
        dkim=_switch(given.dkim, said, "dkim"),
        require_tls=_switch(given.require_tls, said, "require-tls"),
        skip_verification=_switch(given.skip_verification, said, "skip-verification"),
    )
    return options, dropped


def _switch(given: bool | None, said: Controls, name: str) -> bool | None:
    if given is not None or name not in said.others:
        return given
    return said.others[name] == "yes"


def _header(said: Controls, name: str, parse_value: Callable[[str], int]) -> int:
    value = said.others.get(name, "")
    if not value:
        return 0
    try:
        return parse_value(value)
    except CallerError as error:
        raise CallerError(f"x-mailgun-{name}: {error}") from None


def delivery_time(text: str) -> int:
    """``o:deliverytime`` in µs since the epoch; raises CallerError."""
    try:
        moment = parsedate_to_datetime(text.strip())
    except (ValueError, OverflowError):  # the year 99999999999 overflows
        raise CallerError(
            f"{text[:60]!r} is not an RFC 2822 date like Fri, 25 Oct 2030 23:10:10 -0000"
        ) from None
    return round(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * SECOND_US


def delivery_window(text: str) -> int:
    """``o:deliver-within`` in seconds, from ``1h30m``; raises CallerError."""
    hours, _, minutes = text.strip().lower().replace(" ", "").rpartition("h")
    minutes = minutes.removesuffix("m") or "0"
    number = f"{hours or '0'}{minutes}"
    if not (text.strip() and number.isascii() and number.isdigit() and len(number) < 8):
        raise CallerError(f"{text[:60]!r} is not a time like 1h30m")
    seconds = int(hours or 0) * 3600 + int(minutes) * 60
    if not MIN_WITHIN <= seconds <= MAX_WITHIN:
        raise CallerError(f"{text[:60]!r} is not between 5m and 24h")
    return seconds


def _times(options: Options, now_us: int) -> tuple[int, int]:
    """When to send first, and until when to try."""
    due = max(options.deliver_at, now_us)
    if due - now_us > MAX_AHEAD_US:
        raise CallerError("A message can be scheduled at most 7 days ahead")
    life = options.deliver_within or round(retry.LIFE)
    return due, due + life * SECOND_US


def by_recipient(options: Options, recipients: tuple[Addressee, ...]) -> dict[str, dict[str, str]]:
    """User variables with ``%recipient.x%`` in them, for each recipient where they can differ."""
    if not options.personal:
        return {}
    templates = {
        name: parse(value, _PERSONAL)
        for name, value in options.variables.items()
        if _PERSONAL.search(value)
    }
    if not templates:
        return {}
    found = {}
    for one in recipients:
        own = {}
        for name, template in templates.items():
            value = template.fill(_Values(one))
            own[name] = (options.variables[name] if value is None else value)[:LONGEST_VARIABLE]
        found[one.address] = own
    return found


class _Values:
    """What ``%recipient…%`` stands for, for one recipient."""

    def __init__(self, one: Addressee) -> None:
        self._one = one

    def value(self, name: str) -> str | None:
        """The value of a variable, None where there is none."""
        if name.startswith("recipient."):
            return recipient_variable(self._one.variables, name.removeprefix("recipient."))
        return Recipient(self._one.address, self._one.name).builtin(name)


def _attachments(source: bytes, root: mime.Part) -> list[dict[str, Any]]:
    """Name, type and size of every attached file, as events tell them."""
    found = []
    for part in root.leaves():
        if not part.attached:
            continue
        name = part.parameters.get("name", "")
        for header in part.headers:
            if header.name == "content-disposition":
                _, parameters = mime.parse_parameters(mime.value_of(source, header))
                name = parameters.get("filename", name)
        size = part.end - part.body
        if part.encoding == "base64":
            size = size * 3 // 4
        shown = decoded_text(name).replace("\0", "")[:LONGEST_HEADER]
        found.append({"filename": shown, "content-type": part.content_type, "size": size})
    return found
