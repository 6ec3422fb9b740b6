"""Files and directories that nobody but the service user may read, written whole or not at all."""

import os
from pathlib import Path

from edge.model.errors import OperatorError
from edge.service_user import ServiceUser


def write_private(path: Path, content: bytes, user: ServiceUser | None) -> None:
    """Write a file of mode 0600 that belongs to the service user, whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if user is not None:
            os.fchown(descriptor, user.uid, user.gid)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    new.rename(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make renames in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private_directory(path: Path, user: ServiceUser | None) -> None:
    """A directory of mode 0700 of the service user; OperatorError if it is somebody else's."""
    owner = user.uid if user else os.geteuid()
    if not path.exists():
        path.mkdir(mode=0o700, parents=True)
        if user is not None:
            os.chown(path, user.uid, user.gid)
    status = path.lstat()
    if path.is_symlink() or status.st_uid != owner:
        raise OperatorError(f"{path} belongs to another user or is a link; remove it")
    path.chmod(0o700)
