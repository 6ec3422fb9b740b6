"""Expressions over events as conditions of SQL: which column each field is, what a word matches.

Words are found as regular expressions that hold the cases of each letter and their own idea of what
a word is, because those of the database depend on its locale, which is often C.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from edge.model.expression import All, Either, Node, Not, Range, Term
from edge.store.sql import queries

FIELDS: Final = (
    "event",
    "list",
    "attachment",
    "from",
    "message-id",
    "subject",
    "to",
    "size",
    "recipient",
    "recipients",
    "tags",
    "severity",
)
"""Mailgun's fields that events can be filtered by."""

NUMERIC: Final = frozenset({"size"})
_OF_FACTS: Final = frozenset({"list", "attachment", "from", "subject", "to", "size", "recipients"})

_looked_at = queries("expressions")
_ADDRESSES: Final = frozenset({"from", "to", "recipient", "recipients", "list"})

_WORD: Final = "0-9A-Za-z_\u00c0-\u1fff"
"""Letters and digits of scripts that put spaces between words; the others match anywhere."""

_SPECIAL: Final = frozenset(".^$*+?()[]{}|\\")

Bind = Callable[[Any], str]
"""Takes a parameter's value, gives its place in the statement."""


def needs_facts(fields: Iterable[tuple[str, Node]]) -> bool:
    """Whether a condition looks at the message facts."""
    return any(name in _OF_FACTS for name, _ in fields)


def needed_tags(fields: Iterable[tuple[str, Node]]) -> list[frozenset[str]]:
    """Sets of tags: what matches has at least one of each set."""
    found = (_needed(tree) for name, tree in fields if name == "tags")
    return [words for words in found if words is not None]


def _needed(node: Node) -> frozenset[str] | None:
    match node:
        case Term(text):
            return frozenset({_tag(text)})
        case Either(parts):
            sets = [_needed(part) for part in parts]
            known = [words for words in sets if words is not None]
            return frozenset().union(*known) if len(known) == len(sets) else None
        case All(parts):
            known = [words for part in parts if (words := _needed(part)) is not None]
            return min(known, key=len, default=None)
    return None


def _tag(text: str) -> str:
    """As tags are stored."""
    return text.strip().lower()


def condition(field: str, node: Node, bind: Bind) -> str:
    """One field's expression as a condition; what is unknown (NULL) matches nothing."""
    match node:
        case Not(inner):
            return f"({condition(field, inner, bind)}) IS NOT TRUE"
        case All(parts):
            return "(" + " AND ".join(condition(field, part, bind) for part in parts) + ")"
        case Either(parts):
            words = [part.text for part in parts if isinstance(part, Term)]
            if field in _EQUAL and len(words) == len(parts):
                return _among(field, words, bind)
            return "(" + " OR ".join(condition(field, part, bind) for part in parts) + ")"
        case Range(operator, number):
            return f"{_looked_at['size']} {operator} {bind(number)}::bigint"
        case Term(text):
            return _term(field, text, bind)


def _term(field: str, text: str, bind: Bind) -> str:
    if field in _EQUAL:
        return _among(field, [text], bind)
    if field == "tags":
        return f"{bind(_tag(text))}::text = ANY (e.tags)"
    if "@" in text and field == "recipient":
        return _one_of("e.recipient", (text, text.lower()), bind)
    if "@" in text and field == "list":
        return _one_of("f.mailing_list", (_bare(text).lower(),), bind)
    return f"{_looked_at[field]} ~ {bind(pattern(text, address=field in _ADDRESSES))}::text"


def _bare(text: str) -> str:
    """Without angle brackets."""
    return text.strip().removeprefix("<").removesuffix(">")


_EQUAL: Final[dict[str, tuple[str, Callable[[str], str]]]] = {
    "event": ("e.event", str.lower),
    "severity": ("e.severity", str.lower),
    "message-id": ("e.message_id", _bare),
}
"""Fields whose whole value has to be the word: their column, and how it spells its values."""


def _among(field: str, words: Iterable[str], bind: Bind) -> str:
    column, spell = _EQUAL[field]
    return _one_of(column, (spell(word) for word in words), bind)


def _one_of(column: str, values: Iterable[str], bind: Bind) -> str:
    """Equality where there is one value: only that reads an index in order."""
    distinct = sorted(set(values))
    if len(distinct) == 1:
        return f"{column} = {bind(distinct[0])}"
    return f"{column} = ANY ({bind(distinct)})"


def pattern(text: str, *, address: bool = False) -> str:
    """A regular expression that finds a text as whole words, in any case of its letters.

    An ``address`` with its ``@`` is not found as part of a longer one.
    """
    words = text.split()
    inside = _WORD + (".@+-" if address and "@" in text else "")
    body = "[ \t\r\n]+".join("".join(map(_character, word)) for word in words)
    before = f"(?:^|[^{inside}])" if _in_word(words[0][0]) else ""
    after = f"(?:$|[^{inside}])" if _in_word(words[-1][-1]) else ""
    return before + body + after


def _in_word(character: str) -> bool:
    return (
        character == "_"
        or (character.isascii() and character.isalnum())
        or "\u00c0" <= character <= "\u1fff"
    )


def _character(character: str) -> str:
    cases = {character, character.lower(), character.upper()}
    single = sorted(case for case in cases if len(case) == 1)
    if len(single) > 1:
        return f"[{''.join(single)}]"
    return "\\" + character if character in _SPECIAL else character
