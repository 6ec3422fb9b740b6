"""Two small tables of other people's: Cloudflare's networks, and preloaded top-level domains; pure.

Both change rarely. An address or domain that is missing here costs a more general finding, nothing
else.
"""

from ipaddress import ip_address, ip_network
from typing import Final

CLOUDFLARE: Final = tuple(
    ip_network(text)
    for text in (
        *("173.245.48.0/20", "103.21.244.0/22", "103.22.200.0/22", "103.31.4.0/22"),
        *("141.101.64.0/18", "108.162.192.0/18", "190.93.240.0/20", "188.114.96.0/20"),
        *("197.234.240.0/22", "198.41.128.0/17", "162.158.0.0/15", "104.16.0.0/13"),
        *("104.24.0.0/14", "172.64.0.0/13", "131.0.72.0/22"),
        *("2400:cb00::/32", "2606:4700::/32", "2803:f800::/32", "2405:b500::/32"),
        *("2405:8100::/32", "2a06:98c0::/29", "2c0f:f248::/32"),
    )
)
"""https://www.cloudflare.com/ips-v4 and /ips-v6, as they stood on 2024-06-25."""

PRELOADED: Final = frozenset(
    {
        *("amazon", "android", "app", "audible", "azure", "bank", "bing", "boo"),
        *("channel", "chrome", "dad", "day", "dev", "eat", "esq", "fire"),
        *("fly", "foo", "fujitsu", "gle", "gmail", "google", "hangout", "hotmail"),
        *("imdb", "ing", "insurance", "kindle", "meet", "meme", "microsoft", "mov"),
        *("new", "nexus", "office", "page", "phd", "play", "prime", "prof"),
        *("rsvp", "search", "silk", "skype", "windows", "xbox", "xn--cckwcxetd", "xn--jlq480n2rg"),
        *("youtube", "zappos", "zip"),
    }
)
"""Top-level domains that browsers speak only https to, with everything below them: those of
Chromium's transport_security_state_static.json with include_subdomains, as of January 2025."""


def is_cloudflare(address: str) -> bool:
    """Whether an address is one of Cloudflare's proxies."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in CLOUDFLARE)


def is_preloaded(host: str) -> bool:
    """Whether a host's top-level domain is preloaded as a whole."""
    return host.rpartition(".")[2] in PRELOADED
