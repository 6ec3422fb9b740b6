"""``/openapi.json``, and the same for people under ``/docs``: pages that are whole without script.

Open without a key, as health is: they tell what the software is, nothing of whom it serves. No
resource comes from elsewhere; the content security policy names the one style sheet by its hash.
"""

import hashlib
import re
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2
from aiohttp import web

from edge.api import openapi
from edge.api.context import API
from edge.api.openapi import RESOURCES, Call
from edge.api.sketches import sketch

_TEMPLATES: Final = Path(__file__).parent / "templates"
_STYLE: Final = (_TEMPLATES / "reference.css").read_text(encoding="utf-8")
_HASH: Final = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_PAGES: Final = jinja2.Environment(
    # Read now: the user that children run as may not be able to reach the program's own place.
    loader=jinja2.DictLoader(
        {one.name: one.read_text("utf-8") for one in _TEMPLATES.glob("*.html")}
    ),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'none'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


def slug(title: str) -> str:
    """The last part of a resource's page: ``mailing-lists``."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower())


@cache
def _document(public_url: str) -> dict[str, Any]:
    return openapi.document(public_url)


def _public_url(request: web.Request) -> str:
    """The base of URLs; HTTPNotFound on a machine that serves no API."""
    api = request.app.get(API)
    if api is None:
        raise web.HTTPNotFound
    return api.public_url


async def document(request: web.Request) -> web.Response:
    """``GET /openapi.json``."""
    return web.json_response(
        _document(_public_url(request)),
        headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"},
    )


async def index(request: web.Request) -> web.Response:
    """``GET /docs``: how to call, and every call there is."""
    return web.Response(text=_index(_public_url(request)), headers=HEADERS)


async def resource(request: web.Request) -> web.Response:
    """``GET /docs/{resource}``: what the calls of one resource take and answer."""
    _public_url(request)
    for one in RESOURCES:
        if slug(one.TITLE) == request.match_info["resource"]:
            return web.Response(text=_resource(one.TITLE), headers=HEADERS)
    raise web.HTTPNotFound


def _of(title: str) -> list[Call]:
    return [call for call in openapi.calls() if call.resource == title]


@cache
def _index(public_url: str) -> str:
    return _PAGES.get_template("index.html").render(
        style=_STYLE,
        about=openapi.ABOUT,
        public_url=public_url,
        resources=[(one.TITLE, slug(one.TITLE), _of(one.TITLE)) for one in RESOURCES],
        identifier=openapi.identifier,
        roles=openapi.roles,
    )


@cache
def _resource(title: str) -> str:
    return _PAGES.get_template("resource.html").render(
        style=_STYLE,
        title=title,
        calls=_of(title),
        identifier=openapi.identifier,
        places=openapi.PLACES,
        place_names=openapi.place_names,
        roles=openapi.roles,
        common=openapi.COMMON,
        sketch=sketch,
    )
