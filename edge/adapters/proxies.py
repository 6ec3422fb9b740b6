"""Which addresses are proxies whose word about a client's address is believed."""

from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address

from edge.model.capture import Network


def trusts(networks: tuple[Network, ...]) -> Callable[[str], bool] | None:
    """Whether an address is one of the configured proxies; None when none are configured."""
    if not networks:
        return None

    @lru_cache(maxsize=10_000)
    def trusted(ip: str) -> bool:
        try:
            address = ip_address(ip)
        except ValueError:
            return False
        plain = getattr(address, "ipv4_mapped", None) or address
        return any(plain in network for network in networks)

    return trusted
