"""``edge user``: who may log in to the control panel."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from edge.cli import passwords, session
from edge.cli.options import AsJson, Config, DataDir, print_json, print_table, run
from edge.cli.times import format_time
from edge.clock import SystemClock
from edge.settings import load
from edge.store import panel_audit, panel_users
from edge.store.panel_users import Role, User
from edge.store.pool import Connection

app = typer.Typer(help="Users of the control panel.", no_args_is_help=True)

MADE_BYTES = 15
"""Random bytes in a password that is made here."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name, or an e-mail address.")]
RoleName = Annotated[Role, typer.Option("--role", help="What the user may do.")]


def _act(
    data_dir: DataDir,
    config: Config,
    action: str,
    subject: str,
    work: Callable[[Connection, int], Awaitable[User]],
) -> User:
    """Do something with a user, and leave a line in the audit log."""
    settings = load(config, data_dir=data_dir)
    now_us = SystemClock.now_us()

    async def all_of_it() -> User:
        async with session.database(settings) as pool, pool.acquire() as conn:
            user = await work(conn, now_us)
            await panel_audit.add(
                conn,
                at=now_us,
                user=panel_audit.COMMAND_LINE,
                action=action,
                subject=subject.format(user.name),
            )
            return user

    return run(all_of_it())


@app.command(epilog="Example: edge user add ann@example.com --role owner")
def add(
    name: Name,
    role: RoleName = Role.ANALYST,
    password_stdin: passwords.FromStdin = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Add a user; a password that was made here is printed as the last word."""
    password, made = passwords.choose(password_stdin, size=MADE_BYTES)

    async def work(conn: Connection, now_us: int) -> User:
        return await panel_users.add(conn, name, role, password, now_us=now_us)

    user = _act(data_dir, config, "add user", f"{{}} ({role.value})", work)
    passwords.tell(f"User {user.name} is added, as {role.value}.", password, made)


@app.command("list", epilog="Example: edge user list --json")
def list_users(as_json: AsJson = False, data_dir: DataDir = None, config: Config = None) -> None:
    """List users with their roles and last logins."""
    settings = load(config, data_dir=data_dir)

    async def work() -> list[User]:
        async with session.database(settings) as pool, pool.acquire() as conn:
            return await panel_users.list_users(conn)

    found = run(work())
    if as_json:
        for user in found:
            print_json(
                {
                    "name": user.name,
                    "role": user.role.value,
                    "second-factor": user.has_totp,
                    "created": user.created_at / 1e6,
                    "last-login": None if user.seen_at is None else user.seen_at / 1e6,
                }
            )
        return
    print_table(
        ("name", "role", "second factor", "created (UTC)", "last login (UTC)"),
        (
            (
                user.name,
                user.role.value,
                "yes" if user.has_totp else "no",
                format_time(user.created_at),
                "never" if user.seen_at is None else format_time(user.seen_at),
            )
            for user in found
        ),
        empty="There is no user yet; make one: edge user add NAME --role owner",
    )


@app.command(epilog="Example: edge user reset ann@example.com")
def reset(
    name: Name,
    password_stdin: passwords.FromStdin = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Give a user a new password, take the second factor away, and end all sessions."""
    password, made = passwords.choose(password_stdin, size=MADE_BYTES)

    async def work(conn: Connection, now_us: int) -> User:
        user = await panel_users.get(conn, name)
        await panel_users.reset(conn, user, password, now_us=now_us)
        return user

    user = _act(data_dir, config, "reset password", "{}", work)
    passwords.tell(f"The password of {user.name} is changed.", password, made)


@app.command(epilog="Example: edge user role ann@example.com support")
def role(
    name: Name,
    new: Annotated[Role, typer.Argument(metavar="ROLE", help="owner, analyst or support.")],
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Change what a user may do; their sessions end."""

    async def work(conn: Connection, now_us: int) -> User:
        user = await panel_users.get(conn, name)
        await panel_users.set_role(conn, user, new, now_us=now_us)
        return user

    user = _act(data_dir, config, "change role", f"{{}} ({new.value})", work)
    typer.echo(f"{user.name} is {new.value} now.")


@app.command(epilog="Example: edge user remove ann@example.com")
def remove(name: Name, data_dir: DataDir = None, config: Config = None) -> None:
    """Remove a user and end their sessions; the last owner stays."""

    async def work(conn: Connection, now_us: int) -> User:
        user = await panel_users.get(conn, name)
        await panel_users.remove(conn, user)
        return user

    user = _act(data_dir, config, "remove user", "{}", work)
    typer.echo(f"User {user.name} is removed.")
