"""The error tree, named by who must act.

Everything this project raises on purpose derives from :class:`EdgeError`. The command line turns a
:class:`CallerError` into exit status 2 and the others into 1; the API turns them into 4xx and 5xx.
The message always says what is wrong and how to mend it.
"""


class EdgeError(Exception):
    """Base of every error raised on purpose."""


class CallerError(EdgeError):
    """The caller's input is wrong; repeating the call unchanged cannot succeed."""


class OperatorError(EdgeError):
    """The installation is wrong (settings, files, permissions); the operator must act."""


class PeerError(EdgeError):
    """Something outside (Postgres, a download, a mail server) failed; trying again may succeed."""


class InvalidToken(CallerError):
    """A tracking token that is forged, truncated, of another kind, or sealed with a revoked key."""


class InvalidDestination(CallerError):
    """A click destination that is not a plain http or https URL, or is too long to seal."""


class NotFound(CallerError):
    """A named thing (domain, key, event) that does not exist."""
