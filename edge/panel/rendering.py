"""Templates to pages, and the static files. Both are read when this module is: a child that gave
up root may no longer read the installation.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import aiohttp_jinja2
import jinja2
from aiohttp import hdrs, web

from edge.enrich.evidence import meaning
from edge.model.errors import NotFound
from edge.model.mailgun_json import event_id
from edge.panel import masking
from edge.panel.context import SESSION, form_token, may
from edge.panel.permissions import Permit

HERE: Final = Path(__file__).parent

_TEMPLATES: Final[Mapping[str, str]] = MappingProxyType(
    {path.name: path.read_text("utf-8") for path in sorted((HERE / "templates").glob("*.html"))}
)
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_STATIC: Final[Mapping[str, tuple[bytes, str]]] = MappingProxyType(
    {
        path.relative_to(HERE / "static").as_posix(): (path.read_bytes(), _TYPES[path.suffix])
        for path in sorted((HERE / "static").rglob("*"))
        if path.suffix in _TYPES
    }
)
_VERSION: Final = hashlib.sha256(b"".join(data for data, _ in _STATIC.values())).hexdigest()[:12]
"""In the addresses of static files, so that browsers may keep them until they change."""

TITLES: Final = {
    "accepted": "Accepted",
    "rejected": "Rejected",
    "delivered": "Delivered",
    "failed": "Failed",
    "opened": "Opened",
    "clicked": "Clicked",
    "unsubscribed": "Unsubscribed",
    "complained": "Complained",
    "stored": "Stored",
}
"""Kinds of events, as people read them."""

TONES: Final = {
    "delivered": "good",
    "opened": "info",
    "clicked": "info",
    "failed": "bad",
    "rejected": "bad",
    "complained": "bad",
    "unsubscribed": "warn",
}

NAVIGATION: Final = (
    ("/overview", "Overview", Permit.LOOK),
    ("/analytics", "Analytics", Permit.LOOK),
    ("/logs", "Logs", Permit.LOOK),
    ("/suppressions", "Suppressions", Permit.LOOK),
    ("/domains", "Domains", Permit.LOOK),
    ("/webhooks", "Webhooks", Permit.LOOK),
    ("/messages", "Messages", Permit.READ_MAIL),
    ("/users", "Users", Permit.ADMINISTER),
    ("/audit", "Audit log", Permit.ADMINISTER),
    ("/account", "Account", Permit.OWN),
)
"""Pages by path and name, and whom they are shown to; a new page is a line here."""

BOTS: Final = {
    "apple": "Apple's mail privacy",
    "gmail": "Gmail's machines",
    "generic": "a machine (scanner, previewer, script)",
}


def when(at: int | None) -> str:
    """A time (µs) to the second, in UTC."""
    if at is None:
        return "never"
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def machine_time(at: int) -> str:
    """The same for the ``datetime`` attribute."""
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def octets(size: int) -> str:
    """A size that people read."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1e6:.1f} MB"


def static_url(name: str) -> str:
    """Where a static file is."""
    assert name in _STATIC, name
    return f"/static/{name}?v={_VERSION}"


def _environment() -> jinja2.Environment:
    """Every value is escaped, and an unknown one is an error."""
    made = jinja2.Environment(
        loader=jinja2.DictLoader(dict(_TEMPLATES)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "when": when,
        "machine_time": machine_time,
        "octets": octets,
        "event_id": event_id,
        "meaning": meaning,
    }
    made.globals |= {
        "static": static_url,
        "Permit": Permit,
        "navigation": NAVIGATION,
        "titles": TITLES,
        "tones": TONES,
        "bots": BOTS,
    }
    return made


_ENVIRONMENT: Final = _environment()


def compile_all() -> None:
    """Compile every template, for whoever cannot read the installation later."""
    for name in _TEMPLATES:
        _ENVIRONMENT.get_template(name)


def set_up(app: web.Application) -> None:
    """Give an application its templates."""
    app[aiohttp_jinja2.APP_KEY] = _ENVIRONMENT


def render(
    request: web.Request, template: str, *, status: int = 200, **context: Any
) -> web.Response:
    """A page. Every template knows ``me``, ``may``, ``csrf``, ``address`` and ``clear``.

    ``address`` shows a recipient as far as the one who asks may see it, and ``clear`` a text that
    may hold one.
    """
    in_clear = may(request, Permit.CLEAR)

    def address(text: str) -> str:
        return text if in_clear else masking.address(text)

    def clear(text: str, recipient: str = "") -> str:
        return text if in_clear else masking.text(text, recipient)

    told = {
        "me": request.get(SESSION),
        "may": lambda permit: may(request, permit),
        "csrf": form_token(request),
        "here": request.path,
        "address": address,
        "clear": clear,
        "error": "",
        "done": "",
    }
    return aiohttp_jinja2.render_template(template, request, told | context, status=status)


async def static(request: web.Request) -> web.Response:
    """``GET /static/{name}``."""
    found = _STATIC.get(request.match_info["name"])
    if found is None:
        raise NotFound("There is no such file.")
    data, kind = found
    tag = f'"{_VERSION}"'
    kept = request.query.get("v") == _VERSION
    headers = {
        hdrs.CACHE_CONTROL: "public, max-age=31536000, immutable" if kept else "no-cache",
        hdrs.ETAG: tag,
        hdrs.CONTENT_TYPE: kind,
    }
    if request.headers.get(hdrs.IF_NONE_MATCH) == tag:
        return web.Response(status=304, headers=headers)
    response = web.Response(body=data, headers=headers)
    response.enable_compression()
    return response
