"""django-anymail's webhook view, fed with what our dispatcher really posts."""

from typing import Any

import django
import pytest
from anymail.exceptions import AnymailWebhookValidationFailure
from anymail.signals import tracking
from anymail.webhooks.mailgun import MailgunTrackingWebhookView
from django.conf import settings
from django.test import RequestFactory

from edge.model.webhook import TYPES
from edge.store.pool import Pool
from tests.integration.store.worlds import facts, store
from tests.integration.webhooks.receivers import KEY, Post
from tests.integration.webhooks.test_dispatching import of_type
from tests.integration.webhooks.worlds import hooked

ITS_WORDS = {
    "accepted": "queued",
    "delivered": "delivered",
    "opened": "opened",
    "clicked": "clicked",
    "unsubscribed": "unsubscribed",
    "complained": "complained",
    "permanent_fail": "bounced",
    "temporary_fail": "deferred",
}
"""What anymail calls each type."""


@pytest.fixture(scope="module", autouse=True)
def django_is_configured() -> None:
    """Django's settings are one for the process."""
    if not settings.configured:
        settings.configure(DEFAULT_CHARSET="utf-8", USE_TZ=True)
        django.setup()


class _Listener:
    """What anymail tells a Django project."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def __call__(self, event: Any, **_: Any) -> None:
        self.told.append(event)


def _feed(post: Post, key: str, body: bytes | None = None) -> int:
    view = MailgunTrackingWebhookView.as_view(webhook_signing_key=key)
    request = RequestFactory().post(
        "/anymail/mailgun/tracking/",
        data=post.body if body is None else body,
        content_type=post.headers["Content-Type"],
    )
    status: int = view(request).status_code
    return status


async def _posted(db: Pool) -> dict[str, Post]:
    """One POST of each type, as it came over HTTP."""
    async with hooked(db) as world, world.dispatching():
        await world.set({f"/200/{kind}": [kind] for kind in TYPES})
        known = facts("news", user_variables={"order": "42"})
        async with db.acquire() as conn:
            await store(conn, *(of_type(kind) for kind in TYPES), facts=[known])
        await world.receiver.wait(len(TYPES))
        await world.settled(len(TYPES))
        return {kind: world.receiver.at(f"/200/{kind}")[0] for kind in TYPES}


async def test_its_view_understands_every_type(db: Pool) -> None:
    """Verified by its own means; each is the event it was, about whom and what it was."""
    posts = await _posted(db)
    listener = _Listener()
    tracking.connect(listener, weak=False)
    try:
        for kind, post in posts.items():
            listener.told.clear()
            assert _feed(post, KEY) == 200
            (event,) = listener.told
            assert event.event_type == ITS_WORDS[kind], kind
            assert event.recipient == "ann@example.net"
            assert event.message_id == "<m1@mg.example.com>"  # as sending answers it
            assert event.tags == ["news"]
            assert event.metadata == {"order": "42"}
            assert event.event_id == post.signature["token"]
            assert event.timestamp.timestamp() == pytest.approx(post.event["timestamp"], abs=1e-5)
            if kind == "clicked":
                assert event.click_url == "https://shop.example/"
    finally:
        tracking.disconnect(listener)


async def test_its_view_refuses_what_is_not_ours(db: Pool) -> None:
    """Another key, or another token under our signature: nobody is told."""
    posts = await _posted(db)
    listener = _Listener()
    tracking.connect(listener, weak=False)
    try:
        post = posts["opened"]
        forged = post.body.replace(post.signature["token"].encode(), b"0" * 50)
        with pytest.raises(AnymailWebhookValidationFailure):
            _feed(post, KEY + "x")
        with pytest.raises(AnymailWebhookValidationFailure):
            _feed(post, KEY, forged)
    finally:
        tracking.disconnect(listener)
    assert listener.told == []
