"""When to leave an authority alone altogether.

While it is down, 10,000 hosts that are due should not ask one by one. Three hosts in a row that
could not be served for no fault of their own pause everything, longer each time up to an hour; the
first success ends it. Rate limits count once per registered domain, since most of them are: one
customer's full domain does not stop the others.
"""

from certs.errors import CertificateError, OperatorError, RateLimited, Unavailable, Unfinished
from certs.names import registered_domain

STRIKES = 3
LONGEST = 60  # times the first pause


class Pause:
    """``first`` is the length of the first pause in seconds; times are monotonic."""

    def __init__(self, first: float) -> None:
        self._first = first
        self._struck: set[str] = set()
        self._until = float("-inf")

    def lasts(self, now: float) -> bool:
        """Whether the authority is to be left alone now."""
        return now < self._until

    def succeeded(self) -> None:
        """The authority served somebody."""
        self._struck.clear()

    def failed(self, host: str, error: CertificateError, now: float) -> None:
        """Somebody could not be served."""
        down = isinstance(error, OperatorError | Unavailable | RateLimited)
        if not down or isinstance(error, Unfinished):
            return
        self._struck.add(registered_domain(host) if isinstance(error, RateLimited) else host)
        over = len(self._struck) - STRIKES
        if over >= 0:
            self._until = now + self._first * min(2 ** min(over, 10), LONGEST)
