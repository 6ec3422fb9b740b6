"""What becomes of an attempt: row, event and suppression."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.returns.reasons import HARD, Reason
from edge.sending import retry
from edge.sending.events import Told
from edge.sending.outcomes import (
    DEFERRED,
    DELIVERED,
    FAILED,
    Outcome,
    Tried,
    given_up,
    outcome_of,
    suppressed_outcome,
)
from edge.sending.reading import SECOND_US
from edge.sending.relay import Accepted, Failed
from edge.sending.replies import Reply, Verdict
from edge.store.deliveries import Delivery
from edge.store.suppressions import Block

NOW = 1_750_000_000 * SECOND_US
LIFE = round(retry.LIFE) * SECOND_US
TOLD = Told(
    domain=3, message_id="m@x", sender="s@x", key="k", url="u", test_mode=False, authenticated=True
)


def _tried(result: Accepted | Failed, *, attempts: int = 0, passed: int = 0) -> Tried:
    delivery = Delivery(
        id=7,
        message=1,
        domain=3,
        recipient="Ann@example.net",
        name="",
        variables=None,
        accepted_at=NOW,
        expires_at=NOW + LIFE,
        attempts=attempts,
    )
    return Tried(
        delivery=delivery,
        told=TOLD,
        result=result,
        at=NOW + passed,
        seconds=1.23456,
        ends_at=NOW + LIFE,
    )


def _failed(reason: Reason, code: int = 450, *, duplicate: bool = False) -> Failed:
    verdict = Verdict(reason, code, "4.2.1", "text", "rule")
    return Failed(verdict, "mx.test", possible_duplicate=duplicate)


def _status(outcome: Outcome) -> dict[str, object]:
    status: dict[str, object] = json.loads(outcome.event.detail)["delivery-status"]
    return status


def test_delivered() -> None:
    """The reply, the host and how long it took."""
    outcome = outcome_of(_tried(Accepted(Reply(250, "2.0.0", "queued"), "mx", True, False)))
    assert (outcome.name, outcome.suppression, outcome.event.event) == (
        DELIVERED,
        None,
        "delivered",
    )
    assert (outcome.settled.due, outcome.settled.outcome, outcome.settled.attempts) == (
        *(None, "delivered", 1),
    )
    status = _status(outcome)
    assert (status["code"], status["message"], status["enhanced-code"]) == (250, "queued", "2.0.0")
    assert (status["mx-host"], status["tls"], status["session-seconds"]) == ("mx", True, 1.235)


@given(st.sampled_from(Reason), st.integers(0, 10), st.integers(0, LIFE), st.booleans())
def test_every_failure_is_retried_ended_or_suppressed(
    reason: Reason, attempts: int, passed: int, duplicate: bool
) -> None:
    """Hard: at once and with a suppression. Soft: later, within its life, else 602 and no more."""
    failed = _failed(reason, duplicate=duplicate)
    outcome = outcome_of(_tried(failed, attempts=attempts, passed=passed))
    settled, event = outcome.settled, outcome.event
    assert (settled.id, settled.attempts, event.event) == (7, attempts + 1, "failed")
    assert _status(outcome)["attempt-no"] == attempts + 1
    assert _status(outcome).get("possible-duplicate", False) is duplicate
    assert (outcome.suppression is not None) is (reason in HARD)
    if reason in HARD:
        assert (event.severity, event.reason, settled.due) == ("permanent", "bounce", None)
        assert outcome.suppression is not None
        assert (outcome.suppression.kind, outcome.suppression.code) == ("bounce", "450")
        assert outcome.suppression.event_id == event.id
    elif settled.due is None:
        assert (event.severity, event.reason, outcome.name) == ("permanent", "old", FAILED)
        assert _status(outcome)["code"] == 602
    else:
        assert NOW + passed < settled.due <= NOW + LIFE
        assert (event.severity, outcome.name, settled.outcome) == ("temporary", DEFERRED, None)
        assert _status(outcome)["retry-seconds"] == (settled.due - NOW - passed) // SECOND_US


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (Reason.ON_HOLD, "greylisted"),
        (Reason.BLOCKED, "blacklisted"),
        (Reason.SPAM, "espblock"),
        (Reason.MAILBOX_FULL, "generic"),
        (Reason.USER_UNKNOWN, "bounce"),
    ],
)
def test_mailguns_reasons(reason: Reason, word: str) -> None:
    """What its clients look at; ours stands in the delivery status."""
    outcome = outcome_of(_tried(_failed(reason)))
    assert outcome.event.reason == word
    assert _status(outcome)["reason"] == reason.value


def test_a_hard_failure_without_a_reply() -> None:
    """A domain that does not exist has no code of its own: the list says 550."""
    outcome = outcome_of(_tried(_failed(Reason.HOST_UNKNOWN, 0)))
    assert outcome.suppression is not None
    assert outcome.suppression.code == "550"


@pytest.mark.parametrize(
    ("block", "code"), [(Block.BOUNCE, 605), (Block.UNSUBSCRIBE, 606), (Block.COMPLAINT, 607)]
)
def test_suppressed(block: Block, code: int) -> None:
    """Never tried, for good, and not suppressed anew."""
    outcome = suppressed_outcome(_tried(_failed(Reason.SYSTEM)), block)
    assert (outcome.event.reason, outcome.event.severity) == (f"suppress-{block}", "permanent")
    assert (_status(outcome)["code"], outcome.suppression) == (code, None)
    assert (outcome.settled.outcome, outcome.settled.due) == (FAILED, None)


def test_given_up() -> None:
    """What cannot be sent ends at once, is not called too old, and suppresses nobody."""
    outcome = given_up(_tried(_failed(Reason.SYSTEM)), "the message is gone")
    assert (outcome.event.severity, outcome.event.reason) == ("permanent", "generic")
    assert (_status(outcome)["message"], outcome.suppression) == ("the message is gone", None)
    assert outcome.settled.due is None
