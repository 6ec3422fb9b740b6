"""``edge spool``: what waits between the answers and Postgres."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from edge.clock import SystemClock
from edge.model.capture import Facts, Hit, Repeat
from edge.model.errors import OperatorError
from edge.settings import Settings, load
from edge.spool.reader import SegmentReader, list_segments, replay

app = typer.Typer(help="Look at, check and replay the spool.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Data directory.")]
Config = Annotated[Path | None, typer.Option("--config", help="TOML file of settings.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]


def _read(path: Path, scratch: Path) -> dict[str, object]:
    """What is in a segment, without changing anything: damage goes nowhere."""
    reader = SegmentReader(path, scratch, keep_damage=False)
    counts = {"hits": 0, "repeats": 0, "facts": 0}
    newest = 0
    try:
        while entries := reader.read():
            for entry in entries:
                record = entry.record
                newest = max(newest, record.at)
                if isinstance(record, Hit):
                    counts["hits"] += 1
                elif isinstance(record, Repeat):
                    counts["repeats"] += record.count
                elif isinstance(record, Facts):
                    counts["facts"] += 1
        size = path.stat().st_size
        header = reader.header()
        return {
            "segment": reader.name,
            "edge": header.edge if header else None,
            "bytes": size,
            "sealed": reader.sealed,
            **counts,
            "damaged": reader.damaged,
            "torn-bytes": size - reader.position,
            "newest": newest / 1_000_000 or None,
        }
    finally:
        reader.close()


def _segments(settings: Settings) -> list[dict[str, object]]:
    quarantine = settings.spool_dir / "quarantine"
    found = []
    for path in list_segments(settings.spool_dir):
        try:
            found.append(_read(path, quarantine))
        except FileNotFoundError:  # shipped and deleted meanwhile
            continue
    return found


def _quarantined(settings: Settings) -> list[Path]:
    directory = settings.spool_dir / "quarantine"
    return sorted(directory.iterdir()) if directory.is_dir() else []


@app.command(epilog="Example: edge spool status --json")
def status(data_dir: DataDir = None, config: Config = None, as_json: AsJson = False) -> None:
    """List the segments and what is in them, and the quarantine."""
    settings = load(config, data_dir=data_dir)
    rows = _segments(settings)
    quarantined = _quarantined(settings)
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
        for path in quarantined:
            typer.echo(json.dumps({"quarantined": str(path), "bytes": path.stat().st_size}))
        return
    table = Table("segment", "bytes", "state", "hits", "repeats", "facts", "damaged", "torn bytes")
    for row in rows:
        state = "sealed" if row["sealed"] else "open"
        values = (row["segment"], row["bytes"], state, row["hits"], row["repeats"], row["facts"])
        table.add_row(*map(str, (*values, row["damaged"], row["torn-bytes"])))
    console = Console()
    console.print(table)
    console.print(f"{len(rows)} segments; {len(quarantined)} files in quarantine")
    for path in quarantined:
        console.print(f"  {path} ({path.stat().st_size} bytes)")


@app.command(epilog="Example: edge spool verify")
def verify(data_dir: DataDir = None, config: Config = None, as_json: AsJson = False) -> None:
    """Check every frame of every segment; exit status 1 if any is damaged or in quarantine."""
    settings = load(config, data_dir=data_dir)
    rows = _segments(settings)
    quarantined = _quarantined(settings)
    bad = [row for row in rows if row["damaged"]]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
    else:
        for row in bad:
            typer.echo(f"{row['segment']}: {row['damaged']} damaged places")
        frames = sum(int(str(row["hits"])) + int(str(row["facts"])) for row in rows)
        typer.echo(f"{len(rows)} segments, {frames} records, {len(bad)} segments with damage")
    if bad or quarantined:
        raise OperatorError(
            f"{len(bad)} segments with damage, {len(quarantined)} files in quarantine: see "
            "`edge spool status`; `edge spool replay` puts back what is readable"
        )


@app.command(name="replay", epilog="Example: edge spool replay data/spool/quarantine/*.refused")
def replay_files(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Quarantined files; none means all of them.")
    ] = None,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Put quarantined records back into the spool; whole files only, damaged ones stay."""
    settings = load(config, data_dir=data_dir)
    chosen = files or _quarantined(settings)
    if not chosen:
        typer.echo("nothing in quarantine")
        return
    count, damaged = replay(settings.spool_dir, chosen, edge="replay", clock=SystemClock())
    typer.echo(
        f"{count} records back in the spool, {damaged} files damaged and left where they are"
    )
    if damaged:
        raise typer.Exit(1)
