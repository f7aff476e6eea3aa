"""A route to a smarthost, as it is configured."""

from __future__ import annotations

import enum
import ipaddress
from dataclasses import dataclass, field

from sams.core.address import AddressError, parse_domain
from sams.core.errors import OperatorError
from sams.protocol.smtp.client_opening import Credentials, TlsUse

_DEFAULT_PORT = 25
_IMPLICIT_TLS_PORT = 465
_MAX_PORT = 65_535


class Security(enum.Enum):
    """How the connection to a hop is protected (`[[route]] security`).

    OPPORTUNISTIC: TLS where the hop offers it, with whatever certificate; else, or where it fails, in clear.
    REQUIRED: TLS with whatever certificate, or not at all. VERIFIED: the certificate is valid for the name.
    IMPLICIT: as VERIFIED, from the first octet.
    """

    NONE = "none"
    OPPORTUNISTIC = "opportunistic"
    REQUIRED = "required"
    VERIFIED = "verified"
    IMPLICIT = "implicit"


_TLS_USE = {
    Security.NONE: TlsUse.NEVER,
    Security.OPPORTUNISTIC: TlsUse.IF_OFFERED,
    Security.REQUIRED: TlsUse.DEMANDED,
    Security.VERIFIED: TlsUse.DEMANDED,
    Security.IMPLICIT: TlsUse.FROM_FIRST_OCTET,
}


@dataclass(frozen=True, slots=True)
class HopAddress:
    """A host and port.

    name: a domain name, or an IP address without brackets.
    """

    name: str
    port: int

    def __str__(self) -> str:
        """`name:port`, as outcomes and logs show it."""
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class RouteSettings:
    """One `[[route]]` of type smarthost.

    name: the route's name, for people.
    hosts: tried in this order; at least one.
    credentials: with them the connection is secured and the hop's name verified, whatever `security` says.
    ca_file: certificates that a hop's chain may end in; None: those of the system.
    source_address: our own IP address to connect from; None: the system chooses.
    connections: at most so many at once from this worker, at least 1.
    helo_name: our name or address literal, for EHLO.
    idle: seconds that an unused connection is kept.
    messages: transactions on one connection, at most.
    """

    name: str
    hosts: tuple[HopAddress, ...]
    helo_name: str
    security: Security = Security.OPPORTUNISTIC
    credentials: Credentials | None = field(default=None, repr=False)
    ca_file: str | None = None
    source_address: str | None = None
    connections: int = 10
    idle: float = 30.0
    messages: int = 1_000

    def __post_init__(self) -> None:
        if not self.hosts:
            raise OperatorError(f"route {self.name!r} needs at least one host")
        if self.connections < 1:
            raise OperatorError(f"route {self.name!r} needs at least one connection")

    @property
    def is_verified(self) -> bool:
        """Whether the hop has to prove its name."""
        return self.credentials is not None or self.security in {Security.VERIFIED, Security.IMPLICIT}

    @property
    def tls_use(self) -> TlsUse:
        """When the connection is secured; a password demands it."""
        use = _TLS_USE[self.security]
        if self.credentials is not None and use is not TlsUse.FROM_FIRST_OCTET:
            return TlsUse.DEMANDED
        return use


def parse_host(text: str, security: Security = Security.OPPORTUNISTIC) -> HopAddress:
    """Read `name`, `name:port`, `192.0.2.1:port`, `[2001:db8::1]:port` or a bare IPv6 address.

    Without a port it is 25, or 465 where `security` is implicit.

    Raises:
        OperatorError: it is none of these; the message says so.
    """
    default = _IMPLICIT_TLS_PORT if security is Security.IMPLICIT else _DEFAULT_PORT
    if _is_ip(text):
        return HopAddress(text, default)
    name, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        name, port = text, str(default)
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
        if not _is_ip(name):
            raise _not_a_host(text)
    if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= _MAX_PORT) or not _is_name(name):
        raise _not_a_host(text)
    return HopAddress(name, int(port))


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_name(text: str) -> bool:
    try:
        parse_domain(text)
    except AddressError:
        return _is_ip(text)
    return not text.startswith("[")


def _not_a_host(text: str) -> OperatorError:
    return OperatorError(
        f"{text!r} is no host: it has the form mailhub.example.org:25, 192.0.2.1:25 or [2001:db8::1]:25"
    )
