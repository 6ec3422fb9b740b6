"""Webhooks of a domain and of the account, and the key that signs them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from edge.api import account_webhooks, webhooks
from edge.api.describing import (
    COUNT,
    DESCRIPTION,
    MESSAGE,
    REASON,
    TEXT,
    Described,
    Field,
    Operation,
    Schema,
    choice,
    many,
    number,
    repeated,
    said,
    shape,
    switch,
    text,
    word,
)
from edge.model.webhook import MOST_URLS, TYPES
from edge.webhooks.places import LONGEST_DESCRIPTION

TITLE: Final = "Webhooks"

URLS: Final = shape({"urls": many(TEXT)}, title="Urls")
BY_TYPE: Final = shape({"webhooks": shape({}, dict.fromkeys(TYPES, URLS))})
ACCOUNT_WEBHOOK: Final = shape(
    {
        "webhook_id": TEXT,
        "description": TEXT,
        "url": TEXT,
        "event_types": many(word(*TYPES)),
        "created_at": {"type": "string", "format": "date-time"},
    },
    title="AccountWebhook",
)
_ERRORS: Final[Mapping[int, Schema]] = {400: REASON, 404: {"anyOf": [DESCRIPTION, MESSAGE]}}
_NO_URL: Final = {"anyOf": [REASON, shape({"Field": {"const": "url"}, "message": TEXT})]}
_URLS: Final = repeated("url", f"A URL that is called; at most {MOST_URLS}.", required=True)
_TYPES: Final = Field(
    "event_types", "For which events; several by commas too.", word(*TYPES), True, True
)
_URL: Final = text("url", "The URL that is called.", required=True)
_IDS: Final = text("webhook_ids", "Only these, by commas.")


OPERATIONS: Final[Mapping[Callable[..., Any], Described]] = {
    webhooks.list_webhooks: Operation(
        summary="URLs of a domain by type", answer=BY_TYPE, others=_ERRORS
    ),
    webhooks.get_webhook: Operation(
        summary="URLs of one type", answer=shape({"webhook": URLS}), others=_ERRORS
    ),
    webhooks.create_webhook: Operation(
        summary="URLs for a type that has none",
        text="With event_types in place of id it is what POST /v4/domains/{name}/webhooks is.",
        form=(choice("id", "The type.", *TYPES), _URLS),
        answer={"anyOf": [said(webhooks.CREATED, {"webhook": URLS}), BY_TYPE]},
        others=_ERRORS,
    ),
    webhooks.change_webhook: Operation(
        summary="Other URLs for a type",
        form=(_URLS,),
        answer=said(webhooks.UPDATED, {"webhook": URLS}),
        others=_ERRORS,
    ),
    webhooks.delete_webhook: Operation(
        summary="No URL any more for a type",
        answer=said(webhooks.DELETED, {"webhook": URLS}),
        others=_ERRORS,
    ),
    webhooks.test_webhook: Operation(
        summary="Call a URL with a made-up event",
        text="The type's first URL, unless another is given.",
        form=(text("url", "The URL."),),
        answer=shape({"code": COUNT, "message": TEXT}),
        others=_ERRORS,
    ),
    webhooks.create_by_url: Operation(
        summary="A URL for some types",
        form=(_URL, _TYPES),
        answer=BY_TYPE,
        others=_ERRORS,
    ),
    webhooks.change_by_url: Operation(
        summary="Other types for a URL",
        form=(_URL, _TYPES),
        answer=BY_TYPE,
        others=_ERRORS,
    ),
    webhooks.delete_by_url: Operation(
        summary="No type any more for some URLs",
        query=(repeated("url", "URLs, by commas too."),),
        answer=BY_TYPE,
        others={**_ERRORS, 400: _NO_URL},
    ),
    account_webhooks.list_webhooks: Operation(
        summary="Webhooks of all domains together",
        query=(_IDS,),
        answer=shape({"webhooks": many(ACCOUNT_WEBHOOK)}),
        others=_ERRORS,
    ),
    account_webhooks.get_webhook: Operation(
        summary="One of them", answer=ACCOUNT_WEBHOOK, others=_ERRORS
    ),
    account_webhooks.create_webhook: Operation(
        summary="A URL that is called for all domains",
        text="Needs a key of the account.",
        form=(
            _URL,
            _TYPES,
            text("description", "What for.", longest=LONGEST_DESCRIPTION),
        ),
        answer=shape({"webhook_id": TEXT}),
        others=_ERRORS,
    ),
    account_webhooks.change_webhook: Operation(
        summary="Change one of them",
        text="What is not given stays. Needs a key of the account.",
        form=(
            text("url", "The URL."),
            Field("event_types", "For which events.", word(*TYPES), False, True),
            text("description", "What for.", longest=LONGEST_DESCRIPTION),
        ),
        answer=said(webhooks.UPDATED, {"webhook_id": TEXT}),
        others=_ERRORS,
    ),
    account_webhooks.delete_webhook: Operation(
        summary="Remove one of them",
        answer=said(webhooks.DELETED, {"webhook_id": TEXT}),
        others=_ERRORS,
    ),
    account_webhooks.delete_webhooks: Operation(
        summary="Remove some of them, or all",
        query=(_IDS, switch("all", "Every one.")),
        answer=said(webhooks.DELETED, {"webhook_ids": many(TEXT)}),
        others=_ERRORS,
    ),
    account_webhooks.get_key: Operation(
        summary="The key that signs webhooks",
        text="With the replaced one while that goes on signing. Needs a key of the account.",
        answer=said(
            "success",
            {"http_signing_key": TEXT},
            {"previous": shape({"http_signing_key": TEXT, "until": COUNT})},
        ),
        others=_ERRORS,
    ),
    account_webhooks.new_key: Operation(
        summary="Another key that signs webhooks",
        text="The replaced one goes on signing for a while. Needs a key of the account.",
        form=(
            text("http_signing_key", "The key; one is made unless told."),
            number("grace", "Seconds for which the replaced one signs too.", 0, 30 * 86_400),
        ),
        answer=said(account_webhooks.REGENERATED, {"http_signing_key": TEXT}),
        others=_ERRORS,
    ),
}
