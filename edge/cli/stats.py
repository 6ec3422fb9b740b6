"""``edge stats``: figures, and the proof that they are right."""

from typing import Annotated

import typer

from edge.cli import session
from edge.cli.options import AsJson, Config, DataDir, print_json, print_table, run
from edge.cli.stats_metrics import Resolution, show_metrics
from edge.cli.times import format_time, parse_time
from edge.clock import SystemClock
from edge.model.errors import CallerError
from edge.settings import load
from edge.store import domains, stats, verify

app = typer.Typer(help="Figures, and their recount.", no_args_is_help=True)


app.command(
    "metrics",
    epilog="Example: edge stats metrics --by time --by tag --metric opened_rate --format csv",
)(show_metrics)


@app.command("show", epilog="Example: edge stats show --domain mg.example.com --resolution hour")
def show(
    domain: Annotated[str, typer.Option("--domain", help="Sending domain.")],
    tag: Annotated[str, typer.Option("--tag", help="Only messages with this tag.")] = "",
    resolution: Annotated[
        Resolution, typer.Option("--resolution", help="Split by this.")
    ] = Resolution.DAY,
    begin: Annotated[str, typer.Option("--begin", help="From this time on.")] = "7d",
    end: Annotated[str | None, typer.Option("--end", help="Before this time.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Show totals, and how many of them are unique and made by people."""
    settings = load(config, data_dir=data_dir)
    now_us = SystemClock.now_us()
    since = parse_time(begin, now_us=now_us)
    until = parse_time(end, now_us=now_us) if end else 1 << 62
    if until <= since:
        raise CallerError("--end is before --begin")

    async def work() -> list[stats.Total]:
        async with session.database(settings) as pool, pool.acquire() as conn:
            number = (await domains.get(conn, domain)).number
            return await stats.totals(
                conn,
                number,
                begin=since,
                end=until,
                resolution=resolution.value,
                now_us=now_us,
                tag=tag,
            )

    found = run(work())
    if as_json:
        for total in found:
            print_json(
                {
                    "time": total.time // 1_000_000,
                    "event": total.event,
                    "total": total.total,
                    "unique": total.unique,
                    "people": total.people,
                    "unique-people": total.unique_people,
                }
            )
        return
    print_table(
        ("time (UTC)", "event", "total", "unique", "people", "unique people"),
        (
            (format_time(t.time), t.event, t.total, t.unique, t.people, t.unique_people)
            for t in found
        ),
        empty="Nothing was counted in that time.",
    )


@app.command("verify", epilog="Example: edge stats verify --domain mg.example.com")
def verify_(
    domain: Annotated[str | None, typer.Option("--domain", help="Only this domain.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Count the retained events again and compare with every figure; exit 1 on differences.

    Hours, closed days, months, and the daily roll-ups of country, device, client, provider, link.
    """
    settings = load(config, data_dir=data_dir)

    async def work() -> tuple[list[verify.Difference], dict[int, str]]:
        async with session.database(settings) as pool, pool.acquire() as conn:
            number = (await domains.get(conn, domain)).number if domain else None
            found = await verify.verify(conn, now_us=SystemClock.now_us(), domain=number)
            known = await domains.list_domains(conn, removed=True)
            return found, {d.number: d.name for d in known}

    differences, names = run(work())
    for one in differences:
        name = names.get(one.domain, f"domain {one.domain}")
        if as_json:
            print_json(
                {"domain": name, "what": one.what, "stored": one.stored, "counted": one.counted}
            )
        else:
            typer.echo(f"{name}: {one.what}: events say {one.stored}, figures say {one.counted}")
    if differences:
        raise typer.Exit(1)
    if not as_json:
        typer.echo("Every figure is what the retained events say.")
