"""``edge serve``: run everything."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edge import settings as settings_of
from edge.observe import logs
from edge.settings import Settings
from edge.supervisor import Supervisor

app = typer.Typer(no_args_is_help=False)


class Role(StrEnum):
    """Which children this machine runs."""

    EDGE = "edge"
    CONTROL = "control"
    ALL = "all"


@app.command(epilog="Example: edge serve --data-dir /var/lib/edge --http-bind 127.0.0.1:8080")
def serve(
    role: Annotated[
        Role,
        typer.Option(help="edge: tracking, ingest; control: control, ingest; all: everything."),
    ] = Role.ALL,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of settings.", show_default=False)
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Data directory (EDGE_DATA_DIR).", show_default=False)
    ] = None,
    http_bind: Annotated[
        str | None, typer.Option(help="host:port of tracking over HTTP.", show_default=False)
    ] = None,
    https_bind: Annotated[
        str | None, typer.Option(help="host:port of tracking over HTTPS.", show_default=False)
    ] = None,
    control_bind: Annotated[
        str | None, typer.Option(help="host:port of health and metrics.", show_default=False)
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Tracking processes; 0 = one per core.", show_default=False)
    ] = None,
) -> None:
    """Run the edge: tracking, ingest and control, on embedded Postgres unless given another.

    SIGTERM drains and stops, SIGHUP reloads certificate and log level.
    """

    def read() -> Settings:
        return settings_of.load(
            config,
            data_dir=data_dir,
            http_bind=http_bind,
            https_bind=https_bind,
            control_bind=control_bind,
            workers=workers,
        )

    settings = read()
    if "data_dir" not in settings.model_fields_set:
        _say_where(settings)
    logs.configure(settings.log_level, "supervisor")
    sys.exit(Supervisor(settings, role.value, read).run())


def _say_where(settings: Settings) -> None:
    default = Settings.model_fields["data_dir"].default
    if settings.data_dir != default:
        typer.echo(
            f"edge: the data is kept in {settings.data_dir}, because the user that the edge runs "
            f"as cannot get at {default.absolute()}; choose another place with --data-dir"
        )
