"""A made-up event of each type, as an endpoint is shown it by a test; pure."""

from edge.model.event import ClientInfo, Event, Geolocation
from edge.model.mailgun_json import dumps, render
from edge.model.webhook import TYPES

_DETAIL = (
    b'{"envelope":{"transport":"smtp","targets":"alice@example.com"},"flags":{"is-test-mode":false}'
    b',"delivery-status":{"attempt-no":1,"code":%d,"description":"","message":"%b"}}'
)


def sample(kind: str, domain: str, now_us: int, event_id: bytes) -> str:
    """The JSON of a made-up event of a type, in a domain, just now."""
    assert kind in TYPES, "the caller has checked it"
    fails = kind.endswith("_fail")
    severity = kind.removesuffix("_fail") if fails else ""
    event = Event(
        id=event_id,
        event="failed" if fails else kind,
        at=now_us,
        domain=0,
        recipient="alice@example.com",
        message_id=f"20130503182626.18666.16540@{domain}",
        url=f"https://{domain}/example" if kind == "clicked" else "",
        ip="192.0.2.7",
        user_agent="Mozilla/5.0 (X11; Linux x86_64) Chrome/126.0.0.0",
        client=ClientInfo("browser", "Linux", "desktop", "Chrome"),
        geolocation=Geolocation("US", "CA", "San Francisco"),
        severity=severity,
        reason="bounce" if severity == "permanent" else "generic" if severity else "",
        detail=_DETAIL % ((550, b"no such user") if fails else (250, b"OK")),
    )
    return dumps(
        render(
            event,
            tags=["my_tag_1", "my_tag_2"],
            user_variables={"my_var_1": "Mailgun Variable #1", "my-var-2": "awesome"},
            headers={
                "to": "Alice <alice@example.com>",
                "from": f"Bob <bob@{domain}>",
                "subject": "Test webhook",
            },
            about={"size": 111},
        )
    )
