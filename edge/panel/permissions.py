"""Who may do what in the panel: the one table, by role. Each route names what it needs."""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from edge.store.panel_users import Role


class Permit(Enum):
    """One thing that a route may need, or a page may ask before it shows something."""

    OWN = auto()
    """One's own account: password, second factor, sessions."""
    LOOK = auto()
    """Logs, suppressions, domains and webhooks, with recipients as far as the role sees them."""
    CLEAR = auto()
    """Recipients in clear, and searching by them; without it they are masked everywhere."""
    READ_MAIL = auto()
    """The messages themselves: they are full of what belongs to their recipients."""
    SUPPRESS = auto()
    """Adding, removing and importing suppressions."""
    SEND = auto()
    """Sending a test message."""
    TRY = auto()
    """Testing, pausing and resuming webhooks, and posting events to them once more."""
    MANAGE = auto()
    """Domains, their settings, certificates, API keys, SMTP credentials, webhooks and their key."""
    ADMINISTER = auto()
    """The panel's users, and its audit log."""


ALLOWED: Final[Mapping[Role, frozenset[Permit]]] = MappingProxyType(
    {
        Role.OWNER: frozenset(Permit),
        Role.SUPPORT: frozenset(
            {
                Permit.OWN,
                Permit.LOOK,
                Permit.CLEAR,
                Permit.READ_MAIL,
                Permit.SUPPRESS,
                Permit.TRY,
            }
        ),
        Role.ANALYST: frozenset({Permit.OWN, Permit.LOOK}),
    }
)
