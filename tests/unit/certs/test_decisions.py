"""What a host needs next, and when: Let's Encrypt's integration guide and RFC 9773 as tests."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs import decisions
from certs.decisions import DAY, Need, Policy
from certs.errors import (
    AccountMissing,
    AuthorityError,
    BadAnswer,
    CertificateError,
    ClockWrong,
    CustomerError,
    OperatorError,
    OrderGone,
    RateLimited,
    Unavailable,
)
from certs.host import Failure, Host, PendingOrder, Validity, from_json, to_json
from certs.issued import Certificate
from certs.renewal_info import RenewalInfo
from tests.unit.certs.authority import HOST, NOW

MINUTE, HOUR = 60.0, 3600.0
ORDER = PendingOrder("https://ca/dir", "key", NOW)


def low(start: float, _: float) -> float:
    """The smallest draw."""
    return start


def high(_: float, end: float) -> float:
    """The largest draw."""
    return end


def certificate(days: float, renewal_id: str | None = "id") -> Certificate:
    """A certificate issued now for so many days."""
    return Certificate(HOST, "key", "chain", NOW, NOW + days * DAY, renewal_id)


def issued(days: float, renewal_id: str | None = "id") -> Validity:
    """What the row of such a certificate says."""
    validity = decisions.issued(Host(HOST), certificate(days, renewal_id), NOW, draw=low).validity
    assert validity is not None
    return validity


# What is needed


def test_a_host_that_is_not_due_needs_nothing() -> None:
    """Whatever else its row says."""
    for host in (Host(HOST), Host(HOST, order=ORDER), Host(HOST, detached=True)):
        assert decisions.need(replace(host, due=NOW + 1), NOW) is Need.NOTHING


def test_needs_have_an_order() -> None:
    """A running order before everything, a zombie's check before a new order."""
    validity = Validity(NOW - DAY, NOW + DAY, "id", renew_at=NOW + 10, check_at=NOW - 1)
    assert decisions.need(Host(HOST), NOW) is Need.ORDER
    assert decisions.need(Host(HOST, order=ORDER, detached=True), NOW) is Need.RESUME
    assert decisions.need(Host(HOST, detached=True), NOW) is Need.CHECK_DNS
    assert decisions.need(Host(HOST, validity=validity), NOW) is Need.RENEWAL_INFO
    late = replace(validity, renew_at=NOW)
    assert decisions.need(Host(HOST, validity=late), NOW) is Need.ORDER
    early = replace(validity, check_at=NOW + 5)
    assert decisions.need(Host(HOST, validity=early), NOW) is Need.NOTHING


# Renewal


@pytest.mark.parametrize(
    ("days", "left"), [(90, 30), (45, 15), (10, 10 / 3), (9.9, 4.95), (6, 3), (160 / 24, 160 / 48)]
)
def test_the_backstop_is_a_share_of_the_lifetime(days: float, left: float) -> None:
    """A third of the lifetime before the end, half of it below ten days; never fixed days."""
    validity = issued(days)
    assert (validity.not_after - validity.renew_at) / DAY == pytest.approx(left)


def test_renewals_without_information_are_spread() -> None:
    """Up to a twentieth of the lifetime earlier, so that an import does not come due at once."""
    host = decisions.issued(Host(HOST), certificate(90), NOW, draw=high)
    assert host.validity is not None
    assert (NOW + 60 * DAY - host.validity.renew_at) / DAY == pytest.approx(4.5)


def test_a_new_certificate_clears_what_was_before() -> None:
    """No order, no failure; renewal information is asked for at once, where there can be any."""
    failure = Failure(NOW, "customer", "text")
    before = Host(HOST, "tenant", NOW, 3, NOW, failure, rehearse=True, order=ORDER)
    after = decisions.issued(before, certificate(90), NOW)
    assert after.tenant == "tenant"
    assert (after.order, after.failure, after.failures, after.rehearse) == (None, None, 0, False)
    assert after.due == NOW
    without = decisions.issued(before, certificate(90, None), NOW)
    assert without.validity is not None
    assert without.due == without.validity.renew_at


def test_a_new_window_is_drawn_from_once() -> None:
    """RFC 9773 § 4.2: a random time inside it, kept until the window changes."""
    host = Host(HOST, validity=issued(90))
    info = RenewalInfo(NOW + 50 * DAY, NOW + 52 * DAY, 6 * HOUR)
    one = decisions.informed(host, info, NOW, draw=lambda a, b: (a + b) / 2)
    assert one.validity is not None
    assert one.validity.renew_at == NOW + 51 * DAY
    assert one.validity.window == (info.start, info.end)
    again = decisions.informed(one, info, NOW, draw=low)
    assert again.validity is not None
    assert again.validity.renew_at == one.validity.renew_at
    moved = decisions.informed(one, replace(info, start=NOW + 40 * DAY), NOW, draw=low)
    assert moved.validity is not None
    assert moved.validity.renew_at == NOW + 40 * DAY


def test_a_window_in_the_past_means_now() -> None:
    """A mass revocation: the order is due at once, with ``replaces``."""
    info = RenewalInfo(NOW - 2 * DAY, NOW - DAY, 6 * HOUR)
    host = decisions.informed(Host(HOST, validity=issued(90)), info, NOW)
    assert host.due <= NOW
    assert decisions.need(host, NOW) is Need.ORDER
    assert decisions.replaces(host) == "id"


def test_a_window_too_late_is_not_waited_for() -> None:
    """An authority that says "after its end" is not believed: a quarter of the life is kept."""
    info = RenewalInfo(NOW + 100 * DAY, NOW + 101 * DAY, 6 * HOUR)
    host = decisions.informed(Host(HOST, validity=issued(90)), info, NOW)
    assert host.validity is not None
    assert host.validity.not_after - host.validity.renew_at >= 90 * DAY / 4


@pytest.mark.parametrize("info", [None, RenewalInfo(NOW + DAY, NOW + 2 * DAY, DAY)])
def test_information_is_asked_for_at_least_twice_a_day(info: RenewalInfo | None) -> None:
    """Jittered, and also where there was none or the authority would be content with less."""
    for draw in (low, high):
        host = decisions.informed(Host(HOST, validity=issued(90)), info, NOW, draw=draw)
        assert host.validity is not None
        assert 9 * HOUR <= host.validity.check_at - NOW <= 12 * HOUR
        assert host.due == min(host.validity.check_at, host.validity.renew_at)


def test_an_authority_may_want_to_be_asked_sooner() -> None:
    """Retry-After, but not more often than every ten minutes."""
    for told, kept in ((HOUR, HOUR), (60.0, 600.0)):
        info = RenewalInfo(NOW + DAY, NOW + 2 * DAY, told)
        host = decisions.informed(Host(HOST, validity=issued(90)), info, NOW, draw=high)
        assert host.validity is not None
        assert host.validity.check_at == NOW + kept


def test_only_orders_inside_the_window_are_exempt() -> None:
    """Before it, after it and without one the budgets count."""
    validity = replace(issued(90), window=(NOW, NOW + 10))
    host = Host(HOST, validity=validity)
    assert decisions.in_window(host, NOW)
    assert not decisions.in_window(host, NOW - 1)
    assert not decisions.in_window(host, NOW + 10)
    assert not decisions.in_window(Host(HOST, validity=issued(90)), NOW)
    assert not decisions.in_window(Host(HOST), NOW)


def test_asking_brings_a_new_certificate() -> None:
    """For a good certificate, a failing host and a zombie; a running order goes on."""
    good = Host(HOST, due=NOW + 50 * DAY, validity=issued(90))
    failing = Host(HOST, due=NOW + DAY, failures=5, failing_since=NOW, detached=True)
    for host in (good, failing):
        asked = decisions.asked(host, NOW)
        assert decisions.need(asked, NOW) is Need.ORDER
        assert asked.failures == host.failures
    running = decisions.asked(replace(good, order=ORDER), NOW)
    assert decisions.need(running, NOW) is Need.RESUME


# Failures


def test_a_failing_host_is_tried_after_1_10_and_100_minutes_then_daily() -> None:
    """Let's Encrypt's guide; counted from the failure, with a tenth of jitter."""
    host, now, delays = Host(HOST), NOW, []
    for _ in range(6):
        host = decisions.failed(host, CustomerError("no answer"), now, draw=low)
        delays.append((host.due - now) / MINUTE)
        now = host.due
    assert delays == pytest.approx([1, 10, 100, 1440, 1440, 1440])
    assert host.failures == 6
    assert host.failing_since == NOW


def test_only_an_order_that_failed_is_rehearsed_next() -> None:
    """A gate that did not open cost nothing, so the next order may be a real one."""
    error = CustomerError("wrong answer")
    assert decisions.failed(Host(HOST, order=ORDER), error, NOW).rehearse
    assert not decisions.failed(Host(HOST), error, NOW).rehearse
    assert not decisions.failed(Host(HOST, order=ORDER), BadAnswer("odd"), NOW).rehearse
    passed = decisions.rehearsed(Host(HOST, rehearse=True, order=ORDER), NOW)
    assert (passed.rehearse, passed.order, passed.due) == (False, None, NOW)


def test_two_weeks_of_failures_make_a_zombie() -> None:
    """Its DNS is looked at daily, until it turns good; only the customer's faults count."""
    host, now = Host(HOST), NOW
    while not host.detached:
        assert now < NOW + 16 * DAY
        host = decisions.failed(host, CustomerError("CNAME elsewhere"), now)
        now = host.due
    assert now > NOW + 14 * DAY
    assert decisions.need(host, now) is Need.CHECK_DNS
    again = decisions.attached(host, now)
    assert decisions.need(again, now) is Need.ORDER
    assert again.failures == 0
    host, now = Host(HOST), NOW
    for _ in range(40):
        host = decisions.failed(host, BadAnswer("odd"), now)
        now = host.due
    assert not host.detached


@pytest.mark.parametrize("error", [Unavailable("503"), RateLimited("429"), OperatorError("disk")])
def test_what_is_not_the_hosts_fault_keeps_its_order(error: CertificateError) -> None:
    """It is resumed, not made anew; nothing is counted against the host."""
    host = decisions.failed(Host(HOST, order=ORDER), error, NOW)
    assert host.order == ORDER
    assert host.failures == 0
    assert host.failure is not None
    assert host.failure.who == error.who


def test_an_outage_is_met_with_growing_patience() -> None:
    """After a minute, then after a quarter of the order's age, at most an hour; a day in all."""
    host, now, delays = Host(HOST, order=ORDER), NOW, []
    while host.order is not None:
        host = decisions.failed(host, Unavailable("503"), now, draw=low)
        delays.append(host.due - now)
        now = host.due
    assert delays[0] == 60.0
    assert delays == sorted(delays)
    assert delays[-1] == HOUR
    assert len(delays) < 50
    assert NOW + DAY < now < NOW + DAY + 3 * HOUR


def test_the_authoritys_own_time_is_respected() -> None:
    """Retry-After of any error, where it is longer than ours."""
    for error in (RateLimited("429", retry_after=7 * HOUR), Unavailable("503", retry_after=5000.0)):
        due = decisions.failed(Host(HOST), error, NOW).due
        assert error.retry_after is not None
        assert NOW + error.retry_after <= due <= NOW + 1.1 * error.retry_after + 1


def test_a_lost_order_is_made_anew_without_blame() -> None:
    """Expired or used up at the authority: soon again, and no failure counted."""
    host = decisions.failed(Host(HOST, order=ORDER), OrderGone("404"), NOW, draw=low)
    assert (host.order, host.failures, host.due) == (None, 0, NOW + 60)


def test_a_wrong_clock_keeps_the_order_and_blames_the_operator() -> None:
    """The certificate is there; it is fetched again when the clock was put right."""
    host = decisions.failed(Host(HOST, order=ORDER), ClockWrong("behind"), NOW)
    assert host.order == ORDER
    assert host.due >= NOW + 600


def test_a_budget_that_is_empty_is_no_failure() -> None:
    """The host waits as long as it takes and a little more, never less than a minute."""
    for wait in (0.5, 36.0, 7 * HOUR):
        for draw in (low, high):
            host = decisions.deferred(Host(HOST), wait, NOW, draw)
            assert max(wait, 60) <= host.due - NOW <= 2 * max(wait, 60) + 900
            assert host.failure is None


ERRORS: list[Callable[[str], CertificateError]] = [
    *(CustomerError, OperatorError, AccountMissing, ClockWrong, Unavailable, RateLimited),
    *(BadAnswer, OrderGone, AuthorityError),
]


@given(st.lists(st.tuples(st.sampled_from(ERRORS), st.booleans()), max_size=40))
def test_no_history_of_failures_makes_a_host_busy_or_forgotten(
    history: list[tuple[Callable[[str], CertificateError], bool]],
) -> None:
    """After any error it is due again: not within a minute, and within a day and a bit."""
    host, now = Host(HOST), NOW
    for error, ordered in history:
        if ordered and host.order is None:
            host = replace(host, order=replace(ORDER, started=now))
        host = decisions.failed(host, error("text"), now, Policy())
        assert 60 <= host.due - now <= 1.1 * DAY
        now = host.due


# The row


@given(
    st.builds(
        Host,
        name=st.text(),
        due=st.floats(0, 1e10),
        failures=st.integers(0, 100),
        failure=st.none() | st.builds(Failure, st.floats(0, 1e10), st.text(), st.text()),
        order=st.none()
        | st.builds(PendingOrder, st.text(), st.text(), st.floats(0, 1e10), st.none() | st.text()),
        validity=st.none()
        | st.builds(
            Validity,
            *(st.floats(0, 1e10), st.floats(0, 1e10), st.none() | st.text()),
            *(st.floats(0, 1e10), st.floats(0, 1e10)),
            window=st.none() | st.tuples(st.floats(0, 1e10), st.floats(0, 1e10)),
        ),
    )
)
def test_a_row_survives_json(host: Host) -> None:
    """What storage writes is what it reads."""
    assert from_json(json.loads(json.dumps(to_json(host)))) == host
