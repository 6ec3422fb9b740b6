"""What Mailgun has and this server has not: a 404 that says so, instead of a puzzle."""

import re
from typing import Final

_DOMAIN: Final = r"/v\d/(domains/)?[^/]+"
_NOT_OFFERED: Final = tuple(
    (re.compile(pattern), what)
    for pattern, what in (
        (rf"/v4/templates(/.*)?|{_DOMAIN}/templates(/.*)?", "Stored templates are"),
        (r"/v3/routes(/.*)?", "Routes of incoming mail are"),
        (r"/v[345]/address/.*", "Validation of addresses is"),
        (r"/v3/lists/[^/]+/validate", "Validation of addresses is"),
        (rf"/v\d/ips(/.*)?|{_DOMAIN}/(ips|pool)(/.*)?", "The choice of sending addresses is"),
        (r"/v\d/(ip_pools|ip_whitelist|ip_warmups)(/.*)?", "The choice of sending addresses is"),
        (r"/v1/dkim(_management)?/.*|/v4/domains/[^/]+/keys(/.*)?", "Several DKIM keys are"),
        (r"/v\d/(users|keys)(/.*)?", "The management of users and keys over the API is"),
        (r"/v5/accounts/(subaccounts|limit)(/.*)?", "The management of accounts over the API is"),
        (r"/v\d/(inbox|inboxready|bounce-classification|thresholds|alerts)(/.*)?", "Inspection is"),
    )
)


def told(path: str) -> str | None:
    """What to say of a path without a route; None for one that Mailgun does not have either."""
    for pattern, what in _NOT_OFFERED:
        if pattern.fullmatch(path):
            return f"{what} not offered here"
    return None
