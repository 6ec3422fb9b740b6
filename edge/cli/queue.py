"""``edge queue``: what waits to be sent."""

from typing import Annotated

import typer

from edge.cli import session
from edge.cli.options import AsJson, Config, DataDir, print_json, print_table, run
from edge.cli.times import format_time
from edge.clock import SystemClock
from edge.settings import load
from edge.store import deliveries, domains
from edge.store.deliveries import Backlog

app = typer.Typer(help="What waits to be sent.", no_args_is_help=True)

Domain = Annotated[str, typer.Argument(metavar="DOMAIN", help="Sending domain, mg.example.com.")]


@app.command(epilog="Example: edge queue status --json")
def status(as_json: AsJson = False, data_dir: DataDir = None, config: Config = None) -> None:
    """Show how much waits of each domain, how much is being sent now, and when it goes on."""
    settings = load(config, data_dir=data_dir)

    async def work() -> list[Backlog]:
        async with session.database(settings) as pool, pool.acquire() as conn:
            return await deliveries.backlog(conn)

    found = run(work())
    if as_json:
        for one in found:
            print_json(
                {
                    "domain": one.domain,
                    "queued": one.queued,
                    "held": one.held,
                    "retried": one.retried,
                    "oldest": format_time(one.oldest),
                    "next": format_time(one.next),
                }
            )
        return
    print_table(
        ("domain", "queued", "being sent", "tried before", "oldest", "next attempt"),
        (
            (o.domain, o.queued, o.held, o.retried, format_time(o.oldest), format_time(o.next))
            for o in found
        ),
        empty="Nothing waits.",
    )


@app.command(epilog="Example: edge queue retry mg.example.com")
def retry(domain: Domain, data_dir: DataDir = None, config: Config = None) -> None:
    """Try at once what failed before and waits for its next attempt."""
    settings = load(config, data_dir=data_dir)

    async def work() -> int:
        async with session.database(settings) as pool, pool.acquire() as conn:
            found = await domains.get(conn, domain)
            return await deliveries.hurry(conn, found.number, SystemClock.now_us())

    typer.echo(f"{run(work())} will be tried now.")


@app.command(epilog="Example: edge queue purge mg.example.com --yes")
def purge(
    domain: Domain,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Drop what waits, for good; what is being sent at this moment is not touched."""
    settings = load(config, data_dir=data_dir)
    if not yes:
        typer.confirm(f"Drop everything of {domain} that waits to be sent?", abort=True)

    async def work() -> int:
        async with session.database(settings) as pool, pool.acquire() as conn:
            found = await domains.get(conn, domain)
            return await deliveries.purge(conn, found.number, SystemClock.now_us())

    typer.echo(f"{run(work())} dropped.")
