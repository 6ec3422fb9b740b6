"""Options that several commands share, and how they print."""

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Data directory (EDGE_DATA_DIR).")]
Config = Annotated[Path | None, typer.Option("--config", help="TOML file of settings.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]


T = TypeVar("T")


class YesNo(StrEnum):
    """A switch on the command line."""

    YES = "yes"
    NO = "no"


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine to its end."""
    return asyncio.run(work)


def print_json(value: Any) -> None:
    """One JSON object on one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str = "", *, header: bool = True
) -> None:
    """A table; ``empty`` instead of one without rows."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=header)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    width = None if sys.stdout.isatty() else 1000  # a file or a pipe gets whole lines
    console = Console(width=width, highlight=False, markup=False)
    if table.row_count or not empty:
        console.print(table)
    else:
        console.print(empty)


def print_fields(fields: Iterable[tuple[str, Any]]) -> None:
    """Names and values, one a line."""
    print_table(("", ""), fields, header=False)
