"""``edge credential``: SMTP logins of a domain."""

from typing import Annotated

import typer

from edge.cli import passwords, session
from edge.cli.options import AsJson, Config, DataDir, print_json, print_table
from edge.cli.times import format_time
from edge.clock import SystemClock
from edge.settings import load
from edge.store import credentials

app = typer.Typer(help="SMTP logins of a domain.", no_args_is_help=True)

MADE_BYTES = 24
"""Random bytes in a password that is made here."""

DomainName = Annotated[
    str, typer.Argument(metavar="DOMAIN", help="Sending domain, mg.example.com.")
]
Login = Annotated[str, typer.Argument(metavar="LOGIN", help="Login: ann, or ann@mg.example.com.")]


@app.command(epilog="Example: edge credential add mg.example.com ann")
def add(
    domain: DomainName,
    login: Login,
    password_stdin: passwords.FromStdin = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Add a login; a password that was made here is printed as the last word."""
    settings = load(config, data_dir=data_dir)
    password, made = passwords.choose(password_stdin, size=MADE_BYTES)
    now_us = SystemClock.now_us()
    whole = session.on_domain(
        settings,
        domain,
        lambda conn, found: credentials.add(conn, found, login, password, now_us=now_us),
    )
    passwords.tell(f"Added {whole}.", password, made)


@app.command("list", epilog="Example: edge credential list mg.example.com --json")
def list_(
    domain: DomainName, as_json: AsJson = False, data_dir: DataDir = None, config: Config = None
) -> None:
    """List the logins of a domain."""
    settings = load(config, data_dir=data_dir)
    found = session.on_domain(settings, domain, credentials.list_credentials)
    if as_json:
        for one in found:
            times = {"created": one.created_at / 1e6, "changed": one.changed_at / 1e6}
            print_json({"login": one.login, **times})
        return
    print_table(
        ("login", "created (UTC)", "password changed (UTC)"),
        ((one.login, format_time(one.created_at), format_time(one.changed_at)) for one in found),
        empty=f"{domain} has no login yet; add one: edge credential add {domain} ann",
    )


@app.command("set-password", epilog="Example: edge credential set-password mg.example.com ann")
def set_password(
    domain: DomainName,
    login: Login,
    password_stdin: passwords.FromStdin = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Change a login's password; one that was made here is printed as the last word."""
    settings = load(config, data_dir=data_dir)
    password, made = passwords.choose(password_stdin, size=MADE_BYTES)
    now_us = SystemClock.now_us()
    whole = session.on_domain(
        settings,
        domain,
        lambda conn, found: credentials.set_password(conn, found, login, password, now_us=now_us),
    )
    passwords.tell(f"Changed the password of {whole}.", password, made)


@app.command(epilog="Example: edge credential remove mg.example.com ann")
def remove(
    domain: DomainName, login: Login, data_dir: DataDir = None, config: Config = None
) -> None:
    """Remove a login."""
    settings = load(config, data_dir=data_dir)
    whole = session.on_domain(
        settings, domain, lambda conn, found: credentials.remove(conn, found, login)
    )
    typer.echo(f"Removed {whole}.")
