"""Which addresses may be called; pure.

An endpoint's URL is a stranger's: without a guard it would make this machine ask its own network,
the cloud's metadata service, or the control port. Allowed is what is globally routable, and what
the operator lists. An IPv6 address that carries an IPv4 one is judged by what it carries.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from edge.model.capture import Network

_NAT64: Final = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
"""RFC 6052 and RFC 8215; Python calls the first of them global whatever it carries."""

_REFUSED: Final = tuple(
    ip_network(text)
    for text in (
        *("2001::/32", "fec0::/10", "100::/64", "5f00::/16"),  # Teredo, site-local, discard, SRv6
        *("192.88.99.0/24", "168.63.129.16/32"),  # 6to4 relays; Azure's host behind a public number
    )
)


def carried(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address in a mapped, compatible, 6to4 or NAT64 one; else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    number = int(address)
    compatible = number >> 32 == 0 and number > 1
    if compatible or any(address in network for network in _NAT64):
        return IPv4Address(number & 0xFFFFFFFF)
    return address


def refusal(text: str, allowed: Sequence[Network] = ()) -> str:
    """Why this address is not called; empty if it is. ``allowed`` are the operator's networks."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return f"{text} is no address"
    inner = carried(address)
    if any(one.version == network.version and one in network
           for one in (address, inner) for network in allowed):  # fmt: skip
        return ""
    public = inner.is_global and not inner.is_multicast and not inner.is_reserved
    if not public or any(one in network for one in (address, inner) for network in _REFUSED):
        return f"{text} is not a public address"
    return ""
