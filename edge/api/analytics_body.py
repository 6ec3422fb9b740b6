"""Reading what is posted to ``/v1/analytics/…``: JSON, whatever its content type says.

mailgun.js calls its JSON urlencoded; mailgun-ruby posts a form in which nested values are Ruby's
own notation, and the real service answers with its defaults. So what is no JSON object is read as
a form, and a nested value in it that is no JSON counts as absent.
"""

from typing import Any, Final

import msgspec
from aiohttp import web

from edge.api.body import Fields, read_body
from edge.api.params import Params
from edge.model.conditions import CONTAINS, EQUAL, LACKS, LESS, MORE, UNEQUAL, Condition
from edge.model.errors import CallerError

MAX_BODY: Final = 256 * 1024
MOST_CONDITIONS: Final = 20
MOST_VALUES: Final = 100
LONGEST_VALUE: Final = 1_000
COMPARATORS: Final = (EQUAL, UNEQUAL, CONTAINS, LACKS, MORE, LESS)

_NESTED: Final[dict[str, type]] = {
    **dict.fromkeys(("pagination", "filter"), dict),
    **dict.fromkeys(("dimensions", "metrics", "events", "metric_events"), list),
}


class Body(Params):
    """The fields of an analytics request, and its nested values."""

    def __init__(self, fields: Fields, document: dict[str, Any]) -> None:
        super().__init__(fields)
        self.document = document

    def names(self, name: str, most: int) -> list[str]:
        """A list of words; each once."""
        given = self.document.get(name)
        if given is None:
            return []
        if isinstance(given, str):
            given = [given]
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            self.mistake(f"'{name}' attribute is invalid: it has to be a list of names")
            return []
        found = list(dict.fromkeys(given))
        if len(found) > most:
            self.mistake(f"'{name}' attribute is invalid: at most {most} are allowed")
            return []
        return found

    def paging(self) -> Params:
        """What ``pagination`` says; its mistakes are its own."""
        given = self.document.get("pagination")
        fields = Fields()
        if isinstance(given, dict):
            for name, value in given.items():
                if value is not None and not isinstance(value, dict | list):
                    fields.add(name, value if isinstance(value, str) else _text(value))
        elif given is not None:
            self.mistake("'pagination' attribute is invalid: it has to be an object")
        return Params(fields)

    def conditions(self) -> list[Condition]:
        """What ``filter`` says: ``{"AND": [{attribute, comparator, values}]}``."""
        given = self.document.get("filter")
        if not given:
            return []
        every = given.get("AND", []) if isinstance(given, dict) and not set(given) - {"AND"} else 0
        if not isinstance(every, list):
            self.mistake("'filter' attribute is invalid: write {\"AND\": [{…}, …]}")
            return []
        if len(every) > MOST_CONDITIONS:
            self.mistake(f"'filter' attribute is invalid: at most {MOST_CONDITIONS} conditions")
            return []
        found = [self._condition(one) for one in every]
        return [one for one in found if one is not None]

    def _condition(self, given: Any) -> Condition | None:
        if not isinstance(given, dict):
            self.mistake("'filter' attribute is invalid: a condition has to be an object")
            return None
        attribute, comparator = given.get("attribute"), given.get("comparator", EQUAL)
        if not isinstance(attribute, str) or not _plain(attribute):
            self.mistake("'filter' attribute is invalid: a condition needs an attribute")
            return None
        if comparator not in COMPARATORS:
            words = ", ".join(COMPARATORS)
            self.mistake(f"the comparator of '{attribute}' has to be one of {words}")
            return None
        values = given.get("values")
        texts = _values(values if isinstance(values, list) else [values])
        if texts is None:
            self.mistake(
                f"the values of '{attribute}' have to be a list of 1 to {MOST_VALUES} texts of at "
                f"most {LONGEST_VALUE} plain characters"
            )
            return None
        return Condition(attribute, comparator, texts)


def _plain(text: str) -> bool:
    return len(text) <= LONGEST_VALUE and text.isprintable()


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _values(given: list[Any]) -> tuple[str, ...] | None:
    """The values of a condition: texts, or objects with a ``value``."""
    found = []
    for one in given:
        value = one.get("value", one.get("label")) if isinstance(one, dict) else one
        if isinstance(value, int | float):
            value = _text(value)
        if not isinstance(value, str) or not _plain(value):
            return None
        found.append(value)
    return tuple(found) if 0 < len(found) <= MOST_VALUES else None


async def read(request: web.Request) -> Body:
    """The body of an analytics request; raises CallerError for JSON that is no object."""
    fields = await read_body(request, MAX_BODY)
    if isinstance(fields.document, dict):
        return Body(fields, fields.document)
    if fields.document is not None:
        raise CallerError("The body has to be a JSON object")
    return Body(fields, {name: _lenient(name, texts) for name, texts in fields.texts.items()})


def _lenient(name: str, texts: list[str]) -> Any:
    """A form's value where JSON has an object or a list; None where it is neither."""
    wanted = _NESTED.get(name)
    if wanted is None:
        return texts[0]
    try:
        value = msgspec.json.decode(texts[0])
    except (msgspec.DecodeError, RecursionError):
        return texts if wanted is list else None
    return value if isinstance(value, wanted) else None
