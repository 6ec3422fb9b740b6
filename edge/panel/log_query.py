"""The question that the page of logs asks: read from an address, written back into one.

The same fields, the same expressions and the same pages as the Events API's
(:mod:`edge.store.event_pages`, :mod:`edge.model.expression`): what is found here is found there.
"""

from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

import msgspec

from edge.model.domain import Domain
from edge.model.errors import CallerError
from edge.model.expression import LONGEST, Node, parse
from edge.model.params import Params
from edge.model.tokens import decode_base64url, encode_base64url
from edge.store.event_pages import Place
from edge.store.expressions import FIELDS, NUMERIC
from edge.store.filters import Filter
from edge.store.search import TimeCursor

EVENTS: Final = (
    "accepted",
    "rejected",
    "delivered",
    "failed",
    "opened",
    "clicked",
    "unsubscribed",
    "complained",
    "stored",
)
SEVERITIES: Final = ("temporary", "permanent")
BOTS: Final = ("people", "apple", "gmail", "generic")
OF_RECIPIENTS: Final = frozenset({"recipient", "recipients", "to"})
"""Fields by which only those may search who see recipients: each is a way to guess them."""

_DAY_US: Final = 86_400_000_000


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, as written; empty where nothing was."""

    recipient: str = ""
    subject: str = ""
    message_id: str = ""
    tags: str = ""
    event: str = ""
    severity: str = ""
    bot: str = ""
    begin: str = ""
    end: str = ""
    field: str = ""
    expression: str = ""

    def written(self) -> dict[str, str]:
        """As parameters of an address."""
        names = {"message_id": "message-id", "begin": "from", "end": "to"}
        told = {names.get(name, name): getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in told.items() if value}

    @property
    def empty(self) -> bool:
        """Whether everything is asked for."""
        return not self.written()


def read(given: Params, *, in_clear: bool) -> Asked:
    """The question of an address; mistakes are left to the parameters' own ``check``."""
    asked = Asked(
        recipient=given.text("recipient", "", longest=LONGEST).strip(),
        subject=given.text("subject", "", longest=LONGEST).strip(),
        message_id=given.text("message-id", "", longest=LONGEST).strip(),
        tags=given.text("tags", "", longest=LONGEST).strip(),
        event=given.choice("event", EVENTS, ""),
        severity=given.choice("severity", SEVERITIES, ""),
        bot=given.choice("bot", BOTS, ""),
        begin=given.text("from", "", longest=40).strip(),
        end=given.text("to", "", longest=40).strip(),
        field=given.choice("field", FIELDS, ""),
        expression=given.text("expression", "", longest=LONGEST).strip(),
    )
    if not in_clear and (asked.recipient or (asked.field in OF_RECIPIENTS and asked.expression)):
        given.mistake("your role does not search by recipient: recipients are masked for it")
    if asked.expression and not asked.field:
        given.mistake("choose the field that the expression is about")
    return asked


def wanted(asked: Asked, domain: Domain, given: Params, now_us: int) -> Filter:
    """The filter that a question means; what is wrong with it becomes mistakes."""
    texts = {
        "recipient": asked.recipient,
        "subject": asked.subject,
        "message-id": asked.message_id,
        "tags": asked.tags,
        "severity": asked.severity,
    }
    pairs = [(name, text) for name, text in texts.items() if text]
    if asked.field and asked.expression:
        pairs.append((asked.field, asked.expression))
    fields: list[tuple[str, Node]] = []
    for name, text in pairs:
        try:
            fields.append((name, parse(text, numbers=name in NUMERIC)))
        except CallerError as error:
            given.mistake(f"{name}: {error}")
    begin, end = _day(given, "from", asked.begin), _day(given, "to", asked.end)
    oldest = now_us - domain.retention_days * _DAY_US
    return Filter(
        domain=domain.number,
        events=(asked.event,) if asked.event else (),
        bot={"": None, "people": ""}.get(asked.bot, asked.bot),
        begin=max(oldest, begin or 0),
        end=None if end is None else end + _DAY_US,
        fields=tuple(fields),
    )


def _day(given: Params, name: str, text: str) -> int | None:
    """The start of a day (UTC) in µs."""
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return int((day - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))
    except ValueError:
        given.mistake(f"{name} has to be a day such as 2026-03-31")
        return None


def place(given: Params) -> Place:
    """Where a page starts: behind the event that ``after`` names, or before that of ``before``."""
    for name, back in (("after", False), ("before", True)):
        text = given.text(name, "", longest=60)
        if text:
            return Place(_cursor(given, name, text), back=back)
    return Place()


def _cursor(given: Params, name: str, text: str) -> TimeCursor | None:
    at, _, coded = text.partition(".")
    raw = decode_base64url(coded.encode("ascii", "replace"))
    if raw is None or len(raw) != 16 or not (at.isascii() and at.isdigit() and len(at) < 18):
        given.mistake(f"{name} is no place in the logs: go back to the first page")
        return None
    return TimeCursor(int(at), raw)


def link(domain: str, asked: Asked, **more: str) -> str:
    """The query of an address that asks the same."""
    return urlencode({"domain": domain, **asked.written(), **more})


def spelled(at: int, raw: bytes) -> str:
    """An event as a place of a page."""
    return f"{at}.{encode_base64url(raw)}"
