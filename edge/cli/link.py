"""``edge link``: mint tracking URLs for messages that are sent by something else."""

import os
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from edge.adapters import data_directory
from edge.cli import keyring, session
from edge.cli.minting import Link, Mint, link_of
from edge.cli.options import Config, DataDir
from edge.clock import SystemClock
from edge.model.errors import CallerError
from edge.model.roster import Snapshot
from edge.model.tokens import Keyring, Kind
from edge.settings import Settings, load
from edge.spool.writer import append_once

app = typer.Typer(help="Mint tracking URLs.", no_args_is_help=True)

DomainOption = Annotated[str | None, typer.Option("--domain", help="Sending domain.")]
Recipient = Annotated[str | None, typer.Option("--recipient", help="Address of the recipient.")]
MessageId = Annotated[str | None, typer.Option("--message-id", help="Message-Id of the message.")]
Tag = Annotated[list[str] | None, typer.Option("--tag", help="Tag of the message; may repeat.")]
MailingList = Annotated[str | None, typer.Option("--list", help="Address of the mailing list.")]
Stdin = Annotated[
    bool,
    typer.Option("--stdin", help="Read one JSON object per line, print one URL per line."),
]
_READ = 1 << 20


def open_mint(settings: Settings) -> Mint:
    """What mints: roster and keys from disk, else from the database."""
    vault = session.vault(settings)

    def refresh() -> tuple[Snapshot, Keyring]:
        snapshot = keyring.from_database(settings, vault)
        return snapshot, snapshot.keyring(vault)

    snapshot = keyring.from_disk(settings)
    if snapshot is None:
        return Mint(settings, *refresh(), refresh)
    return Mint(settings, snapshot, snapshot.keyring(vault), refresh)


def keep_facts(mint: Mint, settings: Settings) -> None:
    """Facts are on disk before a URL that needs them is given out."""
    if mint.facts:
        edge = data_directory.edge_id(settings.data_dir, None)
        append_once(settings.spool_dir, mint.facts, edge=edge, clock=SystemClock())
        mint.facts.clear()


def _lines() -> Iterator[list[bytes]]:
    """Whole lines of stdin, as many as are there: a program may ask line by line."""
    left = b""
    while data := os.read(0, _READ):
        *lines, left = (left + data).split(b"\n")
        yield lines
    if left:
        yield [left]


def _from_stdin(kind: Kind, settings: Settings) -> None:
    mint = open_mint(settings)
    number = 0
    for lines in _lines():
        urls = []
        mistake = None
        now_us = SystemClock.now_us()
        for line in lines:
            number += 1
            if not line.strip():
                continue
            try:
                urls.append(mint.url(link_of(kind, line), now_us))
            except CallerError as error:
                mistake = CallerError(f"line {number}: {error}")
                break
        keep_facts(mint, settings)
        sys.stdout.write("".join(f"{url}\n" for url in urls))
        sys.stdout.flush()
        if mistake is not None:
            raise mistake


def _mint(
    kind: Kind,
    settings: Settings,
    *,
    stdin: bool,
    domain: str | None,
    recipient: str | None,
    message_id: str | None,
    url: str | None = None,
    position: int = 0,
    tags: list[str] | None = None,
    mailing_list: str | None = None,
) -> None:
    if stdin:
        if domain or recipient or message_id or url or tags or mailing_list:
            raise CallerError("--stdin takes everything from its lines: give no other option")
        _from_stdin(kind, settings)
        return
    if not (domain and recipient and message_id):
        raise CallerError("--domain, --recipient and --message-id are needed (or --stdin)")
    mint = open_mint(settings)
    made = mint.url(
        Link(
            kind=kind,
            domain=domain,
            recipient=recipient,
            message_id=message_id,
            url=url,
            position=position,
            tags=tuple(tags or ()),
            mailing_list=mailing_list or "",
        ),
        SystemClock.now_us(),
    )
    keep_facts(mint, settings)
    typer.echo(made)


@app.command(
    "open",
    epilog="Example: edge link open --domain mg.example.com --recipient ann@example.net "
    "--message-id 1@mg.example.com --tag news",
)
def open_(
    domain: DomainOption = None,
    recipient: Recipient = None,
    message_id: MessageId = None,
    tag: Tag = None,
    mailing_list: MailingList = None,
    stdin: Stdin = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """The URL of a pixel: <img src="URL" width="1" height="1" alt="">."""
    _mint(
        Kind.OPEN,
        load(config, data_dir=data_dir),
        stdin=stdin,
        domain=domain,
        recipient=recipient,
        message_id=message_id,
        tags=tag,
        mailing_list=mailing_list,
    )


@app.command(
    epilog="Example: edge link click --domain mg.example.com --recipient ann@example.net "
    "--message-id 1@mg.example.com --url https://shop.example.org/"
)
def click(
    domain: DomainOption = None,
    recipient: Recipient = None,
    message_id: MessageId = None,
    url: Annotated[str | None, typer.Option("--url", help="Where the link leads.")] = None,
    position: Annotated[
        int, typer.Option("--position", min=0, help="Which of the message's links, from 0.")
    ] = 0,
    tag: Tag = None,
    mailing_list: MailingList = None,
    stdin: Stdin = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """The URL of a tracked link, which redirects to --url."""
    _mint(
        Kind.CLICK,
        load(config, data_dir=data_dir),
        stdin=stdin,
        domain=domain,
        recipient=recipient,
        message_id=message_id,
        url=url,
        position=position,
        tags=tag,
        mailing_list=mailing_list,
    )


@app.command(
    epilog="Example: edge link unsubscribe --domain mg.example.com --recipient ann@example.net "
    "--message-id 1@mg.example.com --tag news"
)
def unsubscribe(
    domain: DomainOption = None,
    recipient: Recipient = None,
    message_id: MessageId = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Unsubscribe from this tag; may repeat.")
    ] = None,
    mailing_list: Annotated[
        str | None, typer.Option("--list", help="Unsubscribe from this mailing list.")
    ] = None,
    stdin: Stdin = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """The URL of an unsubscribe page: from the domain, from tags, or from a list."""
    _mint(
        Kind.UNSUBSCRIBE,
        load(config, data_dir=data_dir),
        stdin=stdin,
        domain=domain,
        recipient=recipient,
        message_id=message_id,
        tags=tag,
        mailing_list=mailing_list,
    )
