"""Named crash points: the process kills itself exactly where a test wants it to die.

``EDGE_CRASH_AT=<name>`` (or ``<name>:<n>`` for the n-th passage) arms one point in every child of
a supervisor. Unarmed, a point costs one dictionary look-up, and none stands in the hot path's
per-request code unless armed.
"""

import os
import signal
from typing import Final

POINTS: Final = (
    "seg-created",
    "header-written",
    "mid-frame",
    "frame-written-before-reply",
    "reply-sent",
    "rotate-before-seal",
    "sealed-not-shipped",
    "copy-done-before-cas",
    "cas-done-before-commit",
    "committed-before-unlink",
    "unlinked-before-row-gc",
)
"""From a request to its committed row."""

SENDING_POINTS: Final = ("accept-committed", "taken-before-settle", "settled")
"""From a message to what became of it: between a server's 250 and its row lies the only place
where a copy may go out twice."""

WEBHOOK_POINTS: Final = ("webhook-leased", "webhook-sent-before-mark", "webhook-settled")
"""From a leased delivery to its written outcome: after an answer and before its row lies the only
place where an event may be posted twice."""

_armed: dict[str, int] = {}


def check(spec: str) -> tuple[str, int]:
    """Name and passage of a specification; ValueError for a point that does not exist."""
    name, _, count = spec.partition(":")
    known = (*POINTS, *SENDING_POINTS, *WEBHOOK_POINTS)
    if spec and name not in known:
        raise ValueError(f"{name!r} is not a crash point; there are: {', '.join(known)}")
    return name, int(count or 1)


def arm(spec: str) -> None:
    """Arm one point, or none for an empty specification; ValueError as :func:`check`."""
    _armed.clear()
    if spec:
        name, count = check(spec)
        _armed[name] = count


def armed(name: str) -> bool:
    """Whether this point is armed."""
    return name in _armed


def point(name: str) -> None:
    """Die here, at once and uncleanly, if this point is armed and its turn has come."""
    if name in _armed:
        _armed[name] -= 1
        if _armed[name] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
