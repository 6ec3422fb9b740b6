"""The ``edge`` command line.

Exit status: 0 done, 1 failed, 2 wrong usage.
"""

import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from edge.model.errors import CallerError, EdgeError
from edge.observe import logs

COMMANDS = (
    "serve",
    "domain",
    "footer",
    "credential",
    "user",
    "apikey",
    "keys",
    "cert",
    "link",
    "instrument",
    "send",
    "queue",
    "suppression",
    "webhook",
    "report",
    "outbox",
    "token",
    "events",
    "stats",
    "spool",
    "explain",
    "ranges",
    "geo",
    "backup",
)
"""Modules of ``edge.cli`` in the order of ``edge --help``; each has a Typer ``app``."""


def build(names: Sequence[str] = COMMANDS) -> typer.Typer:
    """The command line with these commands."""
    root = typer.Typer(
        name="edge",
        help="Self-hosted email tracking: opens, clicks and unsubscribes.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    root.callback()(_nothing)  # else a single command would stand without its name
    for name in names:
        module = import_module(f"edge.cli.{name}")
        if len(module.app.registered_commands) == 1 and not getattr(module, "GROUP", False):
            command = module.app.registered_commands[0]
            root.command(name, help=command.help, epilog=command.epilog)(command.callback)
        else:
            root.add_typer(module.app, name=name)
    return root


def _nothing() -> None:
    pass


def _asked(arguments: Sequence[str]) -> Sequence[str]:
    """What has to be imported for these arguments: a second for all, a third of it for one."""
    return arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS


def main() -> None:
    """Entry point of the console script."""
    logs.configure("warning", "command")
    try:
        build(_asked(sys.argv[1:]))()
    except EdgeError as error:
        sys.stderr.write(f"edge: {error}\n")
        sys.exit(2 if isinstance(error, CallerError) else 1)
    except BrokenPipeError:
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
