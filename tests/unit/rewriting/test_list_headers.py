"""``List-Unsubscribe`` and its one-click companion."""

import pytest

from edge.model.tokens import Level, UnsubscribeTarget
from edge.rewriting.message import compile_message
from edge.rewriting.slots import Copy, Facts
from edge.rewriting.switches import Clicks, Tracking
from edge.rewriting.variables import Recipient
from tests.unit.rewriting.world import html, instrumented, options, seal, targets, text

ONE_CLICK = b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"


@pytest.mark.parametrize("https", [True, False])
def test_one_click_is_offered_over_https_only(https: bool) -> None:
    """RFC 8058 section 3.1; both fields come behind all others, and the body is as it was."""
    message = text("no links")
    sent, report = instrumented(message, list_headers=True, https=https)
    head, _, body = sent.partition(b"\r\n\r\n")
    assert (head + b"\r\n").count(ONE_CLICK) == https
    assert head.startswith(message.partition(b"\r\n\r\n")[0] + b"\r\nList-Unsubscribe: <http")
    assert body == b"no links"
    (target,) = targets(sent)
    assert isinstance(target, UnsubscribeTarget)
    assert (target.level, target.names) == (Level.LIST, ["l@example.com"])
    assert report.added == len(sent) - len(message)


def test_outside_a_list_it_is_the_domains_unsubscribe_and_by_mail_too() -> None:
    """The address comes first where there is one."""
    facts = Facts(domain=1, message_id="m@example.com")
    copy = Copy(facts, seal, Recipient("ann@example.net"), {}, lambda _: "u-1@b.example.com")
    sent = compile_message(text("x"), options(list_headers=True)).render(copy)
    assert b"\r\nList-Unsubscribe: <mailto:u-1@b.example.com>,\r\n <http" in sent
    (target,) = targets(sent)
    assert isinstance(target, UnsubscribeTarget)
    assert target.level is Level.DOMAIN


@pytest.mark.parametrize(
    "message",
    [
        b"list-unsubscribe: <mailto:x@example.com>\r\n" + html("x"),
        b"Subject: no body, and no line break",
    ],
)
def test_the_senders_own_stays_the_only_one(message: bytes) -> None:
    """And nothing is put behind a field that does not end."""
    sent, _ = instrumented(message, list_headers=True)
    assert sent.lower().count(b"list-unsubscribe") == message.lower().count(b"list-unsubscribe")


def test_nothing_is_offered_where_unsubscribing_is_off() -> None:
    """The switch of the domain."""
    tracking = Tracking(opens=True, clicks=Clicks.YES)
    sent, _ = instrumented(html("x"), list_headers=True, tracking=tracking)
    assert b"List-Unsubscribe" not in sent
