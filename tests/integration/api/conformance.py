"""Holds answers against the OpenAPI document: every call of these tests is such a check."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import jsonschema

from edge.api import openapi
from edge.api.auth import VERSIONS
from edge.api.routes import ROUTES, Route

DOCUMENT = openapi.document("http://127.0.0.1")
"""The document as it is served."""

SHOWN = 2_000


@cache
def _patterns() -> list[tuple[re.Pattern[str], Route]]:
    """What aiohttp matches, in its order: a place in a path is at least one character."""
    return [
        (re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(route.path))), route)
        for route in ROUTES
    ]


def route_of(method: str, path: str) -> Route | None:
    """The route that answers; None for a path or method that there is none of."""
    asked = "GET" if method == "HEAD" else method
    for pattern, route in _patterns():
        if pattern.fullmatch(path) and route.method == asked:
            return route
    return None


@cache
def _validator(path: str, method: str, status: str, media: str) -> Any:
    described = DOCUMENT["paths"][path][method.lower()]["responses"]
    assert status in described, f"{method} {path} answers {status}, which is not described"
    content = described[status]["content"]
    assert media in content, f"{method} {path} answers {status} as {media}: {sorted(content)}"
    schema = {**content[media]["schema"], "components": DOCUMENT["components"]}
    return jsonschema.Draft202012Validator(schema)


def check(method: str, url: str, status: int, headers: Mapping[str, str], body: Any) -> None:
    """Raise AssertionError unless the answer is a described one; ``body`` is decoded JSON or text.

    A method that a path does not have, and a path that there is not, are no routes. What lies
    outside of the API is not described.
    """
    path = urlsplit(url).path
    if not path.startswith(VERSIONS):
        return
    route = route_of(method, path)
    if route is None:
        assert status in {400, 401, 404, 405, 429, 503}, f"{method} {path} answers {status}"
        return
    media = headers.get("Content-Type", "").partition(";")[0]
    validator = _validator(route.path, route.method, str(status), media)
    if method == "HEAD":
        return
    faults = sorted(error.message[:SHOWN] for error in validator.iter_errors(body))
    assert not faults, f"{method} {path} answers {status}, not as described: {faults}"
