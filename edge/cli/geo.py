"""``edge geo``: the geolocation database."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from edge.cli.options import AsJson, Config, DataDir, print_fields, print_json, run
from edge.clock import SystemClock
from edge.enrich.geo import Geo
from edge.enrich.geo_update import (
    GeoRecord,
    fetch_dbip,
    fetch_maxmind,
    install,
    load_geo_record,
)
from edge.model.errors import CallerError, OperatorError
from edge.settings import Settings, load

app = typer.Typer(help="The geolocation database.", no_args_is_help=True)


def _fetch(settings: Settings, maxmind: bool, target: Path) -> tuple[str, str]:
    """Download to ``target``; returns the vendor and the URL."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    ) as progress:
        bar = progress.add_task("geolocation database", total=None)

        def told(done: int, whole: int) -> None:
            progress.update(bar, completed=done, total=whole or None)

        if maxmind:
            account, key = settings.maxmind_account_id, settings.maxmind_license_key
            return "maxmind", run(fetch_maxmind(target, account, key, told))
        return "dbip", run(fetch_dbip(target, SystemClock(), told))


@app.command(
    "update", epilog="Example: edge geo update    or offline: edge geo update --from-file city.mmdb"
)
def update(
    from_file: Annotated[
        Path | None,
        typer.Option("--from-file", help="A GeoIP2-schema .mmdb, .mmdb.gz or .tar.gz file."),
    ] = None,
    maxmind: Annotated[
        bool, typer.Option("--maxmind", help="GeoLite2 City, with the account of the settings.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Accept one of a very different size than the last.")
    ] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Fetch a geolocation database (by default DB-IP City Lite), check it and put it in use.

    A running edge takes it within seconds. The old one stays in use if anything fails.
    """
    if from_file is not None and maxmind:
        raise CallerError("--from-file and --maxmind exclude each other")
    if from_file is not None and not from_file.is_file():
        raise CallerError(f"--from-file {from_file}: there is no such file")
    settings = load(config, data_dir=data_dir)
    path = settings.geo_path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".geo-", dir=path.parent) as directory:
            if from_file is not None:
                packed, vendor, source = from_file, "file", str(from_file)
            else:
                packed = Path(directory) / "download"
                vendor, source = _fetch(settings, maxmind, packed)
            record = install(
                packed, path, vendor=vendor, source=source, clock=SystemClock(), force=force
            )
    except OSError as error:
        raise OperatorError(f"{path.parent} cannot be written: {error}") from error
    _print(path, record)


def _print(path: Path, record: GeoRecord) -> None:
    print_fields(
        (
            ("database", path),
            ("vendor", record.vendor),
            ("type", record.database),
            ("built", record.built),
            ("fetched", record.date),
            ("source", record.source),
            ("sha256", record.sha256),
            ("licence", record.licence),
            ("attribution", record.attribution or "(ask its maker)"),
        )
    )


@app.command("status", epilog="Example: edge geo status --json")
def status(as_json: AsJson = False, data_dir: DataDir = None, config: Config = None) -> None:
    """Show which geolocation database is in use, of when, and from where."""
    settings = load(config, data_dir=data_dir)
    path = settings.geo_path
    geo = Geo(path)
    record = load_geo_record(path)
    if as_json:
        about = msgspec.to_builtins(record) if record is not None and geo.present else {}
        print_json({"path": str(path), "present": geo.present, **about})
    elif not geo.present:
        why = geo.problem or f"there is no {path}"
        sys.stdout.write(f"No geolocation: {why}. Run `edge geo update`.\n")
    elif record is None:
        sys.stdout.write(f"{path} is in use; it was not put there by `edge geo update`.\n")
    else:
        _print(path, record)
