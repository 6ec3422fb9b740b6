"""Host names: which can have a certificate here, and which registered domain they belong to."""

import re
from functools import cache

from publicsuffixlist import PublicSuffixList

from certs.errors import CustomerError

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def host_name(text: str) -> str:
    """The one spelling of a host name: lower case, A-labels, no final dot.

    CustomerError for what no public authority issues over HTTP-01: addresses, wildcards, single
    labels, names over 253 octets or with characters outside letters, digits and hyphens (CA/B
    Forum Baseline Requirements § 7.1.4.2). The result is safe as the name of a file.
    """
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    fits = len(name) <= 253 and len(labels) >= 2 and all(LABEL.fullmatch(label) for label in labels)
    if not fits or labels[-1].isdigit():
        raise CustomerError(f"{text[:80]!r} is not a host name that can have a certificate")
    return name


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def registered_domain(host: str) -> str:
    """The registered domain that Let's Encrypt counts certificates under.

    By the public suffix list with its private section, as Let's Encrypt does: under
    ``github.io`` each customer is a domain of its own. A public suffix itself stands for itself.
    """
    found: str | None = _suffixes().privatesuffix(host)
    return found or host
