"""Kinds of values: names of hosts and domains, network and mail addresses."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from sams.config.kinds import Quoted, Text, Unfit
from sams.core.address import AddressError, domain_key, parse_domain, parse_mailbox

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


class HostPort(NamedTuple):
    """A next hop as the configuration names it; the port is 1 to 65535."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Domain(Quoted):
    """A domain name; kept in lower case as A-labels."""

    allowed: str = 'a domain name such as "example.ac.uk"'

    def read(self, value: object, base: Path) -> str:
        """The name in lower case, internationalised labels as A-labels."""
        text = Text(longest=255).read(value, base)
        if text.startswith("["):
            raise Unfit("it is an address, not a domain name")
        try:
            return domain_key(parse_domain(text))
        except AddressError as error:
            raise Unfit(str(error)) from None


@dataclass(frozen=True, slots=True)
class DomainPattern(Quoted):
    """A domain name, `*.domain` for all below it, or `*` for every one."""

    allowed: str = 'a domain name, "*.example.org" for all below one, or "*" for every domain'

    def read(self, value: object, base: Path) -> str:
        """The pattern in lower case with A-labels."""
        if value == "*":
            return "*"
        if isinstance(value, str) and value.startswith("*."):
            return "*." + Domain().read(value[2:], base)
        return Domain().read(value, base)


@dataclass(frozen=True, slots=True)
class Address(Quoted):
    """An IPv4 or IPv6 address."""

    allowed: str = 'an IP address such as "192.0.2.1", "::1", "0.0.0.0" or "::"'

    def read(self, value: object, base: Path) -> str:
        """The address in its shortest form."""
        text = Text(longest=100).read(value, base)
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            raise Unfit("it is no IP address") from None


@dataclass(frozen=True, slots=True)
class Network(Quoted):
    """An IPv4 or IPv6 network, or one address."""

    allowed: str = 'a network such as "192.0.2.0/24", "2001:db8::/32" or one address'

    def read(self, value: object, base: Path) -> str:
        """The network in CIDR form."""
        text = Text(longest=100).read(value, base)
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            raise Unfit(_why_no_network(text, error)) from None
        if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
            raise Unfit("an IPv4 client is an IPv4 address here, never ::ffff:…; write the network so")
        return str(network)


def _why_no_network(text: str, error: ValueError) -> str:
    try:
        around = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return str(error).replace(repr(text), "it")
    return f'it is an address inside a network: write "{around}", or the address alone'


@dataclass(frozen=True, slots=True)
class NextHop(Quoted):
    """`host:port`."""

    allowed: str = '"host:port", such as "mailhub.example.ac.uk:25" or "[2001:db8::1]:587"'

    def read(self, value: object, base: Path) -> HostPort:
        """Host and port apart."""
        text = Text(longest=300).read(value, base)
        host, colon, port = text.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65_536):
            raise Unfit("it does not end in a port, such as :25")
        if host.startswith("[") and host.endswith("]"):
            return HostPort(Address().read(host[1:-1], base), int(port))
        if ":" in host:
            raise Unfit("an IPv6 address stands in brackets")
        return HostPort(Domain().read(host, base), int(port))


@dataclass(frozen=True, slots=True)
class MailAddress(Quoted):
    """A mailbox."""

    allowed: str = 'a mail address such as "postmaster@example.ac.uk"'

    def read(self, value: object, base: Path) -> str:
        """The address as it was written."""
        text = Text(longest=254).read(value, base)
        try:
            return str(parse_mailbox(text))
        except AddressError as error:
            raise Unfit(str(error)) from None


@dataclass(frozen=True, slots=True)
class Url(Quoted):
    """A web address, http or https, without a password in it."""

    allowed: str = 'a web address such as "https://alerts.example.ac.uk/sams"'

    def read(self, value: object, base: Path) -> str:
        """The address as it was written."""
        text = Text(longest=2_000).read(value, base)
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError:
            raise Unfit("it is no web address") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or not text.isascii() or " " in text:
            raise Unfit("it does not begin with https:// or http:// and a host")
        if parts.username is not None:
            raise Unfit("it has a user name in it, and this file is no place for a secret")
        return text
