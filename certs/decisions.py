"""What a host needs next, and when: pure functions from a host's row to the next one.

The rules are Let's Encrypt's integration guide
(https://letsencrypt.org/docs/integration-guide/) and RFC 9773:

- a failure is tried again after 1, 10 and 100 minutes, then daily; after the first one on staging,
  so that a broken set-up burns none of the real limits;
- an authority that is down or limits us is no failure of the host: its order is kept and resumed
  after a minute, later after a quarter of the order's age, at most an hour;
- renewal at a time drawn from the authority's window, asked for at least twice a day; where there
  is none, when a third of the lifetime is left (half of it below ten days);
- a host that failed for two weeks is a zombie: no orders, one cheap DNS check a day, and it goes
  on by itself when that turns good.

Nothing here is drawn twice: what was decided is in the row, so that a restart changes nothing.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from certs.errors import (
    CertificateError,
    CustomerError,
    OperatorError,
    OrderGone,
    RateLimited,
    Unavailable,
)
from certs.host import Failure, Host, Validity
from certs.issued import Certificate
from certs.renewal_info import RenewalInfo

DAY = 86_400.0
Draw = Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers of the rules; seconds, and shares of a certificate's lifetime.

    ``backstop`` is the life left at which a certificate is renewed without renewal information,
    ``latest`` the life left at which renewal information is no longer waited for.
    """

    retries: tuple[float, ...] = (60.0, 600.0, 6000.0)
    daily: float = DAY
    outage: float = 60.0
    longest_outage: float = 3600.0
    operator: float = 600.0
    detach_after: float = 14 * DAY
    check_every: float = DAY / 2
    backstop: float = 1 / 3
    backstop_short: float = 1 / 2
    short: float = 10 * DAY
    latest: float = 1 / 4
    jitter: float = 0.05
    abandon_order: float = DAY


DEFAULT = Policy()


class Need(Enum):
    """What a host wants done."""

    NOTHING = "nothing"
    ORDER = "order"
    RESUME = "resume"
    CHECK_DNS = "check-dns"
    RENEWAL_INFO = "renewal-info"


def need(host: Host, now: float) -> Need:
    """What to do for a host now."""
    if now < host.due:
        return Need.NOTHING
    if host.order is not None:
        return Need.RESUME
    if host.detached:
        return Need.CHECK_DNS
    if host.validity is None or now >= host.validity.renew_at:
        return Need.ORDER
    return Need.RENEWAL_INFO if now >= host.validity.check_at else Need.NOTHING


def replaces(host: Host) -> str | None:
    """The renewal id of the certificate that the next order replaces, if there is one."""
    return host.validity.renewal_id if host.validity else None


def in_window(host: Host, now: float) -> bool:
    """Whether an order with ``replaces`` is inside the window its authority suggested."""
    window = host.validity.window if host.validity else None
    return window is not None and window[0] <= now < window[1]


def renewal_backstop(validity: Validity, policy: Policy) -> float:
    """When a certificate is renewed that nobody gives a window for."""
    life = validity.not_after - validity.not_before
    share = policy.backstop_short if life < policy.short else policy.backstop
    return validity.not_after - share * life


def issued(
    host: Host,
    certificate: Certificate,
    now: float,
    policy: Policy = DEFAULT,
    draw: Draw | None = None,
) -> Host:
    """The row after a certificate was stored: no failures, and a time to renew."""
    draw = draw or random.uniform
    validity = Validity(
        certificate.not_before, certificate.not_after, certificate.renewal_id, 0.0, 0.0
    )
    life = validity.not_after - validity.not_before
    renew_at = renewal_backstop(validity, policy) - draw(0, policy.jitter) * life
    check_at = now if certificate.renewal_id else renew_at
    validity = replace(validity, renew_at=max(now + 60, renew_at), check_at=check_at)
    return Host(host.name, host.tenant, due=min(validity.renew_at, check_at), validity=validity)


def informed(
    host: Host,
    info: RenewalInfo | None,
    now: float,
    policy: Policy = DEFAULT,
    draw: Draw | None = None,
) -> Host:
    """The row after asking for renewal information; None if there was none to be had.

    A new window gets a new random time inside it; an unchanged one keeps the time it has (RFC 9773
    § 4.2). A window whose end is past means now.
    """
    draw = draw or random.uniform
    validity = host.validity
    if validity is None:
        return host
    wait = policy.check_every * draw(0.75, 1.0)
    if info is None:
        check_at = now + wait
        changed = replace(validity, check_at=check_at)
    else:
        window = (info.start, info.end)
        renew_at = validity.renew_at
        if window != validity.window:
            life = validity.not_after - validity.not_before
            latest = validity.not_after - policy.latest * life
            renew_at = min(draw(*window), latest)
        # Asked at least twice a day, and sooner where the authority wants to be asked sooner.
        check_at = now + min(wait, max(info.retry_after, 600.0))
        changed = replace(validity, window=window, renew_at=renew_at, check_at=check_at)
    return replace(host, validity=changed, due=min(changed.renew_at, check_at))


def deferred(host: Host, wait: float, now: float, draw: Draw | None = None) -> Host:
    """The row of a host that a budget holds back for ``wait`` seconds: no failure of its own."""
    draw = draw or random.uniform
    return replace(host, due=now + max(wait, 60.0) + draw(0, min(wait + 60.0, 900.0)))


def rehearsed(host: Host, now: float) -> Host:
    """The row after staging accepted the challenge: the next try is a real one, at once."""
    return replace(host, due=now, rehearse=False, order=None)


def asked(host: Host, now: float) -> Host:
    """The row after somebody asked for a new certificate now, for the first time or again.

    A running order goes on; a certificate is renewed though it is good (after revoking it, say); a
    failing host is tried at once, by the budgets like everybody, and keeps counting.
    """
    validity = host.validity
    if validity is not None:
        validity = replace(validity, renew_at=min(validity.renew_at, now))
    return replace(host, due=now, detached=False, validity=validity)


def attached(host: Host, now: float) -> Host:
    """The row after a zombie's DNS check turned good: it starts over."""
    return replace(host, due=now, detached=False, failures=0, failing_since=None)


def failed(
    host: Host,
    error: CertificateError,
    now: float,
    policy: Policy = DEFAULT,
    draw: Draw | None = None,
) -> Host:
    """The row after an error: what is kept, and when it is tried again.

    An order survives everything but its own failure, so that it is resumed and not made anew.
    """
    draw = draw or random.uniform
    failure = Failure(now, error.who, str(error)[:500], error.problem)
    wait = error.retry_after or 0.0
    jitter = draw(1.0, 1.1)
    host = replace(host, failure=failure)
    # A lost order is nobody's failure: the next one may be made soon, budgets allowing.
    if isinstance(error, OrderGone):
        return replace(host, order=None, due=now + max(wait, policy.outage) * jitter)
    if not isinstance(error, OperatorError | Unavailable | RateLimited):
        return _own_failure(host, error, now, policy, wait, jitter)
    pause = policy.operator
    if not isinstance(error, OperatorError):
        age = now - host.order.started if host.order is not None else 0.0
        pause = max(policy.outage, min(age / 4, policy.longest_outage))
    if host.order is not None and now - host.order.started > policy.abandon_order:
        host = replace(host, order=None)
    return replace(host, due=now + max(wait, pause) * jitter)


def _own_failure(
    host: Host, error: CertificateError, now: float, policy: Policy, wait: float, jitter: float
) -> Host:
    failures = host.failures + 1
    since = now if host.failing_since is None else host.failing_since
    delay = policy.retries[failures - 1] if failures <= len(policy.retries) else policy.daily
    ordered = isinstance(error, CustomerError) and host.order is not None
    return replace(
        host,
        order=None,
        failures=failures,
        failing_since=since,
        rehearse=host.rehearse or ordered,
        detached=isinstance(error, CustomerError) and now - since >= policy.detach_after,
        due=now + max(delay, wait) * jitter,
    )
