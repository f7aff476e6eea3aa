"""Records of the server itself: its addresses, as far as the configuration names them."""

from __future__ import annotations

import ipaddress

from sams.cli.dns.record import Group, Hint, Importance, Record
from sams.cli.dns.services import pages_host
from sams.config.model import Config

_WHY = "Members' programs connect here."
_CAA = (
    "CAA: if a domain above this name has CAA records (RFC 8659), they have to name the authority that signs its "
    "certificate."
)


def server_group(config: Config) -> Group:
    """The server's own records."""
    name = config.server.name
    records = [
        Record(name, "A" if address.version == 4 else "AAAA", str(address), _WHY, Importance.NEEDED)
        for address in public_addresses(config)
    ]
    hints = [] if records else [_addresses_of(name)]
    pages = pages_host(config)
    if pages is not None and pages.has_name and pages.host != name:
        hints.append(_addresses_of(pages.host, "the pages are there"))
    ptr = f"PTR: the addresses of {name} should lead back to this name; who has the network sets that."
    return Group(
        "", zone_of(name, config), f"the server {name}", tuple(records), (*hints, Hint(ptr), Hint(_CAA))
    )


def public_addresses(config: Config) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses of the world's that listeners name; none where they listen on all, or behind a load balancer."""
    named = [each.address for each in config.listeners if not each.proxy_protocol]
    found = dict.fromkeys(map(ipaddress.ip_address, named))
    return [address for address in found if address.is_global]


def zone_of(name: str, config: Config) -> str:
    """In whose zone a name most probably stands: the nearest of our domains, else the domain above it."""
    ours = [domain for domain in config.accounts.domains if name == domain or name.endswith(f".{domain}")]
    return max(ours, key=len, default=name.partition(".")[2])


def _addresses_of(name: str, why: str = "members' programs connect there") -> Hint:
    return Hint(f"A and AAAA: the addresses of {name}; {why}.", f"{name}. 3600 IN A ADDRESS")
