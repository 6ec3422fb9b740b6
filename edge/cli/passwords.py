"""Passwords that a command sets: read from standard input, or made and shown once."""

import secrets
import sys
from typing import Annotated

import typer

from edge.model.errors import CallerError

FromStdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read the password from standard input; else make one."),
]


def choose(from_stdin: bool, *, size: int) -> tuple[str, bool]:
    """The password, and whether it was made here, of ``size`` random bytes.

    Never an argument: ``ps`` shows those.
    """
    if not from_stdin:
        return secrets.token_urlsafe(size), True
    given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        raise CallerError("--password-stdin: standard input is empty; write the password to it")
    return given, False


def tell(done: str, password: str, made: bool) -> None:
    """What was done, and a password that was made here."""
    typer.echo(f"{done} Password, shown only now: {password}" if made else done)
