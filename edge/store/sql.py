"""Named queries: hand-written SQL in ``queries/*.sql``, called by name.

A file holds queries that each start with a line ``-- name: <name>``; what follows, up to the next
such line, is one statement.
"""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

QUERIES: Final = Path(__file__).parent / "queries"
MIGRATIONS: Final = Path(__file__).parent / "migrations"

CUSTOM_PLANS: Final = "SET LOCAL plan_cache_mode = force_custom_plan"
"""Plan a statement for its parameters each time: a plan for any parameters takes a span of time for
a two-hundredth of a table, and a page that way reads and sorts all events of its domain."""

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def queries(resource: str) -> dict[str, str]:
    """The statements of ``queries/<resource>.sql`` by name."""
    parts = _NAME.split((QUERIES / f"{resource}.sql").read_text(encoding="utf-8"))
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def array_text(numbers: Iterable[int]) -> str:
    """Whole numbers as PostgreSQL writes an array."""
    return "{" + ",".join(map(str, numbers)) + "}"
