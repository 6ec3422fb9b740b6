"""Documentation is a test: what exists is described, and what is described exists."""

import re
from enum import Enum
from typing import Any, get_args

from pydantic_core import PydanticUndefined

from edge.api import receiver
from edge.api import routes as api_routes
from edge.control import ROUTES as CONTROL_ROUTES
from edge.doctor.findings import Code
from edge.model.event import ClientInfo, Event, Geolocation, Verdict
from edge.model.mailgun_json import render
from edge.panel import routes as panel_routes
from edge.panel.permissions import ALLOWED
from edge.settings import Settings
from edge.store.panel_users import Role
from edge.tracking.routes import ROUTES
from tests.house import write_cli, write_rules
from tests.house.sources import ROOT, files, name, text


def _rows(page: str) -> dict[str, list[str]]:
    """Table rows of a page whose first cell is code, by that code."""
    rows = {}
    for line in text(page).splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and (match := re.fullmatch(r"`([^`]+)`", cells[0])):
            rows[match[1]] = cells[1:]
    return rows


def _default(value: Any) -> str:
    """A default as docs/settings.md writes it."""
    if value is None or value in ("", ()):
        return "–"
    shown = value.value if isinstance(value, Enum) else value
    if isinstance(shown, float) and shown.is_integer():
        shown = int(shown)
    return f"`{shown}`"


def test_every_setting_is_described_with_its_default() -> None:
    """docs/settings.md lists exactly the settings there are, each with its real default."""
    rows = _rows("docs/settings.md")
    expected = {
        f"EDGE_{field.upper()}": _default(info.default)
        for field, info in Settings.model_fields.items()
        if info.default is not PydanticUndefined
    }
    assert {setting: cells[0] for setting, cells in rows.items()} == expected
    assert all(len(cells[1]) > 15 for cells in rows.values())


def test_every_setting_describes_itself() -> None:
    """The description in the code ends in a full stop and is more than the name."""
    for field, info in Settings.model_fields.items():
        assert info.description, field
        assert info.description.endswith("."), field


def test_the_command_line_reference_is_current() -> None:
    """docs/cli.md is what ``python -m tests.house.write_cli`` writes."""
    assert text("docs/cli.md") == write_cli.page(), "run python -m tests.house.write_cli"


def test_the_rules_of_what_comes_back_are_current() -> None:
    """docs/return-rules.md is what ``python -m tests.house.write_rules`` writes."""
    assert text("docs/return-rules.md") == write_rules.page(), "python -m tests.house.write_rules"


def test_every_command_and_option_explains_itself() -> None:
    """A command has a help and an example; every option and argument says what it is for."""
    faults = []
    for words, command in write_cli.commands():
        if not command.help:
            faults.append(f"{words} has no help")
        if words not in (command.epilog or ""):
            faults.append(f"{words} has no example of itself in its epilog")
        faults += [
            f"{words}: {parameter.name} has no help"
            for parameter in command.params
            if not getattr(parameter, "hidden", False) and not getattr(parameter, "help", None)
        ]
    assert not faults


def test_every_route_is_described() -> None:
    """docs/routes.md lists exactly the routes of tracking hostnames and of the control port."""
    rows = _rows("docs/routes.md")
    expected = {path: ", ".join(methods) for path, methods in ROUTES.items()}
    expected |= {path: "GET, HEAD" for path, _ in CONTROL_ROUTES}
    expected |= api_routes.methods() | {receiver.PATH: "POST"}
    documented = {path: cells[0] for path, cells in rows.items() if path.startswith("/")}
    assert documented == expected


def test_every_route_of_the_panel_is_described_with_who_may_use_it() -> None:
    """docs/panel.md lists exactly the panel's routes, and for each method the roles."""
    expected: dict[str, list[str]] = {}
    for route in panel_routes.ROUTES:
        roles = [role.value for role in Role if route.need in ALLOWED[role]]
        who = "everybody" if route.need is None else ", ".join(roles)
        expected.setdefault(route.path, []).append(f"{route.method}: {who}")
    documented = {
        path: cells[0] for path, cells in _rows("docs/panel.md").items() if path.startswith("/")
    }
    assert documented == {path: "; ".join(who) for path, who in expected.items()}


def _paths(value: Any, prefix: str = "") -> set[str]:
    if not isinstance(value, dict):
        return {prefix}
    found: set[str] = set()
    for key, inner in value.items():
        found |= _paths(inner, f"{prefix}.{key}" if prefix else key)
    return found


def test_every_event_field_is_described() -> None:
    """docs/events.md has a row for every field an event's JSON can have."""
    event = Event(
        id=bytes(16),
        event="clicked",
        at=1_750_000_000_000_000,
        domain=1,
        recipient="ada@example.net",
        message_id="m@example.com",
        method="GET",
        repeat=2,
        url="https://example.com/",
        position=0,
        ip="192.0.2.1",
        user_agent="x",
        client=ClientInfo(),
        geolocation=Geolocation(),
        verdict=Verdict(bot="generic", evidence=("x",), rules="1"),
    )
    rendered = render(
        event,
        tags=["a"],
        user_variables={},
        mailing_list="list@example.com",
        has_facts=False,
    )
    rendered["user-variables"] = ""
    missing = _paths(rendered) - set(_rows("docs/events.md"))
    assert not missing


def test_every_finding_of_the_doctor_is_described() -> None:
    """docs/doctor.md lists exactly the codes that a finding can have."""
    assert set(_rows("docs/doctor.md")) == set(get_args(Code))


def test_the_readme_is_short() -> None:
    """At most 600 words: what it is, one picture, two commands, links."""
    prose = re.sub(r"```.*?```", "", text("README.md"), flags=re.DOTALL)
    assert 100 < len(prose.split()) <= 600


def test_every_decision_has_its_four_parts() -> None:
    """Each record in docs/adr has status, context, decision and consequences, and is numbered."""
    records = sorted(path for path in files() if name(path).startswith("docs/adr/"))
    assert len(records) >= 8
    for number, path in enumerate(records, 1):
        assert path.name.startswith(f"{number:04d}-"), name(path)
        body = path.read_text(encoding="utf-8")
        for part in ("Status", "Context", "Decision", "Consequences"):
            assert re.search(rf"^\*\*{part}\.\*\* \S|^## {part}$", body, re.MULTILINE), (
                f"{name(path)} lacks {part}"
            )


def test_links_between_documents_lead_somewhere() -> None:
    """A relative link names a file of the project, and its anchor a heading there."""
    broken = []
    for path in files():
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#\s]*)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            inside = target and "://" not in target and not target.startswith("mailto:")
            if inside and not (path.parent / target).resolve().exists():
                broken.append(f"{name(path)}: {target}")
    assert not broken


def test_paths_named_in_documents_exist() -> None:
    """A file or package that a document names as code is really there."""
    gone: list[str] = []
    for path in files():
        if path.suffix == ".md" and path.name != "CHANGELOG.md":
            body = path.read_text(encoding="utf-8")
            named = re.findall(r"`((?:edge|certs|tests|deploy|docs|benchmarks)/[\w./-]+)`", body)
            gone += [f"{name(path)}: {one}" for one in named if not (ROOT / one).exists()]
    assert not gone


def test_the_threat_models_proofs_exist() -> None:
    """Every threat in the tables names at least one test, and each named test is there."""
    page = text("THREAT_MODEL.md")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    missing = [f"{path}::{test}" for path, test in named if f"def {test}(" not in text(path)]
    assert not missing
    rows = [line for line in page.splitlines() if line.count("|") == 4 and "| threat |" not in line]
    unproven = [row for row in rows if "::" not in row and "---" not in row]
    assert len(rows) > 20
    assert not unproven
