"""Conditions on logged events (Mailgun's logs API) as conditions of SQL.

``e`` is the event, ``f`` its message's facts, which may be missing: what is unknown equals nothing
and contains nothing.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from edge.model.conditions import CONTAINS, EQUAL, LACKS, LESS, MORE, UNEQUAL, Condition
from edge.model.errors import CallerError
from edge.model.providers import OTHER, PROVIDERS
from edge.model.tokens import decode_base64url
from edge.store.expressions import Bind
from edge.store.metric_sources import like
from edge.store.sql import queries

_looked_at: Final = queries("expressions")
_is: Final = (EQUAL, UNEQUAL)
_any: Final = (EQUAL, UNEQUAL, CONTAINS, LACKS)
_HAS: Final = (CONTAINS,)

ATTRIBUTES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "event": _is,
        "mailing_list_address": (EQUAL, CONTAINS),
        "attachment_filename": (EQUAL, CONTAINS),
        "from": _any,
        "subject": _any,
        "recipient": _any,
        "domain": _any,
        "message_id": _is,
        "to": _HAS,
        "recipients": _HAS,
        "size": (MORE, LESS),
        "tag": _is,
        "severity": _is,
        "ip": _is,
        "recipient_domain": _is,
        "recipient_provider": _is,
        "country": _is,
        "subaccount": _is,
        "id": _is,
        "delivery_status_code": _is,
        "bot": _any,
        "device": _any,
        "user_variables": _HAS,
        "delivery_status_message": _HAS,
        "is_routed": _is,
    }
)
"""What logs can be filtered by, and the comparators of each."""

_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "event": "e.event",
        "mailing_list_address": _looked_at["list"],
        "attachment_filename": _looked_at["attachment"],
        "from": _looked_at["from"],
        "subject": _looked_at["subject"],
        "recipient": "e.recipient",
        "to": _looked_at["to"],
        "recipients": _looked_at["recipients"],
        "severity": "e.severity",
        "ip": "e.ip",
        "recipient_domain": "split_part(e.recipient, '@', -1)",
        "country": "e.country",
        "delivery_status_code": "(e.detail #>> '{delivery-status,code}')",
        "bot": "e.bot",
        "device": "e.device_type",
        "user_variables": "f.user_variables::text",
        "delivery_status_message": "(e.detail #>> '{delivery-status,message}')",
        "is_routed": "coalesce(e.detail #>> '{flags,is-routed}', 'false')",
    }
)
_OF_FACTS: Final = frozenset(
    {"mailing_list_address", "attachment_filename", "from", "subject", "to", "recipients", "size"}
    | {"user_variables"}
)


def needs_facts(conditions: Iterable[Condition]) -> bool:
    """Whether a condition looks at the message facts."""
    return any(one.attribute in _OF_FACTS for one in conditions)


def condition(one: Condition, bind: Bind) -> str:
    """One condition on an attribute of :data:`_COLUMNS` and those below; raises CallerError."""
    text = _positive(one, bind)
    return f"({text}) IS NOT TRUE" if one.negated else f"({text})"


def _positive(one: Condition, bind: Bind) -> str:
    values = list(one.values)
    match one.attribute:
        case "message_id":
            bare = [text.strip().removeprefix("<").removesuffix(">") for text in values]
            return f"e.message_id = ANY ({bind(bare)}::text[])"
        case "tag":
            return f"e.tags && {bind([text.strip().lower() for text in values])}::text[]"
        case "id":
            return f"e.id = ANY ({bind([_id(text) for text in values])}::bytea[])"
        case "size":
            sizes = [_size(text) for text in values]
            return f"{_looked_at['size']} {one.comparator} {bind(sizes[0])}::bigint"
        case "recipient_provider":
            return _provider(values, bind)
        case "recipient" if one.comparator in _is:
            # As given and in lower case: that is what the index has.
            spellings = sorted({*values, *(text.lower() for text in values)})
            return f"e.recipient = ANY ({bind(spellings)}::text[])"
        case name:
            column = _COLUMNS[name]
    if one.comparator in _HAS or one.comparator == LACKS:
        return f"{column} ILIKE ANY ({bind([like(text) for text in values])}::text[])"
    return f"lower({column}) = ANY ({bind([text.lower() for text in values])}::text[])"


def _id(text: str) -> bytes:
    raw = decode_base64url(text.encode("ascii", "replace"))
    if raw is None or len(raw) != 16:
        raise CallerError(f"{text[:100]!r} is not an event id: 22 characters of base64url")
    return raw


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise CallerError(f"size has to be compared with a whole number, not {text[:100]!r}")
    return int(text)


def _provider(values: list[str], bind: Bind) -> str:
    wanted = {text.lower() for text in values}
    column = f"lower({_COLUMNS['recipient_domain']})"
    domains = [domain for domain, name in PROVIDERS.items() if name.lower() in wanted]
    text = f"{column} = ANY ({bind(domains)}::text[])"
    if OTHER.lower() in wanted:
        text += f" OR {column} <> ALL ({bind(list(PROVIDERS))}::text[])"
    return text
