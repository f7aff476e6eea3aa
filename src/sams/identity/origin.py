"""Where a client comes from, as counters and allow lists see it (docs/security.md rule 8)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED = b"\0" * 10 + b"\xff\xff"
_SUBNET_OCTETS = 8
_NETWORK_OCTETS = {4: 3, 8: 6}
_IPV4_OCTETS, _IPV6_OCTETS = 4, 16
_REMEMBERED = 4_096
"""Addresses of which the answer is kept: each is asked about several times a connection."""


@lru_cache(_REMEMBERED)
def origin_key(address: str) -> bytes:
    """What is counted as one origin: an IPv4 address (4 octets), or an IPv6 /64 (8 octets).

    A mapped IPv4 address is the IPv4 address. What is no IP address (a Unix socket's peer) is its own text.
    """
    packed = _packed(address)
    return packed[:_SUBNET_OCTETS] if packed else b"\0" + address.encode("utf-8", "replace")


def network_key(origin: bytes) -> bytes:
    """The network around an origin: an IPv4 /24, an IPv6 /48; what is no IP address stands alone."""
    return origin[: _NETWORK_OCTETS.get(len(origin), len(origin))]


@lru_cache(_REMEMBERED)
def network_of(address: str) -> bytes:
    """The network around the origin of an address."""
    return network_key(origin_key(address))


def shown_place(key: bytes) -> str:
    """An origin or a network for people: `192.0.2.7`, `192.0.2.0/24`, `2001:db8:0:1::/64`, `2001:db8::/48`."""
    text = key[1:].decode("utf-8", "replace")
    if (
        key.startswith(b"\0") and text.isprintable()
    ):  # no IP address: no client's begins with 0 and goes on so
        return text
    if len(key) <= _IPV4_OCTETS:
        text = socket.inet_ntop(socket.AF_INET, key.ljust(_IPV4_OCTETS, b"\0"))
        return text if len(key) == _IPV4_OCTETS else f"{text}/{8 * len(key)}"
    return f"{socket.inet_ntop(socket.AF_INET6, key.ljust(_IPV6_OCTETS, bytes(1)))}/{8 * len(key)}"


def covering(networks: Iterable[Network]) -> Callable[[str], bool]:
    """What tells whether an address lies in one of the networks."""
    ranges = tuple((one.max_prefixlen // 8, int(one.netmask), int(one.network_address)) for one in networks)

    @lru_cache(_REMEMBERED)
    def covers(address: str) -> bool:
        packed = _packed(address)
        octets, number = len(packed), int.from_bytes(packed)
        return any(octets == size and number & mask == base for size, mask, base in ranges)

    return covers


def _packed(address: str) -> bytes:
    """The 4 or 16 octets; a mapped IPv4 address is the IPv4 address. Empty: it is no IP address."""
    try:
        if ":" not in address:
            return socket.inet_pton(socket.AF_INET, address)
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except (OSError, ValueError):
        return b""
    return packed.removeprefix(_MAPPED)
