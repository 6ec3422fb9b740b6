"""The definitions of metrics, and hours, days and months."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model import periods
from edge.model.mailgun_json import render
from edge.model.metrics import METRICS, Rate, Sum, ratio, sums_of, values
from edge.model.providers import provider_of
from edge.sending import events as sending
from tests.integration.api.figures import key_of

REASONS = (
    *("bounce", "generic", "greylisted", "blacklisted", "espblock", "old", "delayed-bounce"),
    *("suppress-bounce", "suppress-unsubscribe", "suppress-complaint", "webhook", "hardfail"),
)
KEYS = (
    *("accepted", "delivered", "delivered/retried", "opened", "clicked", "unsubscribed"),
    *("complained", "stored", "rejected"),
    *(f"failed/permanent/{reason}" for reason in REASONS),
    *(f"failed/temporary/{reason}" for reason in ("generic", "espblock", "greylisted")),
)
counted = st.dictionaries(
    st.sampled_from(KEYS), st.tuples(st.integers(0, 1000), st.integers(0, 1000)), max_size=len(KEYS)
)


@given(counted)
def test_metrics_add_up_as_mailgun_defines_them(keys: dict[str, tuple[int, int]]) -> None:
    """The identities of the published definitions, whatever was counted."""
    sums = {one: one.of(keys) for one in sums_of(METRICS)}
    found = values([name for name in METRICS if isinstance(METRICS[name], Sum)], sums)
    number = {name: int(value) for name, value in found.items()}
    suppressed = sum(
        number[f"suppressed_{kind}_count"] for kind in ("bounces", "unsubscribed", "complaints")
    )
    permanent = number["permanent_failed_count"]
    for name, value in {
        "accepted_count": number["accepted_incoming_count"] + number["accepted_outgoing_count"],
        "delivered_count": number["delivered_smtp_count"] + number["delivered_http_count"],
        "failed_count": permanent + number["temporary_failed_count"],
        "bounced_count": permanent - suppressed,
        "sent_count": number["delivered_count"] + permanent - suppressed,
        "processed_count": number["delivered_count"]
        + permanent
        - number["webhook_count"]
        - number["delayed_bounce_count"],
        "delayed_first_attempt_count": number["delivered_two_plus_attempts_count"]
        + number["permanent_failed_old_count"],
        "delivered_first_attempt_count": number["delivered_count"]
        - number["delivered_two_plus_attempts_count"],
    }.items():
        assert number[name] == value, name
    assert number["opened_count"] == keys.get("opened", (0, 0))[0]
    assert number["unique_clicked_count"] == keys.get("clicked", (0, 0))[1]


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(2, 3, "0.6667"), (0, 5, "0.0000"), (5, 0, "0.0000"), (3, 2, "1.5000"), (1, 20000, "0.0001")],
)
def test_rates_have_four_decimals(part: int, whole: int, text: str) -> None:
    """Fractions, not percent; half a digit goes up; nothing is divided by zero."""
    assert ratio(part, whole) == text


def test_every_rate_divides_two_counts() -> None:
    """A rate's sums are those of counts, so that it can be recomputed from an answer."""
    counts = {metric for metric in METRICS.values() if isinstance(metric, Sum)}
    rates = [metric for metric in METRICS.values() if isinstance(metric, Rate)]
    assert len(rates) == 13
    assert all(rate.part in counts and rate.whole in counts for rate in rates)


times = st.integers(0, 4_000_000_000_000_000)


@given(times, st.sampled_from(("hour", "day", "month")))
def test_periods_partition_time(at: int, resolution: str) -> None:
    """Every time lies in exactly one period, and the next one follows without a gap."""
    start = periods.floor(at, resolution)
    end = periods.following(start, resolution)
    assert start <= at < end
    assert periods.floor(end - 1, resolution) == start
    assert periods.floor(end, resolution) == end
    assert periods.ceiling(at, resolution) in {start, end}
    assert periods.buckets(start, end, resolution, 5) == [start]


@given(times, st.integers(0, 1000))
def test_months_back_keep_the_day_where_there_is_one(at: int, months: int) -> None:
    """The same day of an earlier month, or that month's last day; never before 1970."""
    then = periods.months_before(at, months)
    now_date, then_date = (datetime.fromtimestamp(t // 1_000_000, UTC) for t in (at, then))
    number = now_date.year * 12 + now_date.month - months
    if number <= 1970 * 12:
        assert then == 0
    else:
        assert then_date.year * 12 + then_date.month == number
        assert then_date.day == now_date.day or then_date.day >= 28
        assert then % periods.DAY_US == at % periods.DAY_US


def test_providers() -> None:
    """Known domains have their provider's name, in any case; the others are Other."""
    assert provider_of("GoogleMail.com") == "Gmail"
    assert provider_of("example.net") == "Other"


@pytest.mark.parametrize(("attempt", "key"), [(1, "delivered"), (3, "delivered/retried")])
def test_a_later_delivery_is_counted_apart(attempt: int, key: str) -> None:
    """By its reason, which its JSON does not show; both are deliveries over SMTP."""
    told = sending.Told(
        domain=1, message_id="m@x", sender="a@x", key="k", url="u", test_mode=False,
        authenticated=True,
    )  # fmt: skip
    tried = sending.Attempt(number=attempt, host="mx", tls=True, verified=True, seconds=0.1)
    event = sending.delivered(told, "ann@example.net", 1, tried, code=250, enhanced="", text="OK")
    assert key_of(event) == key
    rendered = render(event, tags=[], user_variables={})
    assert "reason" not in rendered
    assert rendered["delivery-status"]["attempt-no"] == attempt
    for name in ("delivered_count", "delivered_smtp_count", "sent_count", "processed_count"):
        metric = METRICS[name]
        assert isinstance(metric, Sum)
        assert metric.counts(key)
    first = METRICS["delivered_first_attempt_count"]
    assert isinstance(first, Sum)
    assert first.counts(key) is (attempt == 1)
