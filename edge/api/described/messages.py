"""Sending, stored messages, the queue and the sandbox's outbox."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from edge.api import messages, outbox, stored_messages
from edge.api.describing import (
    ANYTHING,
    COUNT,
    DATE,
    TEXT,
    Described,
    Field,
    Operation,
    choice,
    many,
    number,
    repeated,
    said,
    shape,
    switch,
    text,
    upload,
)

TITLE: Final = "Messages"

QUEUED: Final = shape(
    {
        "id": {"type": "string", "pattern": "^<.+>$", "description": "Message-Id in brackets."},
        "message": {"const": messages.QUEUED},
    },
    title="Queued",
)
_ANY_HEADER: Final = {"type": "object", "additionalProperties": ANYTHING}
_HEAD: Final = {"sender": TEXT, "recipients": TEXT, "subject": TEXT, "from": TEXT}
_PARTS: Final = {
    "body-plain": TEXT,
    "body-html": TEXT,
    "stripped-text": TEXT,
    "stripped-html": TEXT,
    "stripped-signature": TEXT,
    "message-headers": many(many(TEXT)),
    "attachments": many(shape({"name": TEXT, "content-type": TEXT, "size": COUNT})),
}
STORED: Final = {
    "title": "StoredMessage",
    "description": "The message's header fields at the top level too, as they are called there.",
    "anyOf": [
        {
            "type": "object",
            "properties": {**_HEAD, **_PARTS},
            "required": [*_HEAD, *_PARTS],
            "additionalProperties": TEXT,
        },
        shape({**_HEAD, "body-mime": TEXT}),
    ],
}
_QUEUE: Final = shape(
    {"is_disabled": {"const": False}, "disabled": shape({"until": TEXT, "reason": TEXT})}
)
FINISHED: Final = shape(
    {
        "id": TEXT,
        "recipient": TEXT,
        "created_at": DATE,
        "envelope-sender": TEXT,
        "size": COUNT,
        "subject": TEXT,
        "message-id": TEXT,
    },
    title="Finished",
)

_TRACK: Final = ("yes", "no", "true", "false", "htmlonly")
_OPTIONS: Final = (
    repeated("o:tag", "A tag; at most three count."),
    choice("o:tracking", "Opens and clicks together, for this message.", *_TRACK),
    choice("o:tracking-clicks", "Clicks, for this message.", *_TRACK),
    choice("o:tracking-opens", "Opens, for this message.", *_TRACK),
    choice("o:tracking-pixel-location-top", "The pixel at the beginning.", *_TRACK),
    Field("o:deliverytime", "When to send it: an RFC 2822 date."),
    text("o:deliver-within", "How long it is tried, as 2h30m."),
    switch("o:testmode", "Accepted, and never sent."),
    switch("o:dkim", "Sign it."),
    switch("o:require-tls", "Send it over TLS only."),
    switch("o:skip-verification", "Do not check the mail server's certificate."),
    Field("h:", "A header field, as h:Reply-To.", prefix=True),
    Field("v:", "A variable, which events carry.", prefix=True),
    text(
        "recipient-variables",
        "JSON object of objects by address: everybody gets a copy of their own.",
    ),
)

OPERATIONS: Final[Mapping[Callable[..., Any], Described]] = {
    messages.send: Operation(
        summary="Send a message",
        text="At least one of text, html and amp-html. Up to 1,000 recipients and 25 MB. "
        "One address that is none refuses the whole message.",
        form=(
            repeated("from", "Who writes it.", required=True),
            repeated("to", "Recipients, several in one field by commas.", required=True),
            repeated("cc", "The same, shown as Cc."),
            repeated("bcc", "The same, not shown."),
            text("subject", "The subject."),
            text("text", "The plain part."),
            text("html", "The HTML part."),
            text("amp-html", "The AMP part."),
            upload("attachment", "A file.", required=False, more=True),
            upload("inline", "A file that HTML shows by cid.", required=False, more=True),
            *_OPTIONS,
        ),
        answer=QUEUED,
    ),
    messages.send_mime: Operation(
        summary="Send a whole message",
        form=(
            repeated("to", "Recipients.", required=True),
            upload("message", "The message (RFC 5322), as a file or as text."),
            *_OPTIONS,
        ),
        answer=QUEUED,
    ),
    stored_messages.get_message: Operation(
        summary="A stored message",
        text="With Accept: message/rfc2822 whole, under body-mime; else read into its parts.",
        answer=STORED,
    ),
    stored_messages.resend: Operation(
        summary="Send a stored message again",
        form=(repeated("to", "Recipients.", required=True),),
        answer=QUEUED,
    ),
    stored_messages.get_queues: Operation(
        summary="The state of the queues", answer=shape({"regular": _QUEUE, "scheduled": _QUEUE})
    ),
    stored_messages.purge_queue: Operation(
        summary="Drop what waits to be sent",
        text="But for what is being sent at this moment.",
        answer=said("done"),
    ),
    outbox.list_outbox: Operation(
        summary="Finished messages that the sandbox kept",
        text="An addition to Mailgun's API.",
        query=(number("limit", "Items at most, the newest first.", 1, 1000, 100),),
        answer=shape({"items": many(FINISHED)}),
    ),
    outbox.get_finished: Operation(
        summary="A finished message, byte for byte",
        text="An addition to Mailgun's API.",
        answer={},
        media={"message/rfc822": TEXT},
    ),
}
