"""``edge ranges``: whose networks addresses are in, from published lists."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from edge.cli.options import AsJson, Config, DataDir, print_fields, print_json, print_table, run
from edge.clock import SystemClock
from edge.enrich.documented import PREFIXES, SOURCES
from edge.enrich.range_build import load_record
from edge.enrich.range_lists import LISTS, RangeList, named
from edge.enrich.range_update import update as update_ranges
from edge.enrich.ranges import STALE_AFTER, Ranges
from edge.model.errors import CallerError, PeerError
from edge.settings import load

app = typer.Typer(help="Network ranges that bot labels use.", no_args_is_help=True)


def ranges_path(data_dir: Path) -> Path:
    """Where the compiled table is."""
    return data_dir / "ranges.mmdb"


def _files(given: list[str]) -> dict[str, Path]:
    files = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or not path:
            raise CallerError(f"--from-file {text!r} is not NAME=PATH")
        _known(name)
        files[name] = Path(path)
    return files


def _known(name: str) -> RangeList:
    found = named(name)
    if found is None:
        names = ", ".join(each.name for each in LISTS)
        raise CallerError(f"there is no range list {name!r}; there are: {names}")
    return found


def _chosen(only: list[str], files: dict[str, Path]) -> list[RangeList]:
    """Files alone mean an offline update: nothing else is fetched unless it is named."""
    if only or files:
        names = {*only, *files}
        chosen = [_known(name) for name in sorted(names)]
    else:
        chosen = [each for each in LISTS if each.urls]
    for each in chosen:
        if not each.urls and each.name not in files:
            raise CallerError(
                f"{each.name} has no lasting address; download it and give --from-file "
                f"{each.name}=PATH"
            )
    return chosen


@app.command(
    "update",
    epilog="Example: edge ranges update    or offline: "
    "edge ranges update --from-file apple-relay=egress-ip-ranges.csv",
)
def update(
    from_file: Annotated[
        list[str] | None,
        typer.Option("--from-file", help="NAME=PATH: read that list from a file; may be repeated."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Fetch only this list; may be repeated.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Accept a list that changed its size beyond belief.")
    ] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Fetch the published lists, check them, compile them and put them in use.

    A running edge takes the new table within seconds. A list that fails keeps what it had, and
    the command exits with 1. With --from-file or --only the other lists stay as they are.
    """
    files = _files(from_file or [])
    chosen = _chosen(only or [], files)
    settings = load(config, data_dir=data_dir)
    path = ranges_path(settings.data_dir)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    ) as progress:
        bar = progress.add_task("range lists", total=len(chosen))

        def told(name: str, outcome: str) -> None:
            step = 0 if outcome in {"fetching", "reading"} else 1
            progress.update(bar, advance=step, description=f"{name}: {outcome}")

        record, failures = run(
            update_ranges(path, chosen, files, clock=SystemClock(), force=force, told=told)
        )
    updated = [each for each in record.lists if each.date == record.built and not each.error]
    print_table(
        ("list", "label", "prefixes", "rejected", "source"),
        ((each.name, each.label, each.entries, each.rejected, each.source) for each in updated),
        empty="No list was updated.",
    )
    sys.stdout.write(f"{path}: {record.entries} prefixes\n")
    if failures:
        reasons = "".join(f"\n  {name}: {reason}" for name, reason in failures.items())
        raise PeerError(f"these lists failed and keep what they had:{reasons}")


def _rows() -> list[dict[str, Any]]:
    return [
        {
            "name": f"built-in {label}",
            "label": label,
            "entries": len(prefixes.split()),
            "source": SOURCES.get(label) or SOURCES[f"{label.partition(':')[0]}:*"],
        }
        for label, prefixes in PREFIXES.items()
    ]


@app.command("status", epilog="Example: edge ranges status --json")
def status(as_json: AsJson = False, data_dir: DataDir = None, config: Config = None) -> None:
    """Show which range data is in use, of when, and from where."""
    settings = load(config, data_dir=data_dir)
    path = ranges_path(settings.data_dir)
    ranges = Ranges(path)
    record = load_record(path)
    rows = _rows() if not ranges.built else []
    for each in record.lists if ranges.built else ():
        rows.append({key: getattr(each, key) for key in each.__struct_fields__})
    if as_json:
        for row in rows:
            print_json(row)
        return
    stale = ranges.built and SystemClock.now() - ranges.built > STALE_AFTER
    print_fields(
        (
            ("table", path if ranges.built else "built-in (run `edge ranges update`)"),
            ("version", ranges.version + (" (stale: run `edge ranges update`)" if stale else "")),
            *((("problem", ranges.problem),) if ranges.problem else ()),
        )
    )
    print_table(
        ("list", "label", "prefixes", "date", "source", "last failure"),
        (
            (
                row["name"],
                row["label"],
                row["entries"],
                row.get("date", ""),
                row["source"],
                row.get("error", ""),
            )
            for row in rows
        ),
    )
