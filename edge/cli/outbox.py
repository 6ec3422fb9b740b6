"""``edge outbox``: finished messages of domains whose route is the sandbox."""

import sys
from email import policy
from email.parser import BytesHeaderParser, BytesParser
from typing import Annotated, Any

import typer

from edge.cli import session
from edge.cli.options import AsJson, Config, DataDir, print_json, print_table, run
from edge.cli.times import format_time
from edge.model.errors import NotFound
from edge.settings import load
from edge.store import domains, outbox
from edge.store.outbox import Line

app = typer.Typer(help="Messages kept by the sandbox instead of being sent.", no_args_is_help=True)

Domain = Annotated[str, typer.Argument(metavar="DOMAIN", help="Sending domain, mg.example.com.")]


def _as_json(line: Line) -> dict[str, Any]:
    head = BytesHeaderParser(policy=policy.default).parsebytes(line.head)
    return {
        "id": line.delivery,
        "time": format_time(line.at),
        "recipient": line.recipient,
        "subject": str(head.get("Subject", "")),
        "size": line.size,
    }


@app.command("list", epilog="Example: edge outbox list sandbox.localhost")
def list_(
    domain: Domain,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 50,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """List the outbox, newest first."""
    settings = load(config, data_dir=data_dir)

    async def work() -> list[Line]:
        async with session.database(settings) as pool, pool.acquire() as conn:
            found = await domains.get(conn, domain)
            return await outbox.list_lines(conn, found.number, limit=limit)

    lines = [_as_json(line) for line in run(work())]
    if as_json:
        for line in lines:
            print_json(line)
        return
    print_table(
        ("id", "time", "recipient", "size", "subject"),
        ((d["id"], d["time"], d["recipient"], d["size"], d["subject"]) for d in lines),
        empty="The outbox is empty.",
    )


@app.command(epilog="Example: edge outbox show sandbox.localhost 1025 --html > message.html")
def show(
    domain: Domain,
    number: Annotated[int, typer.Argument(metavar="ID", help="As listed by edge outbox list.")],
    html: Annotated[bool, typer.Option("--html", help="Only the HTML part, decoded.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Write a message to standard output, byte for byte as it would have gone out."""
    settings = load(config, data_dir=data_dir)

    async def work() -> bytes:
        async with session.database(settings) as pool, pool.acquire() as conn:
            found = await domains.get(conn, domain)
            return await outbox.get(conn, found.number, number)

    message = run(work())
    if html:
        part = BytesParser(policy=policy.default).parsebytes(message).get_body(("html",))
        if part is None:
            raise NotFound(f"message {number} has no HTML part")
        message = part.get_content().encode()
    sys.stdout.buffer.write(message)
    sys.stdout.buffer.flush()
