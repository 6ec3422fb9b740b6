"""What a child does between its fork and its work: give up what is the supervisor's."""

import contextlib
import ctypes
import fcntl
import os
import platform
import resource
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from setproctitle import setproctitle

from edge.lifecycle import Tasks
from edge.model.errors import OperatorError
from edge.service_user import ServiceUser, become

_PR_SET_PDEATHSIG: Final = 1
_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274, "riscv64": 274}
"""The system call's number by machine; the C library has no function for it."""
_SLICE_NS: Final = 100_000
"""The shortest slice that the kernel grants."""

# Loaded now: after the drop of privileges nothing may have to be found on disk.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def title(role: str) -> None:
    """Name this process in ``ps``."""
    setproctitle(f"edge: {role}")


def reset_signals() -> None:
    """Signals as a fresh process has them, but for those that the supervisor answers.

    SIGHUP is its reload. SIGINT comes from a terminal to every process at once: a child that obeyed
    would seem to have died before the supervisor knew that all are to stop.
    """
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def no_core_dumps() -> None:
    """Keep keys out of core files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def many_files() -> None:
    """As many open files as the machine allows: each connection is one, and each segment."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = 1 << 16 if hard == resource.RLIM_INFINITY else min(hard, 1 << 16)
    if soft != resource.RLIM_INFINITY and soft < enough:
        with contextlib.suppress(ValueError, OSError):  # some kernels allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))


class _SchedAttr(ctypes.Structure):
    """``struct sched_attr`` of sched_setattr(2), as of Linux 3.14."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def short_slices() -> bool:
    """Run in short slices: when work comes in, soon, rather than for long; whether it could be had.

    Linux 6.12 and newer let an ordinary process ask for a slice of its own, and wake it at the
    expense of one with a longer slice; older ones ignore the wish. It gives no larger share of a
    core, and takes no privilege.
    """
    number = _SCHED_SETATTR.get(platform.machine())
    if _libc is None or number is None:
        return False
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    wish = _SchedAttr(size=ctypes.sizeof(_SchedAttr), nice=nice, runtime=_SLICE_NS)
    return bool(_libc.syscall(number, 0, ctypes.byref(wish), 0) == 0)


def drop(user: ServiceUser | None, supervisor: int) -> None:
    """Become the service user, and be told (SIGTERM) when the supervisor dies.

    The kernel forgets the death signal when credentials change (prctl(2)), hence the order. Raises
    :class:`~edge.model.errors.OperatorError` if the supervisor died before it was set.
    """
    become(user)
    if _libc is not None and _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OperatorError(f"prctl(PR_SET_PDEATHSIG) failed: {os.strerror(code)}")
    if os.getppid() != supervisor:
        raise OperatorError("the supervisor has ended")


@contextlib.asynccontextmanager
async def only_one(path: Path, tasks: Tasks) -> AsyncIterator[bool]:
    """Be the only process of this data directory that does this work; False when stopped first.

    A supervisor that was killed leaves children that drain for some seconds: whoever comes after
    them waits here. The kernel frees the lock however its holder dies.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        mine = False
        while not mine and not tasks.stopping.is_set():
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = True
            except BlockingIOError:
                await tasks.pause(0.1)
        yield mine
    finally:
        os.close(descriptor)
