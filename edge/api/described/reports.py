"""Mail that came back, handed in over HTTP."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from edge.api import reports
from edge.api.describing import (
    ANYTHING,
    COUNT,
    TEXT,
    Described,
    Operation,
    Schema,
    by_name,
    many,
    nullable,
    repeated,
    shape,
    upload,
    word,
)
from edge.returns.report import Kind
from edge.sending.returned_mail import Outcome

TITLE: Final = "Returned mail"

REPORT: Final[Schema] = {
    "title": "Report",
    "type": "object",
    "properties": {"kind": word(*(one.value for one in Kind))},
    "required": ["kind"],
}
_MAIL: Final = (
    upload("message", "The mail (RFC 5322), as a file or as text."),
    repeated("to", "Whom it was addressed to, where that is known."),
)
_RAW: Final = (
    "An addition to Mailgun's API. The mail may also be the whole body, with Content-Type: "
    "message/rfc822."
)

OPERATIONS: Final[Mapping[Callable[..., Any], Described]] = {
    reports.report: Operation(
        summary="Act upon a bounce, a complaint or another mail that came back",
        text=_RAW,
        form=_MAIL,
        answer=shape(
            {
                "outcome": word(*(one.value for one in Outcome)),
                "why": TEXT,
                "unparsed": nullable(COUNT),
                "matched": many(by_name(ANYTHING)),
                "report": REPORT,
            }
        ),
    ),
    reports.explain: Operation(
        summary="What such a mail would be read as",
        text=_RAW,
        form=_MAIL,
        answer=REPORT,
    ),
}
