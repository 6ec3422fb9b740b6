"""The OpenAPI document of the routes there are, made of their descriptions.

Routes say what exists and what it needs of a key, :mod:`edge.api.described` what each takes and
answers; a route without a description, or the other way round, stops the start. Errors that any
call may answer are added here, once.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from edge.api.auth import ALLOWED, Need
from edge.api.described import (
    analytics,
    certificates,
    domains,
    events,
    lists,
    messages,
    reports,
    stats,
    suppressions,
    tags,
    webhooks,
)
from edge.api.describing import JSON, MESSAGE, TOO_MANY, Described, Field, Operation, Schema
from edge.api.routes import ROUTES, Route

RESOURCES: Final = (
    *(domains, messages, events, webhooks, suppressions, lists),
    *(stats, analytics, tags, reports, certificates),
)
"""In the order of the pages."""

ABOUT: Final = (
    "A self-hosted server that answers Mailgun's paths, parameters and texts. Every call needs an "
    "API key by HTTP Basic with the user api. Forms may be multipart or urlencoded, and JSON "
    "objects are taken in their place; unknown parameters are ignored."
)
FORMS: Final = ("multipart/form-data", "application/x-www-form-urlencoded", JSON)

PLACES: Final[Mapping[str, str]] = {
    "name": "The domain.",
    "login": "The login, with or without its domain.",
    "key": "The storage key, as events tell it.",
    "delivery": "The number under which the outbox lists it.",
    "host": "The tracking host.",
    "token": "The token of a page, as a link under paging holds it.",
    "address": "The address.",
    "member": "The member's address.",
    "tag": "The tag.",
    "type": "The type of event.",
    "id": "The webhook's id.",
}
"""What stands in a path."""

COMMON: Final[Mapping[int, tuple[str, Schema]]] = {
    400: ("A parameter is missing or wrong; the message tells every mistake.", MESSAGE),
    403: ("The key's role, or its domain, does not allow it.", MESSAGE),
    404: ("There is no such thing, or not for this key.", MESSAGE),
    413: ("The body is too large.", MESSAGE),
    429: ("Too many requests; Retry-After says when to go on.", TOO_MANY),
    503: ("Postgres is away or too much is going on; Retry-After says when to try.", MESSAGE),
}


class Call(NamedTuple):
    """A route with its description, and the title of its resource."""

    route: Route
    operation: Operation
    resource: str


def _descriptions() -> dict[Callable[..., Any], tuple[Described, str]]:
    return {
        handler: (described, resource.TITLE)
        for resource in RESOURCES
        for handler, described in resource.OPERATIONS.items()
    }


def calls(routes: Iterable[Route] = ROUTES) -> list[Call]:
    """Every route described; raises KeyError for one that is not."""
    known = _descriptions()
    found = []
    for route in routes:
        handler, bound = _function(route)
        described, resource = known[handler]
        operation = described if isinstance(described, Operation) else described(*bound)
        found.append(Call(route, operation, resource))
    return found


def _function(route: Route) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """What a description is bound to, and the arguments that the route binds."""
    if isinstance(route.handler, partial):
        return route.handler.func, route.handler.args
    return inspect.unwrap(route.handler), ()


def undescribed() -> tuple[set[str], set[str]]:
    """Handlers of routes without a description, and described ones that no route has."""
    routed = {_function(one)[0] for one in ROUTES}
    known = set(_descriptions())
    return {_name(one) for one in routed - known}, {_name(one) for one in known - routed}


def _name(handler: Callable[..., Any]) -> str:
    return f"{handler.__module__}.{handler.__qualname__}"


def document(public_url: str) -> dict[str, Any]:
    """The document (OpenAPI 3.1.0)."""
    paths: dict[str, dict[str, Any]] = {}
    components: dict[str, Any] = {}
    for call in calls():
        said = _operation(call, components)
        paths.setdefault(call.route.path, {})[call.route.method.lower()] = said
    return {
        "openapi": "3.1.0",
        "info": {"title": "Mailgun's API, self-hosted", "version": "1", "description": ABOUT},
        "servers": [{"url": public_url}],
        "security": [{"key": []}],
        "tags": [{"name": resource.TITLE} for resource in RESOURCES],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {"key": {"type": "http", "scheme": "basic"}},
        },
    }


def roles(need: Need) -> list[str]:
    """The roles of keys that may do this."""
    return [role.value for role, allowed in ALLOWED.items() if need in allowed]


def _operation(call: Call, components: dict[str, Any]) -> dict[str, Any]:
    route, operation = call.route, call.operation
    made: dict[str, Any] = {
        "operationId": identifier(route),
        "tags": [call.resource],
        "summary": operation.summary,
        "description": " ".join(
            filter(None, (operation.text, f"For keys with the role {_or(roles(route.need))}."))
        ),
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "description": PLACES[name]}
                | {"schema": {"type": "string", "minLength": 1}}
                for name in place_names(route)
            ),
            *(_query(one) for one in operation.query),
        ],
        "responses": _responses(operation, components),
    }
    if operation.form or operation.json is not None:
        made["requestBody"] = _body(operation, components)
    return made


def place_names(route: Route) -> list[str]:
    """What a path has in braces."""
    return re.findall(r"\{(\w+)\}", route.path)


def _or(words: list[str]) -> str:
    return " or ".join(words)


def identifier(route: Route) -> str:
    """A name for the call: its method and path in letters."""
    return "-".join([route.method.lower(), *re.findall(r"[\w.]+", route.path)])


def _query(field: Field) -> dict[str, Any]:
    schema = {"type": "array", "items": field.schema} if field.repeated else dict(field.schema)
    return {
        "name": field.name,
        "in": "query",
        "required": field.required,
        "description": field.text,
        "schema": schema,
    }


def _body(operation: Operation, components: dict[str, Any]) -> dict[str, Any]:
    if operation.json is not None:
        content = {JSON: {"schema": hoisted(operation.json, components)}}
        return {"required": False, "content": content}
    plain = [one for one in operation.form if not one.prefix]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {one.name: _field(one) for one in plain},
        "required": [one.name for one in plain if one.required],
    }
    prefixes = {f"^{one.name}.+": _field(one) for one in operation.form if one.prefix}
    if prefixes:
        schema["patternProperties"] = prefixes
    forms = FORMS[:1] if any(one.file and one.required for one in plain) else FORMS
    return {
        "required": bool(schema["required"]),
        "content": {media: {"schema": schema} for media in forms},
    }


def _field(field: Field) -> dict[str, Any]:
    said = {"description": field.text}
    if field.repeated:
        return {"type": "array", "items": dict(field.schema), **said}
    return {**field.schema, **said}


def _responses(operation: Operation, components: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {
        media: {"schema": dict(schema)} for media, schema in operation.media.items()
    }
    if operation.answer:
        content[JSON] = {"schema": hoisted(operation.answer, components)}
    found: dict[str, Any] = {
        str(operation.status): {"description": "It is done.", "content": content},
        "401": {
            "description": "No key, or one that is wrong, expired or revoked.",
            "content": {"text/plain": {"schema": {"const": "Forbidden"}}},
        },
    }
    for status, (text, schema) in COMMON.items():
        body = hoisted(operation.others.get(status, schema), components)
        found[str(status)] = {"description": text, "content": {JSON: {"schema": body}}}
    for status in operation.others.keys() - COMMON.keys():
        body = hoisted(operation.others[status], components)
        found[str(status)] = {
            "description": "It cannot be done as things are.",
            "content": {JSON: {"schema": body}},
        }
    return dict(sorted(found.items()))


def hoisted(schema: Any, components: dict[str, Any]) -> Any:
    """The schema with everything that has a title moved to the components."""
    if isinstance(schema, Mapping):
        made = {key: hoisted(value, components) for key, value in schema.items()}
        title = made.get("title")
        if not isinstance(title, str):
            return made
        if components.setdefault(title, made) != made:
            raise ValueError(f"two schemas are called {title}")
        return {"$ref": f"#/components/schemas/{title}"}
    if isinstance(schema, list | tuple):
        return [hoisted(one, components) for one in schema]
    return schema
