"""Each thing has one door: the environment, the clocks, tasks, SQL and Postgres.

ruff bans these names everywhere and is switched off as a whole in the modules that own one of
them; here each owner is held to its own door.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.house.sources import ROOT, modules, name, tree

ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.putenv"}
CLOCKS = {
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.perf_counter_ns",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
}
TASKS = {"asyncio.create_task", "asyncio.ensure_future"}
OWNERS = {
    "edge/settings.py": ENVIRONMENT,
    "edge/clock.py": CLOCKS,
    "certs/clock.py": CLOCKS,
    "edge/observe/logs.py": {"time.monotonic"},
    "edge/lifecycle.py": TASKS,
}


def _uses(path: Path) -> dict[str, int]:
    """Guarded names that a module uses, with a line of each."""
    found = {}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute):
            dotted = ast.unparse(node)
            for guarded in ENVIRONMENT | CLOCKS | TASKS:
                if dotted == guarded or dotted.endswith("." + guarded):
                    found[guarded] = node.lineno
            if node.attr == "create_task":
                found["asyncio.create_task"] = node.lineno
        if isinstance(node, ast.ImportFrom) and node.module in {"os", "time", "asyncio"}:
            for alias in node.names:
                if (dotted := f"{node.module}.{alias.name}") in ENVIRONMENT | CLOCKS | TASKS:
                    found[dotted] = node.lineno
    return found


def test_environment_clocks_and_tasks_have_one_owner_each() -> None:
    """Settings read the environment, ``clock`` the clocks, ``lifecycle`` makes the tasks."""
    strays = [
        f"{name(path)}:{line} uses {guarded}"
        for path in modules("edge", "certs")
        for guarded, line in _uses(path).items()
        if guarded not in OWNERS.get(name(path), set())
    ]
    assert not strays


@pytest.mark.parametrize("owner", sorted(OWNERS))
def test_owners_exist_and_use_their_door(owner: str) -> None:
    """An owner that no longer uses its door should lose its exemption."""
    assert _uses(ROOT / owner)


SQL = re.compile(
    r"\s*(SELECT\s.+\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s"
    r"|CREATE\s+(TABLE|INDEX|DATABASE)|ALTER\s+TABLE|DROP\s+TABLE|COPY\s+\S+\s+FROM)",
    re.IGNORECASE | re.DOTALL,
)


def test_sql_is_written_only_in_the_store() -> None:
    """No other package knows tables or columns."""
    strays = []
    for path in modules("edge", "certs"):
        if not name(path).startswith("edge/store/"):
            for node in ast.walk(tree(path)):
                value = node.value if isinstance(node, ast.Constant) else None
                if isinstance(value, str) and SQL.match(value):
                    strays.append(f"{name(path)}: {value[:60]!r}")
    assert not strays


def test_the_sql_check_can_fail() -> None:
    """The pattern finds statements and leaves sentences alone."""
    assert SQL.match("select id from events")
    assert SQL.match("UPDATE spool_offsets SET off = $1")
    assert not SQL.match("Update the ranges from a file.")
