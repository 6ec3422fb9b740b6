"""What the mail of a domain needs and its tracking does not: footers, transport, life of a try.

Kept in the domain's row, apart from :class:`~edge.model.domain.Domain`: edges serve from that one,
and need none of this.
"""

from typing import Any, Final

import msgspec

from edge.model.domain import Domain
from edge.model.errors import CallerError
from edge.store.pool import Connection
from edge.store.sql import queries

LONGEST_FOOTER: Final = 65_536
"""Characters; a footer goes into every message."""

_q = queries("domain_settings")
_NAMES: Final = tuple(Domain.__struct_fields__)


class DomainSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``created_at`` in µs since the epoch, ``message_ttl`` in seconds; an empty footer is none."""

    created_at: int
    html_footer: str
    text_footer: str
    spam_action: str
    wildcard: bool
    require_tls: bool
    skip_verification: bool
    message_ttl: int
    archive_to: str


async def get(conn: Connection, number: int) -> DomainSettings:
    """The settings of a domain that exists."""
    return DomainSettings(**dict(await conn.fetchrow(_q["get"], number) or {}))


async def change(conn: Connection, number: int, **changes: Any) -> DomainSettings:
    """Change some settings; raises CallerError for a footer that is too long."""
    for footer in ("html_footer", "text_footer"):
        if len(changes.get(footer, "")) > LONGEST_FOOTER:
            raise CallerError(f"{footer} is longer than {LONGEST_FOOTER} characters")
        if "\0" in changes.get(footer, ""):
            raise CallerError(f"{footer} holds a NUL character")
    if not changes:
        return await get(conn, number)
    async with conn.transaction():
        await conn.execute(_q["lock"], number)
        changed = msgspec.structs.replace(await get(conn, number), **changes)
        await conn.execute(_q["set"], number, *msgspec.structs.astuple(changed)[1:])
    return changed


async def restore_footers(conn: Connection, number: int) -> DomainSettings:
    """Bring back the footers that a new domain has."""
    await conn.execute(_q["default_footers"], number)
    return await get(conn, number)


async def page(
    conn: Connection, *, only: int | None, search: str, order: str, limit: int, skip: int
) -> tuple[int, list[tuple[Domain, DomainSettings]]]:
    """How many domains match, and some of them.

    ``only`` is the number of the one domain that may be seen; ``order`` is ``asc`` or ``desc`` by
    name, or empty for the newest first.
    """
    total = await conn.fetchval(_q["count"], only, search)
    found = []
    for row in await conn.fetch(_q["page"], only, search, order, limit, skip):
        fields = dict(row)
        domain = Domain(**{name: fields.pop(name) for name in _NAMES})
        found.append((domain, DomainSettings(**fields)))
    return total, found
