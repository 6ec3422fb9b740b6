"""Certificates of tracking hosts."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from edge.api import certificates
from edge.api.describing import (
    DATE,
    DESCRIPTION,
    MESSAGE,
    REASON,
    TEXT,
    TOO_MANY,
    Described,
    Operation,
    nullable,
    said,
    shape,
    word,
)
from edge.model.certificate import Status

TITLE: Final = "Certificates"

STARTED: Final = said(certificates.STARTED, {"location": TEXT})
STATUS: Final = shape(
    {
        "status": word(*(one.value for one in Status if one is not Status.NONE)),
        "message": TEXT,
        "error": nullable(TEXT),
        "certificate": nullable(TEXT),
    },
    {"expires_at": DATE, "reason": TEXT, "who": TEXT, "retry_at": DATE},
    title="CertificateStatus",
)
_WRONG: Final = {"anyOf": [REASON, MESSAGE]}
_BUSY: Final = {"anyOf": [DESCRIPTION, TOO_MANY]}

OPERATIONS: Final[Mapping[Callable[..., Any], Described]] = {
    certificates.generate: Operation(
        summary="Ask for a certificate",
        text="The host's CNAME has to lead here. What became of it is told at the location.",
        status=202,
        answer=STARTED,
        others={400: _WRONG, 404: DESCRIPTION, 409: DESCRIPTION},
    ),
    certificates.renew: Operation(
        summary="Renew a certificate that has ended",
        text="Until it has, that is done without asking.",
        status=202,
        answer=STARTED,
        others={400: _WRONG, 404: DESCRIPTION, 409: DESCRIPTION, 429: _BUSY},
    ),
    certificates.status: Operation(
        summary="What became of a certificate",
        answer=STATUS,
        others={404: DESCRIPTION},
    ),
}
