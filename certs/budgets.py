"""Budgets below the authority's limits, as leaky buckets whose level is one number each.

Let's Encrypt's limits (https://letsencrypt.org/docs/rate-limits/) are buckets that refill at a
steady rate; a bucket here is smaller, so that ours is empty before theirs is. A bucket is kept as
the time at which it will be full again (the "theoretical arrival time" of the GCRA): storage holds
one float per key, and taking is a compare of floats inside one transaction.

Exempt there and so here: a renewal of the same names from the limits per account and per domain;
an order that ``replaces`` a certificate inside its renewal window from all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from certs.names import registered_domain

HOUR = 3600.0
WEEK = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``count`` at once, refilled at ``count`` per ``period`` seconds."""

    count: int
    period: float

    def part(self, share: float) -> "Limit":
        """This limit, ``share`` of it, but at least one."""
        return Limit(max(1, int(self.count * share)), self.period)


@dataclass(frozen=True, slots=True)
class Charge:
    """One unit of one bucket."""

    key: str
    limit: Limit


@dataclass(frozen=True, slots=True)
class Limits:
    """What an authority publishes; the defaults are Let's Encrypt's of September 2026.

    ``failures`` are failed authorizations per name and account. ``tenant`` is no authority's
    limit but ours: new host names of one customer. ``pace`` bounds every order, exempt or not, as
    CertMagic does.
    """

    orders: Limit = Limit(300, 3 * HOUR)
    domain: Limit = Limit(50, WEEK)
    names: Limit = Limit(5, WEEK)
    failures: Limit = Limit(5, HOUR)
    tenant: Limit = Limit(1000, 24 * HOUR)
    pace: Limit = Limit(10, 10.0)


@dataclass(frozen=True, slots=True)
class Budgets:
    """Which buckets an order takes from, at ``share`` of the published limits."""

    limits: Limits = field(default_factory=Limits)
    share: float = 0.8

    def charges(
        self, host: str, tenant: str, *, renewal: bool, exempt: bool, directory: str = ""
    ) -> tuple[Charge, ...]:
        """The charges of one order at the authority with this directory.

        Every try is charged to ``failures``, before anyone knows how it ends: whatever happens,
        the authority's own count stays below its limit.
        """
        limits, share = self.limits, self.share
        taken = [
            Charge(f"{directory} pace", limits.pace),
            Charge(f"{directory} tries {host}", limits.failures.part(share)),
        ]
        if not exempt:
            taken.append(Charge(f"{directory} names {host}", limits.names.part(share)))
        if not (exempt or renewal):
            domain = registered_domain(host)
            taken.append(Charge(f"{directory} orders", limits.orders.part(share)))
            taken.append(Charge(f"{directory} domain {domain}", limits.domain.part(share)))
            taken.append(Charge(f"{directory} tenant {tenant}", limits.tenant))
        return tuple(taken)


def take(
    levels: Mapping[str, float], charges: Sequence[Charge], now: float
) -> tuple[dict[str, float], float]:
    """Take one unit of every bucket, or of none.

    The new levels of the buckets and 0, or nothing and the seconds until it is worth asking again.
    A level far in the future (the clock was set back) counts as a full bucket's worth at most.
    """
    changed: dict[str, float] = {}
    wait = 0.0
    for charge in charges:
        each = charge.limit.period / charge.limit.count
        level = min(max(levels.get(charge.key, now), now), now + charge.limit.period)
        wait = max(wait, level + each - (now + charge.limit.period))
        changed[charge.key] = level + each
    # A float's rounding must not make anybody wait for a nanosecond.
    return ({}, wait) if wait > 1e-6 else (changed, 0.0)


def spread(hosts: int, now: float, budgets: Budgets, share: float = 0.75) -> list[float]:
    """Times at which so many new hosts come due, for importing them at once.

    They use ``share`` of the budget for orders: a customer who asks for one certificate while an
    import of 10,000 runs does not wait for its end.
    """
    limit = budgets.limits.orders.part(budgets.share * share)
    each = limit.period / limit.count
    return [now + number * each for number in range(hosts)]
