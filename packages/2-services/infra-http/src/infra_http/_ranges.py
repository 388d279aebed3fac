"""Which addresses are of the public internet, and which IPv4 address an IPv6 one carries.

The IANA registries of special-purpose addresses, RFC 6890, written down: what `ipaddress` calls
global differs from one Python to the next.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

__all__ = ["METADATA_NAMES", "embedded", "why_special"]

# What `allow_private=True` opens.
_PRIVATE = {
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    "loopback": ("127.0.0.0/8", "::1/128"),
}
_SPECIAL = {
    "unspecified": ("0.0.0.0/8", "::/128"),
    "link-local": ("169.254.0.0/16", "fe80::/10", "fec0::/10"),
    "shared (CGNAT)": ("100.64.0.0/10",),
    "benchmark": ("198.18.0.0/15", "2001:2::/48"),
    "documentation": (
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20",
    ),
    "protocol": ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "64:ff9b:1::/48", "5f00::/16"),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
    "reserved": ("240.0.0.0/4", "100::/64", "100:0:0:1::/64"),
}  # fmt: skip
# Of clouds, where a reply holds credentials; never opened but by name in `allow_networks`.
_METADATA = (
    "169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "168.63.129.16/32",
    "100.100.100.200/32", "192.0.0.192/32", "fd00:ec2::/32", "fd20:ce::254/128",
)  # fmt: skip
METADATA_NAMES = frozenset(
    {
        "instance-data", "instance-data.ec2.internal", "metadata", "metadata.azure.internal",
        "metadata.goog", "metadata.google.internal", "metadata.packet.net",
        "metadata.platformequinix.com", "metadata.tencentyun.com",
    }
)  # fmt: skip

Network = "IPv4Network | IPv6Network"


def _networks(table: dict[str, tuple[str, ...]]) -> list[tuple[IPv4Network | IPv6Network, str]]:
    return [(ip_network(text), kind) for kind, texts in table.items() for text in texts]


_metadata = _networks({"cloud metadata": _METADATA})
_special = _networks(_SPECIAL)
_private = _networks(_PRIVATE)
_unicast = ip_network("2000::/3")
_nat64 = ip_network("64:ff9b::/96")
_teredo = ip_network("2001::/32")


def why_special(address: IPv4Address | IPv6Address, *, allow_private: bool = False) -> str | None:
    """Return what kind of special address it is, or None for one of the public internet."""
    inner = embedded(address)
    for carried in inner:
        if (kind := why_special(carried, allow_private=allow_private)) is not None:
            return f"{kind}, inside of an IPv6 address"
    if isinstance(address, IPv6Address) and inner and address not in _teredo:
        return None
    tables = (_metadata, _special) if allow_private else (_metadata, _special, _private)
    for table in tables:
        for network, kind in table:
            if address.version == network.version and address in network:
                return kind
    if isinstance(address, IPv6Address) and address not in _unicast:
        is_open = allow_private and any(
            network.version == 6 and address in network for network, _ in _private
        )
        return None if is_open else "reserved"
    return None


def embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address stands for, or is routed by."""
    if isinstance(address, IPv4Address):
        return []
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    number = int(address)
    low = IPv4Address(number & 0xFFFFFFFF)
    if address in _nat64:
        return [low]
    if number >> 32 == 0 and number > 1:  # ::a.b.c.d, given up by RFC 4291
        return [low]
    if (number >> 32) & 0xFDFFFFFF == 0x5EFE:  # ISATAP, RFC 5214
        return [low]
    return []


def parsed(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that a host is written as, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None
