"""From a capture to what is stored of it: the event, the change of a suppression, or nothing."""

from edge.enrich.pipeline import Labelled
from edge.model.capture import Act, Capture
from edge.model.event import Event, UnsubscribeChange
from edge.model.tokens import ClickTarget, UnsubscribeTarget, unpack_message_id

EVENT: dict[Act, str] = {
    Act.OPEN: "opened",
    Act.CLICK: "clicked",
    Act.UNSUBSCRIBE: "unsubscribed",
    Act.UNSUBSCRIBE_BY_GET: "unsubscribed",
}


def event_of(capture: Capture, labelled: Labelled, domain_name: str) -> Event | None:
    """The event of a capture; None for acts that are evidence or an undoing only.

    An unsubscribe by GET is an event only if no bot made it: a scanner that follows the link must
    neither unsubscribe anybody nor tell a webhook that it did.
    """
    name = EVENT.get(capture.act)
    if name is None or (capture.act is Act.UNSUBSCRIBE_BY_GET and labelled.verdict.bot):
        return None
    target = capture.target
    click = target if isinstance(target, ClickTarget) else None
    return Event(
        id=capture.id,
        event=name,
        at=capture.at,
        domain=target.domain,
        recipient=target.recipient,
        message_id=unpack_message_id(target.message_id, domain_name),
        method=capture.method,
        repeat=capture.repeat,
        url=click.url if click else "",
        position=click.position if click else None,
        ip=capture.ip,
        user_agent=capture.user_agent,
        client=labelled.client,
        geolocation=labelled.geolocation,
        network=labelled.network,
        verdict=labelled.verdict,
    )


def change_of(capture: Capture, event: Event | None, domain_name: str) -> UnsubscribeChange | None:
    """The change of a suppression that a capture makes, if any."""
    target = capture.target
    if not isinstance(target, UnsubscribeTarget):
        return None
    if event is None and capture.act is not Act.RESUBSCRIBE:
        return None
    return UnsubscribeChange(
        domain=target.domain,
        recipient=target.recipient,
        level=target.level,
        names=tuple(target.names),
        at=capture.at,
        active=capture.act is not Act.RESUBSCRIBE,
        event_id=capture.id,
        message_id=unpack_message_id(target.message_id, domain_name),
    )
