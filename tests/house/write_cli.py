"""The command-line reference, written from the commands themselves.

``python -m tests.house.write_cli`` rewrites ``docs/cli.md``; a test fails while it is out of date.
"""

from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer

from edge.__main__ import build
from tests.house.sources import ROOT

INTRODUCTION = """\
# Command line

Written by `python -m tests.house.write_cli` from the commands themselves; edit those, not this
page.

Every command exits with 0 when it is done, 1 when it failed and 2 when it was called wrongly; what
was wrong is on standard error. Every command that lists takes `--json` and then prints one JSON
object per line. Settings come from the options, else from `EDGE_…` variables, else from the TOML
file of `--config`, else from the defaults: see [settings](settings.md).
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its words, in the order of ``edge --help``."""
    yield from _walk("edge", typer.main.get_command(build()))


def _walk(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield words, command
        return
    for name, child in children.items():
        if not child.hidden:
            yield from _walk(f"{words} {name}", child)


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|").rstrip(".")


def _spelling(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    if parameter.is_flag:
        return names
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return f"{names} {' or '.join(f'`{member.value}`' for member in kind)}"
    return names


def _notes(parameter: Any) -> str:
    notes = [_cell(parameter.help)]
    if parameter.required:
        notes.append("required")
    if parameter.multiple and "may be repeated" not in notes[0]:
        notes.append("may be repeated")
    default = parameter.default
    if default not in (None, "", False, ()) and not callable(default):
        notes.append(f"default `{getattr(default, 'value', default)}`")
    return "; ".join(notes)


def _section(words: str, command: Any) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    line = words
    for argument in arguments:
        name = (argument.metavar or argument.name).upper()
        line += f" {name}" if argument.required else f" [{name}]"
        line += "…" if argument.nargs == -1 else ""
    yield f"\n## `{words}`\n\n```\n{line}{' [OPTIONS]' if options else ''}\n```\n"
    yield f"\n{(command.help or '').strip()}\n"
    if command.epilog:
        before, colon, example = command.epilog.strip().partition(": ")
        yield f"\n{before}: `{example}`\n" if colon else f"\n{before}\n"
    rows = [(f"`{(a.metavar or a.name).upper()}`", a) for a in arguments]
    rows += [(_spelling(option), option) for option in options]
    if rows:
        yield "\n| option | meaning |\n| --- | --- |\n"
        for spelling, parameter in rows:
            yield f"| {spelling} | {_notes(parameter)} |\n"


def page() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(
        part for words, command in commands() for part in _section(words, command)
    )


if __name__ == "__main__":
    (ROOT / "docs/cli.md").write_text(page(), encoding="utf-8")
