"""What can go wrong, named by who must act.

Every error keeps the problem type the authority gave (RFC 8555 § 6.7, a URN such as
``urn:ietf:params:acme:error:caa``) and, where it said so, the seconds to wait. Texts come from
outside: they are cut, and what is not printable (controls, lone surrogates) is replaced, so that
they can be logged and stored anywhere.
"""

from typing import ClassVar

MAX_TEXT = 1000


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else "\ufffd" for one in text[:MAX_TEXT])


class CertificateError(Exception):
    """The root. ``problem`` is the authority's problem type, ``retry_after`` are seconds."""

    who: ClassVar[str] = "operator"

    def __init__(
        self, text: str, *, problem: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(_printable(text))
        self.problem = None if problem is None else _printable(problem)
        self.retry_after = retry_after


class CustomerError(CertificateError):
    """The owner of the host name must act: DNS, CAA, a proxy in front, a forbidden name."""

    who = "customer"


class OperatorError(CertificateError):
    """Whoever runs this program must act: terms, account, clock, configuration, disk."""

    who = "operator"


class AccountMissing(OperatorError):
    """The authority does not know our account (any more). The manager registers it again."""


class ClockWrong(OperatorError):
    """This machine's clock and the authority's disagree so far that validity means nothing."""


class AuthorityError(CertificateError):
    """The authority must act, or time must pass; nothing to mend here."""

    who = "authority"


class Unavailable(AuthorityError):
    """It did not answer, or answered 5xx. Nothing is lost."""


class Unfinished(Unavailable):
    """It answers, but has not finished this order by the deadline: the order is resumed later."""


class RateLimited(AuthorityError):
    """One of its limits is reached; ``retry_after`` says until when, if it told."""


class BadAnswer(AuthorityError):
    """What it sent breaks the protocol or is not the certificate that was asked for."""


class OrderGone(AuthorityError):
    """The order is unknown there, expired or used up: a new one is needed."""


class AlreadyReplaced(AuthorityError):
    """The certificate named by ``replaces`` has its successor (RFC 9773 § 5): order without."""


class LeaseLost(CertificateError):
    """Another holder has the host, or it was removed: put the pen down, store nothing."""

    who = "nobody"
