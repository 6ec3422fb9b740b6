"""What is said of list members: in a form, in a JSON list, in a CSV file.

Every mistake of an upload is told at once, by its place: ``members[3]`` counts from 0, ``line 5``
is the file's. Nothing is stored of an upload that has one.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from edge.api.params import FALSE, TRUE
from edge.model import csv_rows
from edge.model.addresses import Mailbox, display_name, mailbox
from edge.model.errors import CallerError
from edge.store.list_members import Entry

MOST_MEMBERS: Final = 1_000
"""Of one JSON list."""

LONGEST_VARS: Final = 65_536
"""Octets of one member's variables as JSON."""

MAX_DEPTH: Final = 32
COLUMNS: Final = ("address", "name", "subscribed", "vars")


def variables_of(value: Any) -> dict[str, Any]:
    """A member's variables, as an object or as its JSON text; raises CallerError."""
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError):
            raise CallerError("vars is not valid JSON") from None
    if not isinstance(value, dict):
        raise CallerError("vars has to be a JSON object")
    _check_values(value)
    if len(msgspec.json.encode(value)) > LONGEST_VARS:
        raise CallerError(f"vars is longer than {LONGEST_VARS} octets")
    return value


def _check_values(value: dict[str, Any]) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                inner += [*one.keys(), *one.values()]
            elif isinstance(one, list):
                inner += one
            elif isinstance(one, str) and "\0" in one:
                raise CallerError("vars holds a NUL character")
        if not inner:
            return
        level = inner
    raise CallerError(f"vars is nested deeper than {MAX_DEPTH} levels")


def subscribed_of(value: Any) -> bool | None:
    """Whether somebody is subscribed; None for null and empty text. Raises CallerError."""
    if value is None or isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in TRUE or word in FALSE:
        return word in TRUE
    if word:
        raise CallerError(f"subscribed has to be yes, no, true or false, not {word[:50]!r}")
    return None


class _Reader:
    """Collects entries and mistakes; a wrong member is left out."""

    def __init__(self, subscribed: bool | None) -> None:
        self.entries: list[Entry] = []
        self.mistakes: list[str] = []
        self._subscribed = subscribed

    def add(self, place: str, said: dict[str, Any]) -> None:
        wrong: list[str] = []

        def read(reader: Callable[[Any], Any], value: Any) -> Any:
            try:
                return reader(value)
            except CallerError as error:
                wrong.append(str(error))
                return None

        box: Mailbox | None = read(_mailbox, said.get("address"))
        name = read(_name, said.get("name"))
        chosen = read(subscribed_of, said.get("subscribed"))
        told = said.get("vars")
        variables = None if told is None or told == "" else read(variables_of, told)
        if wrong or box is None:
            self.mistakes += [f"{place}: {text}" for text in wrong]
            return
        chosen = self._subscribed if chosen is None else chosen
        self.entries.append(Entry(box.address, name or box.name or None, variables, chosen))

    def done(self) -> list[Entry]:
        """What was read; CallerError when anything was wrong."""
        csv_rows.check(self.mistakes)
        return self.entries


def _mailbox(value: Any) -> Mailbox:
    if value is None or value == "":
        raise CallerError("address is missing")
    if not isinstance(value, str):
        raise CallerError("address has to be text")
    return mailbox(value)


def _name(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise CallerError("name has to be text")
    return display_name(value.strip()) if value else None


def from_json(document: Any, subscribed: bool | None) -> list[Entry]:
    """Entries of a JSON list of addresses and objects; ``subscribed`` for those that do not say.

    Raises CallerError.
    """
    if not isinstance(document, list):
        raise CallerError("members has to be a JSON list of addresses or objects")
    if len(document) > MOST_MEMBERS:
        raise CallerError(f"members has {len(document)} entries; at most {MOST_MEMBERS} fit")
    reader = _Reader(subscribed)
    for number, said in enumerate(document):
        place = f"members[{number}]"
        if isinstance(said, str):
            reader.add(place, {"address": said})
        elif isinstance(said, dict):
            reader.add(place, said)
        else:
            reader.mistakes.append(f"{place}: has to be an address or an object")
    return reader.done()


def from_csv(data: bytes, subscribed: bool | None) -> list[Entry]:
    """Entries of a CSV file whose first line names its columns; raises CallerError.

    The columns may stand in any order, and ``address`` has to be there; others are ignored.
    """
    reader = _Reader(subscribed)
    for place, said in csv_rows.rows(data, COLUMNS, ("address",), reader.mistakes):
        reader.add(place, said)
    return reader.done()
