"""Recipients, for eyes that may not see them: the one place that hides them. Pure.

The domain stays, since deliverability is judged by it, and the first character, so that lines can
be told apart. Texts are searched for addresses in every spelling that mail and URLs have for them,
because servers quote recipients in their replies, and senders put them into links.
"""

import re
from typing import Any, Final
from urllib.parse import quote

DOTS: Final = "•••"
HIDDEN: Final = "(hidden)"

_ADDRESS = re.compile(
    r"""[^\s<>"'(),:;\[\]\\@=&?/|]+          # the local part, percent-encoded or not
        (@|%40)
        ((?:[\w-]+\.)*[\w-]+)                 # the domain
    """,
    re.VERBOSE | re.IGNORECASE,
)
_KEPT: Final = frozenset({"message-id", "id", "key"})
"""Members of an event whose value looks like an address and is none."""


def address(text: str) -> str:
    """``a•••@example.net`` for an address; of anything else its first character."""
    local, at, domain = text.rpartition("@")
    if not at:
        return text[:1] + DOTS
    return f"{local[:1]}{DOTS}@{domain}"


def text(value: str, recipient: str = "") -> str:
    """A text with every address in it masked, and whatever else is the recipient's."""
    for known in {recipient, quote(recipient, safe=""), quote(recipient)} - {""}:
        masked = re.escape(known)
        value = re.sub(masked, lambda _: address(recipient), value, flags=re.IGNORECASE)
    return _ADDRESS.sub(_masked, value)


def _masked(match: re.Match[str]) -> str:
    first = match[0][:1]
    if match[0].startswith(f"{first}{DOTS}"):  # masked already
        return match[0]
    return f"{first}{DOTS}{match[1]}{match[2]}"


def event(rendered: dict[str, Any], recipient: str) -> dict[str, Any]:
    """An event's JSON: addresses masked, user variables hidden (they are about people)."""
    found: dict[str, Any] = _value("", rendered, recipient)
    if found.get("user-variables"):
        found["user-variables"] = dict.fromkeys(found["user-variables"], HIDDEN)
    return found


def _value(name: str, value: Any, recipient: str) -> Any:
    if name in _KEPT:
        return value
    if isinstance(value, str):
        return text(value, recipient)
    if isinstance(value, dict):
        return {
            text(inner, recipient): _value(inner, one, recipient) for inner, one in value.items()
        }
    if isinstance(value, list):
        return [_value(name, one, recipient) for one in value]
    return value
