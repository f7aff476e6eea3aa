"""Where a client comes from, as counters and allow lists see it (SECURITY.md decision 8)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED = b"\0" * 10 + b"\xff\xff"
_SUBNET_OCTETS = 8
_NETWORK_OCTETS = {4: 3, 8: 6}


def origin_key(address: str) -> bytes:
    """What is counted as one origin: an IPv4 address (4 octets), or an IPv6 /64 (8 octets).

    A mapped IPv4 address is the IPv4 address. What is no IP address (a Unix socket's peer) is its own text.
    """
    try:
        if ":" not in address:
            return socket.inet_pton(socket.AF_INET, address)
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except (OSError, ValueError):
        return b"\0" + address.encode("utf-8", "replace")
    return packed[12:] if packed.startswith(_MAPPED) else packed[:_SUBNET_OCTETS]


def network_key(origin: bytes) -> bytes:
    """The network around an origin: an IPv4 /24, an IPv6 /48; what is no IP address stands alone."""
    return origin[: _NETWORK_OCTETS.get(len(origin), len(origin))]


class Networks:
    """Networks that are free of guard and connection caps."""

    __slots__ = ("_networks",)

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)

    def __contains__(self, address: str) -> bool:
        return bool(self._networks) and self._covers(address)

    def _covers(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)
