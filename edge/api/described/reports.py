"""Mail that came back, handed in over HTTP."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from edge.api import reports
from edge.api.describing import (
    COUNT,
    SWITCH,
    TEXT,
    Described,
    Operation,
    many,
    nullable,
    repeated,
    shape,
    upload,
    word,
)
from edge.returns.reasons import Reason
from edge.returns.report import Kind
from edge.sending.returned_mail import Outcome

TITLE: Final = "Returned mail"

RECIPIENT: Final = shape(
    {
        "recipient": TEXT,
        "final_recipient": TEXT,
        "action": TEXT,
        "severity": word("permanent", "temporary"),
        "reason": word(*(one.value for one in Reason)),
        "status": TEXT,
        "code": COUNT,
        "reply": TEXT,
        "evidence": shape({"rule": TEXT, "matched": TEXT, "source": TEXT}),
    },
    {"type": TEXT},
)
REPORT: Final = shape(
    {
        "kind": word(*(one.value for one in Kind)),
        "format": TEXT,
        "source": TEXT,
        "feedback_type": TEXT,
        "reporting_mta": TEXT,
        "message_id": TEXT,
        "return_path": TEXT,
        "subject": TEXT,
        "recipients": many(RECIPIENT),
        "why": TEXT,
    },
    title="Report",
)
MATCHED: Final = shape(
    {
        "domain": TEXT,
        "recipient": TEXT,
        "message_id": TEXT,
        "by": TEXT,
        "fresh": SWITCH,
        "event_id": TEXT,
        "suppressed": SWITCH,
    }
)
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
                "matched": many(MATCHED),
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
