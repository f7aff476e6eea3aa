"""What is to be probed and how: values, and how they are written on the command line."""

from __future__ import annotations

import enum
import ipaddress
import re
from typing import NamedTuple

DEFAULT_TIMEOUT = 10.0
SHORTEST, LONGEST = 0.5, 120.0
MOST_PORTS = 8
_PORT = re.compile(r"([0-9]{1,5})(?:/(starttls|tls|relay))?", re.ASCII)
_SERVER = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::([0-9]{1,5}))?", re.ASCII)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
_ZONE = re.compile(r"[A-Za-z0-9_.@-]{1,32}", re.ASCII)
_LONGEST_NAME = 253


class Security(enum.Enum):
    """How a port begins TLS."""

    TLS = "tls"
    STARTTLS = "starttls"
    RELAY = "relay"
    """Port 25: between servers. STARTTLS, and no port for a member's program; what is found there is told only."""


class Port(NamedTuple):
    """A port to look at."""

    number: int
    security: Security


PORTS = (Port(465, Security.TLS), Port(587, Security.STARTTLS), Port(25, Security.RELAY))
"""Those of RFC 8314 and RFC 6409, and the one between servers."""


class DnsServer(NamedTuple):
    """A resolver. address: an IP address."""

    address: str
    port: int = 53


class Options(NamedTuple):
    """host: an IP address, or a name in ASCII letters (A-labels), lower case, without a dot at its end.

    ports: empty: the usual ones, or those that SRV records name. timeout: seconds for each single wait, 0.5-120.
    families: IP versions, 4 and 6. ca_file: authorities to trust beside nothing else; empty: the system's.
    servers: resolvers to ask; empty: the system's. time_server: whom to ask for the time (SNTP); empty: nobody.
    login, password: for a sign-in; None: without. versions: whether each version of TLS is tried.
    """

    host: str
    ports: tuple[Port, ...] = ()
    timeout: float = DEFAULT_TIMEOUT
    families: tuple[int, ...] = (4, 6)
    ca_file: str = ""
    servers: tuple[DnsServer, ...] = ()
    time_server: str = ""
    login: str | None = None
    password: str | None = None
    versions: bool = True

    def __repr__(self) -> str:
        """Without the password."""
        return f"Options({self.host!r}, {self.ports!r})"


def read_host(text: str) -> str:
    """A host as it goes into DNS and TLS; of a mail address its domain.

    Raises:
        ValueError: it is neither a name nor an address.
    """
    host = text.strip().rpartition("@")[2].strip("[]").rstrip(".")
    if is_address(host):
        return str(ipaddress.ip_address(host))
    try:
        name = host.encode("idna").decode("ascii").lower() if not host.isascii() else host.lower()
    except UnicodeError as error:
        raise ValueError(f"{text!r} cannot be a host name: {error}") from None
    if not is_name(name):
        raise ValueError(f"{text!r} is no host name; write it as smtp.example.org, without https:// and port")
    return name


def is_name(name: str) -> bool:
    """Whether it can be a host's name: labels of ASCII letters (lower case), digits, `-` and `_`."""
    return len(name) <= _LONGEST_NAME and all(map(_LABEL.fullmatch, name.split(".")))


def is_address(host: str) -> bool:
    """Whether it is an IPv4 or IPv6 address. Its zone (RFC 4007) may be no more than the name of an interface."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    _, mark, zone = host.partition("%")
    return not mark or _ZONE.fullmatch(zone) is not None


def read_port(text: str) -> Port:
    """`587`, `10465/tls`, `2525/starttls`, `25/relay`. Without a word 465 is TLS, 25 relay, all others STARTTLS.

    Raises:
        ValueError: it is written in another way.
    """
    found = _PORT.fullmatch(text)
    if found is None or not 0 < int(found[1]) < 65_536:
        raise ValueError(f"{text!r} is no port; write 587, 10465/tls, 2525/starttls or 25/relay")
    number = int(found[1])
    usual = {port.number: port.security for port in PORTS}
    return Port(number, Security(found[2]) if found[2] else usual.get(number, Security.STARTTLS))


def read_server(text: str) -> DnsServer:
    """`192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353`.

    Raises:
        ValueError: it is written in another way.
    """
    if is_address(text):
        return DnsServer(text)
    found = _SERVER.fullmatch(text)
    address = (found[1] or found[2]) if found else ""
    port = int(found[3] or 53) if found else 0
    if not is_address(address) or not 0 < port < 65_536:
        raise ValueError(
            f"{text!r} is no resolver; write its IP address, such as 192.0.2.1 or [2001:db8::1]:53"
        )
    return DnsServer(address, port)


def read_timeout(text: str) -> float:
    """Seconds.

    Raises:
        ValueError: no number, or out of 0.5-120.
    """
    seconds = float(text) if re.fullmatch(r"[0-9]{1,3}(?:\.[0-9]{1,3})?", text, re.ASCII) else 0.0
    if not SHORTEST <= seconds <= LONGEST:
        raise ValueError(f"{text!r} is no time-out; write seconds from {SHORTEST:g} to {LONGEST:g}")
    return seconds
