"""What a tracking request may do: the decision both ways of serving share.

A token is good when it opens under a key that is not revoked, is of the path's kind, and the host
it was asked on does not belong to *another* domain. It is good on any host that belongs to nobody
(an address, the operator's own name): links outlive host names.
"""

from edge.model.destination import is_plain
from edge.model.tokens import ClickTarget, Opener, Target
from edge.roster.snapshot import Roster


def host_key(host: bytes) -> bytes:
    """A ``Host`` value as the roster spells it: lower case, without port and final dot."""
    name = host.strip().lower()
    colon = name.rfind(b":")
    if colon >= 0 and name[colon + 1 :].isdigit():
        name = name[:colon]
    return name.removesuffix(b".")


def authentic(
    roster: Roster, opener: Opener, token: bytes, host: bytes
) -> tuple[bytes, Target] | None:
    """Plaintext and target of a good token, else None.

    ``opener`` is the roster's for the path; ``host`` is spelled as :func:`host_key` spells it.
    """
    found = opener.open(token)
    if found is None:
        return None
    target = found[1]
    owner = roster.hosts.get(host)
    if owner is not None and owner != target.domain:
        return None
    if target.__class__ is ClickTarget and not is_plain(target.url):
        return None
    return found


def misdirected(roster: Roster, name: bytes, host: bytes) -> bool:
    """Whether a TLS connection opened for ``name`` is asked for a host of another domain.

    RFC 9110 section 7.4: such a request is 421. ``name`` is empty where the client gave none.
    """
    owner = roster.hosts.get(host)
    return owner is not None and bool(name) and roster.hosts.get(name) != owner
