"""``edge send``: hand a message to the queue from the command line."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from edge.adapters.first_run import control_url
from edge.cli import session
from edge.cli.options import Config, DataDir, run
from edge.clock import SystemClock
from edge.lifecycle import Tasks
from edge.model.addresses import mailbox
from edge.model.errors import CallerError
from edge.sending.accept import Acceptor
from edge.sending.hops import author
from edge.sending.message import Accepted, Addressee, Message, Options, Origin
from edge.settings import Settings, load
from edge.store import domains

app = typer.Typer(help="Send a message.")

File = Annotated[
    Path | None, typer.Argument(help="File with the message; standard input if missing or -.")
]
DomainName = Annotated[str, typer.Option("--domain", help="Sending domain.")]
To = Annotated[list[str] | None, typer.Option("--to", help="Address of a recipient; may repeat.")]
Tag = Annotated[list[str] | None, typer.Option("--tag", help="Tag of the message; may repeat.")]
Test = Annotated[bool, typer.Option("--test", help="Test mode: accepted, never sent.")]


@app.command(
    epilog="Example: edge send --domain sandbox.localhost --to ann@example.net message.eml"
)
def send(
    message: File = None,
    domain: DomainName = "",
    to: To = None,
    tag: Tag = None,
    test: Test = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Queue a message as the API would, and print its Message-Id.

    It is sent by a running `edge serve`. The message's X-Mailgun headers count.
    """
    settings = load(config, data_dir=data_dir)
    if not domain or not to:
        raise CallerError("--domain and at least one --to are needed")
    recipients = tuple(Addressee(box.address, box.name) for box in (mailbox(text) for text in to))
    source = _read(message)
    options = Options(tags=tuple(tag or ()), test_mode=test)
    accepted = run(_send(settings, domain, source, recipients, options))
    typer.echo(f"<{accepted.message_id}>")


def _read(path: Path | None) -> bytes:
    if path is None or str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise CallerError(f"cannot read {path}: {error.strerror}") from None


async def _send(
    settings: Settings,
    domain: str,
    source: bytes,
    recipients: tuple[Addressee, ...],
    options: Options,
) -> Accepted:
    acceptor = Acceptor(
        SystemClock(),
        public_url=settings.public_url or control_url(settings),
        queue_limit=settings.queue_limit,
        most_tags=settings.tags_per_domain,
    )
    tasks = Tasks()
    async with session.database(settings) as pool:
        async with pool.acquire() as conn:
            found = await domains.get(conn, domain)
        if found.removed:
            raise CallerError(f"domain {found.name} is removed: nothing is sent for it")
        acceptor.database = pool
        tasks.spawn("accept", acceptor.run(tasks))
        try:
            return await acceptor.accept(
                Message(
                    domain=found,
                    source=source,
                    sender=author(source),
                    recipients=recipients,
                    options=options,
                    origin=Origin(method="CLI"),
                )
            )
        finally:
            await tasks.close()
