"""What is said of suppressions and the allowlist: in a form, in a JSON list, in a CSV file.

Every mistake of a batch or a file is told at once, by its place: ``items[3]`` counts from 0,
``line 5`` is the file's. Nothing is stored of one that has a mistake. What a list does not know of
is passed over: Mailgun's own clients send some.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from edge.model import csv_rows
from edge.model.addresses import bare_address
from edge.model.domain import host_name
from edge.model.errors import CallerError
from edge.model.params import Fields, Params, fields_of
from edge.store.facts import MAX_TAG, clean_tags
from edge.store.suppressed import Entry, Kind

MOST_ITEMS: Final = 1_000
"""Of one JSON list."""

MOST_ROWS: Final = 1_000_000
"""Of one CSV file: what may be held in memory at once."""

MOST_MISTAKES: Final = 1_000
"""After which nobody reads on."""

LONGEST_VALUE: Final = 1_000
LONGEST_CODE: Final = 100
LONGEST_TEXT: Final = 4_000

COLUMNS: Final[Mapping[Kind, tuple[str, ...]]] = MappingProxyType(
    {
        Kind.BOUNCES: ("address", "code", "error", "created_at"),
        Kind.UNSUBSCRIBES: ("address", "tags", "created_at"),
        Kind.COMPLAINTS: ("address", "created_at"),
        Kind.WHITELISTS: ("address", "domain", "reason"),
    }
)
"""Of the CSV files that are taken in and given out."""


def value_of(kind: Kind, text: str) -> str:
    """An address, or a domain on the allowlist, as it is kept; raises CallerError."""
    if kind is Kind.WHITELISTS and "@" not in text:
        return host_name(text)
    return bare_address(text).lower()


def needed(kind: Kind) -> tuple[str, ...]:
    """The parameters of which one has to be there; the first that is not empty counts."""
    return ("address", "domain") if kind is Kind.WHITELISTS else ("address",)


def tag_of(text: str) -> str:
    """A tag as it is kept, or ``*``; raises CallerError."""
    found = clean_tags([text])
    if not found:
        raise CallerError(
            f"tags: {text[:60]!r} is no tag: 1 to {MAX_TAG} printable ASCII characters"
        )
    return found[0]


def from_form(kind: Kind, given: Params) -> Entry:
    """The entry of one form, JSON object or row; raises CallerError."""
    name = _named(kind, given)
    text = given.text(name, "", longest=LONGEST_VALUE).strip()
    value = ""
    if text:
        try:
            value = host_name(text) if name == "domain" else bare_address(text).lower()
        except CallerError as error:
            given.mistake(f"{name}: {error}")
    more = _READERS[kind](given)
    given.check()
    return Entry(value, type=name, **more)


def _named(kind: Kind, given: Params) -> str:
    """Which parameter holds the address or domain; one that is missing is a mistake."""
    names = needed(kind)
    for name in names:
        if any(text.strip() for text in given.fields.texts.get(name, [])):
            return name
    given.mistake(f"Missing mandatory parameter: {'/'.join(names)}")
    return names[0]


def _bounce(given: Params) -> dict[str, Any]:
    return {
        "created_at": _created_at(given),
        "code": given.text("code", "", longest=LONGEST_CODE).strip() or "550",
        "error": given.text("error", "", longest=LONGEST_TEXT, lines=True),
    }


def _unsubscribe(given: Params) -> dict[str, Any]:
    tags: dict[str, None] = {}
    for text in [*given.texts("tag"), *given.texts("tags")]:
        for tag in _listed(text):
            try:
                tags[tag_of(tag)] = None
            except CallerError as error:
                given.mistake(str(error))
    return {"created_at": _created_at(given), "tags": tuple(tags) or ("*",)}


def _listed(text: str) -> list[str]:
    """A tag, or the tags of a JSON list in text; without the empty ones."""
    found: Any = [text]
    if text.startswith("["):
        try:
            found = msgspec.json.decode(text, type=list[str])
        except (msgspec.MsgspecError, UnicodeEncodeError):
            found = [text]
    return [tag for tag in found if tag.strip()]


def _complaint(given: Params) -> dict[str, Any]:
    return {"created_at": _created_at(given)}


def _allowed(given: Params) -> dict[str, Any]:
    return {"reason": given.text("reason", "")}


def _created_at(given: Params) -> int | None:
    at = given.time("created_at")
    return given.time("createdat") if at is None else at


_READERS: Final[Mapping[Kind, Callable[[Params], dict[str, Any]]]] = MappingProxyType(
    {
        Kind.BOUNCES: _bounce,
        Kind.UNSUBSCRIBES: _unsubscribe,
        Kind.COMPLAINTS: _complaint,
        Kind.WHITELISTS: _allowed,
    }
)


def from_json(kind: Kind, document: list[Any]) -> list[Entry]:
    """The entries of a JSON list of objects; raises CallerError."""
    if len(document) > MOST_ITEMS:
        raise CallerError("Batch size should be less than 1000")
    if not document:
        raise CallerError(f"Missing mandatory parameter: {'/'.join(needed(kind))}")
    entries: list[Entry] = []
    mistakes: list[str] = []
    for number, said in enumerate(document):
        place = f"items[{number}]"
        if not isinstance(said, dict):
            mistakes.append(f"{place}: has to be an object")
            continue
        try:
            entries.append(from_form(kind, Params(fields_of(said))))
        except CallerError as error:
            mistakes.append(f"{place}: {error}")
    csv_rows.check(mistakes)
    return entries


def from_csv(kind: Kind, data: bytes) -> list[Entry]:
    """The entries of a CSV file whose first line names its columns; raises CallerError."""
    entries, mistakes = read_csv(kind, data)
    csv_rows.check(mistakes)
    return entries


def read_csv(kind: Kind, data: bytes) -> tuple[list[Entry], list[str]]:
    """The same, and every mistake with its line; raises CallerError for what is no such file."""
    entries: list[Entry] = []
    mistakes: list[str] = []
    for place, said in csv_rows.rows(data, COLUMNS[kind], needed(kind), mistakes):
        texts = {name: [text] for name, text in said.items()}
        if "tags" in texts:
            texts["tags"] = _cell_of_tags(said["tags"])
        try:
            entries.append(from_form(kind, Params(Fields(texts))))
        except CallerError as error:
            mistakes.append(f"{place}: {error}")
        if len(mistakes) >= MOST_MISTAKES:
            break
        if len(entries) > MOST_ROWS:
            raise CallerError(f"The file has more than {MOST_ROWS} rows; divide it")
    return entries, mistakes


def _cell_of_tags(cell: str) -> list[str]:
    """The tags of one cell: a JSON list (``["a","b"]``), or divided by commas, ``[a, b]`` too."""
    found = _listed(cell.strip())
    if found != [cell.strip()]:
        return found
    return cell.strip().removeprefix("[").removesuffix("]").split(",")
