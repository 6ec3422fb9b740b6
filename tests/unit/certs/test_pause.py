"""When an authority is left alone altogether."""

from certs.errors import CustomerError, OperatorError, RateLimited, Unavailable, Unfinished
from certs.pause import Pause


def test_three_hosts_in_a_row_pause_everything_longer_each_time() -> None:
    """A minute, two, four … an hour at most; the first success ends the series."""
    pause, now, lengths = Pause(60.0), 0.0, []
    for number in range(12):
        pause.failed(f"host{number}.example.com", Unavailable("503"), now)
        before = now
        while pause.lasts(now):
            now += 1
        lengths.append(now - before)
    assert lengths[:6] == [0, 0, 60, 120, 240, 480]
    assert lengths[-1] == 3600
    pause.succeeded()
    pause.failed("one.example.com", Unavailable("503"), now)
    assert not pause.lasts(now)


def test_one_host_alone_pauses_nobody() -> None:
    """It has its own times; the others are served."""
    pause = Pause(60.0)
    for _ in range(10):
        pause.failed("one.example.com", OperatorError("odd"), 0.0)
    assert not pause.lasts(0.0)


def test_a_full_domain_does_not_stop_the_others() -> None:
    """Fifty limited hosts of one customer count once; limits all over count."""
    pause = Pause(60.0)
    for number in range(50):
        pause.failed(f"host{number}.brand.com", RateLimited("429"), 0.0)
    assert not pause.lasts(0.0)
    for number in range(2):
        pause.failed(f"email.brand{number}.com", RateLimited("429"), 0.0)
    assert pause.lasts(0.0)


def test_slow_orders_pause_nobody() -> None:
    """The authority answers; it takes its time with some."""
    pause = Pause(60.0)
    for number in range(10):
        pause.failed(f"email.brand{number}.com", Unfinished("still processing"), 0.0)
    assert not pause.lasts(0.0)


def test_customers_faults_pause_nobody() -> None:
    """Ten thousand broken set-ups are no outage."""
    pause = Pause(60.0)
    for number in range(100):
        pause.failed(f"email.brand{number}.com", CustomerError("no answer"), 0.0)
    assert not pause.lasts(0.0)
