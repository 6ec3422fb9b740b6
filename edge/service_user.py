"""The user that every child and Postgres run as when the supervisor was started as root.

Postgres refuses uid 0, and nothing that faces the Internet needs it. Not started as root, there is
no such user: everything runs as whoever started it.
"""

import os
import pwd
import stat
from pathlib import Path
from typing import Final

import msgspec

from edge.model.errors import OperatorError

DEFAULTS: Final = ("edge", "nobody")
SYSTEM_DATA_DIR: Final = Path("/var/lib/edge")
"""Data directory of a root start whose working directory the service user cannot enter."""


class ServiceUser(msgspec.Struct, frozen=True):
    """Name, numbers and supplementary groups of an account of this machine."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...] = ()


def find(name: str = "") -> ServiceUser | None:
    """The named user, else ``edge``, else ``nobody``; None when this process is not root.

    Raises :class:`~edge.model.errors.OperatorError` for a name that does not exist or that is root.
    """
    if os.geteuid() != 0:
        return None
    for candidate in (name,) if name else DEFAULTS:
        try:
            entry = pwd.getpwnam(candidate)
        except KeyError:
            continue
        if entry.pw_uid == 0:
            raise OperatorError(f"EDGE_USER: {candidate} is root; name an ordinary user")
        groups = os.getgrouplist(candidate, entry.pw_gid)
        return ServiceUser(candidate, entry.pw_uid, entry.pw_gid, tuple(groups))
    wanted = f"{name} does not exist" if name else "neither edge nor nobody exists"
    raise OperatorError(
        f"EDGE_USER: {wanted} on this machine; create it: useradd --system --user-group edge"
    )


def become(user: ServiceUser | None) -> None:
    """Give up root for good; nothing to do without a service user."""
    if user is not None:
        os.setgroups(user.groups)
        os.setgid(user.gid)
        os.setuid(user.uid)


def may_enter(path: Path, user: ServiceUser | None) -> Path | None:
    """The first directory on the way to ``path`` that the user may not enter, or None.

    ``path`` itself need not exist yet. Judged by owner, groups and mode; access control lists are
    not looked at.
    """
    if user is None:
        return None
    absolute = path.resolve()
    for step in (*reversed(absolute.parents), absolute):
        try:
            status = step.stat()
        except FileNotFoundError:
            return None
        if not stat.S_ISDIR(status.st_mode):
            return None
        if status.st_uid == user.uid:
            allowed = status.st_mode & stat.S_IXUSR
        elif status.st_gid in {user.gid, *user.groups}:
            allowed = status.st_mode & stat.S_IXGRP
        else:
            allowed = status.st_mode & stat.S_IXOTH
        if not allowed:
            return step
    return None


def default_data_dir(configured_user: str, wanted: Path) -> Path:
    """``wanted``, or the system's directory where root's service user cannot get at ``wanted``."""
    user = find(configured_user)
    return wanted if may_enter(wanted.parent, user) is None else SYSTEM_DATA_DIR
