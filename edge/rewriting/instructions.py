"""What the caller wants of one message."""

import msgspec

from edge.model.domain import Domain
from edge.rewriting.switches import Tracking


class Instructions(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done with one message.

    ``message_id`` is needed only where the message has no Message-Id header, and is then added.
    ``tags`` are the message's, cleaned; ``mailing_list`` is the address of the list it goes to.
    Empty footers are not appended. ``outlook`` governs VML and conditional comments, ``amp``
    text/x-amp-html parts. With ``personal`` off, ``%recipient…%`` stays as it is. ``excluded``
    holds URLs not to track (see :func:`edge.rewriting.links.exclusions`); ``own_hosts`` are
    further host names whose tracking URLs are not wrapped again, beside the domain's.
    """

    domain: Domain
    tracking: Tracking
    message_id: str = ""
    tags: tuple[str, ...] = ()
    mailing_list: str = ""
    html_footer: str = ""
    text_footer: str = ""
    outlook: bool = True
    amp: bool = False
    personal: bool = True
    excluded: tuple[str, ...] = ()
    own_hosts: tuple[str, ...] = ()
