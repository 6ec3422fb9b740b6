"""What hindsight needs of one record of the same message and recipient."""

import msgspec

from edge.model.capture import Act


class Seen(msgspec.Struct, frozen=True, gc=False):
    """One request, as the rules that look at its neighbours see it.

    ``at``: microseconds since the epoch. ``link``: the click's position, -1 for an unsubscribe
    link, None for an open.
    """

    at: int
    act: Act
    link: int | None
    ip: str
    user_agent: str
    method: str
