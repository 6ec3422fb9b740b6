"""Which events are asked for, as conditions of SQL with numbered parameters."""

from typing import Any

import msgspec

from edge.model.conditions import Condition
from edge.model.expression import Node
from edge.model.metrics import sums_of
from edge.store import log_conditions
from edge.store.expressions import condition, needs_facts
from edge.store.metric_sources import key_condition


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Events that meet all conditions; None leaves a condition out.

    ``begin`` <= time < ``end``, in µs since the epoch. ``events`` are kinds, any of which matches.
    ``bot`` is a label, or ``""`` for people. A recipient matches as
    given and in lower case. ``fields`` are expressions by field
    (:data:`edge.store.expressions.FIELDS`), all of which have to match, and so do ``conditions``
    (of the logs API). ``domains`` are several, each read by itself; ``metrics`` are names of
    counts, and what any of them counts matches.
    """

    domain: int | None = None
    events: tuple[str, ...] = ()
    recipient: str | None = None
    message_id: str | None = None
    tag: str | None = None
    bot: str | None = None
    begin: int | None = None
    end: int | None = None
    fields: tuple[tuple[str, Node], ...] = ()
    domains: tuple[int, ...] | None = None
    conditions: tuple[Condition, ...] = ()
    metrics: tuple[str, ...] = ()


class Conditions:
    """Conditions joined by AND, and the values of their parameters."""

    def __init__(self, wanted: Filter) -> None:
        self.values: list[Any] = []
        self._parts: list[str] = []
        self.needs_facts = needs_facts(wanted.fields) or log_conditions.needs_facts(
            wanted.conditions
        )
        """Whether the statement has to join the message facts."""
        plain = (
            ("e.domain = {}", wanted.domain),
            ("e.event = ANY ({})", list(wanted.events) or None),
            ("e.message_id = {}", wanted.message_id and bare_message_id(wanted.message_id)),
            ("{} = ANY (e.tags)", wanted.tag and wanted.tag.lower()),
            ("e.bot = {}", wanted.bot),
            ("e.at >= {}", wanted.begin),
            ("e.at < {}", wanted.end),
        )
        if wanted.recipient is not None:
            # The spelling as given and its lower case use the index; others are as rare as wrong.
            spellings = sorted({wanted.recipient, wanted.recipient.lower()})
            self.add("e.recipient = ANY ({})", spellings)
        for text, value in plain:
            if value is not None:
                self.add(text, value)
        self._parts += [condition(name, tree, self._bind) for name, tree in wanted.fields]
        self._parts += [log_conditions.condition(one, self._bind) for one in wanted.conditions]
        if wanted.metrics:
            key = "counted_as(e.event, e.severity, e.reason)"
            sums = sums_of(wanted.metrics)
            text = " OR ".join(f"({key_condition(one)})" for one in sums)
            self._parts.append(f"({text.replace('{key}', key)})")

    def _bind(self, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}"

    def bind(self, value: Any) -> str:
        """Take a parameter's value that is no condition, give its place in the statement."""
        return self._bind(value)

    def add(self, text: str, *values: Any) -> None:
        """One more condition; each ``{}`` in it is a parameter."""
        self._parts.append(text.format(*map(self._bind, values)))

    def __str__(self) -> str:
        return " AND ".join(self._parts) or "true"


def bare_message_id(message_id: str) -> str:
    """A message id without its angle brackets."""
    return message_id.strip().removeprefix("<").removesuffix(">")
