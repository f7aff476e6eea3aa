"""What a host's name leads to: addresses of both versions, SRV records of RFC 6186 and RFC 8314, made-up answers."""

from __future__ import annotations

import enum
import secrets
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from sams_probe.names.asking import ask
from sams_probe.names.message import Code, Service, Type
from sams_probe.names.servers import system_servers
from sams_probe.options import DnsServer, Options, Port, Security, is_address
from sams_probe.parallel import in_parallel, within

MOST_ADDRESSES = 3
"""Of each IP version."""
MOST_SERVICES = 4
_SERVICES = (("_submissions._tcp", Security.TLS), ("_submission._tcp", Security.STARTTLS))
_UNKNOWN = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


class Lookup(enum.Enum):
    """How a look-up ended."""

    FOUND = "found"
    NONE = "none"
    """The name is not there, or has no such record."""
    FAILED = "failed"
    """The resolver says that it cannot tell, or says nothing."""
    NOT_ASKED = "not-asked"


class Address(NamedTuple):
    """An address to connect to. family: 4 or 6."""

    text: str
    family: int


class Announced(NamedTuple):
    """A server that the domain announces by SRV. name: the record's, such as `_submissions._tcp.example.org`."""

    name: str
    security: Security
    service: Service

    @property
    def port(self) -> Port:
        """The port to look at."""
        return Port(self.service.port, self.security)


class Names(NamedTuple):
    """host: what was asked for. v4, v6: how these look-ups ended. srv: how that one ended, of all names together.

    invented: addresses that were given for a name that cannot exist; none where all is well.
    """

    host: str
    v4: Lookup = Lookup.NOT_ASKED
    v6: Lookup = Lookup.NOT_ASKED
    addresses: tuple[Address, ...] = ()
    srv: Lookup = Lookup.NOT_ASKED
    announced: tuple[Announced, ...] = ()
    invented: tuple[str, ...] = ()


Found = tuple[Lookup, tuple[str, ...]]


def find(options: Options) -> Names:
    """All about the host's name. Takes twice `timeout` at most."""
    if is_address(options.host):
        return find_addresses(options.host, options)
    nowhere = f"{secrets.token_hex(8)}.invalid."  # RFC 6761 section 6.4: it does not exist, whoever is asked
    tasks = _tasks(options.host, options)
    tasks.append(partial(_addresses, options, nowhere, 4))
    v4, v6, (_, invented) = in_parallel(tasks)
    srv, announced = _announced(options, options.host)
    return _names(options.host, v4, v6)._replace(srv=srv, announced=announced, invented=invented)


def find_addresses(host: str, options: Options) -> Names:
    """The addresses alone, also of another host, such as the target of an SRV record."""
    if is_address(host):
        return Names(host, addresses=(Address(host, 6 if ":" in host else 4),))
    v4, v6 = in_parallel(_tasks(host, options))
    return _names(host, v4, v6)


def _tasks(host: str, options: Options) -> list[Callable[[], Found]]:
    return [partial(_addresses, options, host, family) for family in (4, 6)]


def _names(host: str, v4: Found, v6: Found) -> Names:
    addresses = [Address(one, 4) for one in v4[1]] + [Address(one, 6) for one in v6[1]]
    return Names(host, v4[0], v6[0], tuple(addresses))


def _addresses(options: Options, host: str, family: int) -> Found:
    if family not in options.families:
        return Lookup.NOT_ASKED, ()
    if options.servers:
        return _by_servers(options.servers, host, family, options.timeout)
    return _by_system(host, family, options.timeout)


def _by_system(host: str, family: int, timeout: float) -> Found:
    """As a mail program does it, with the system's hosts file and all."""
    wanted = socket.AF_INET6 if family == 6 else socket.AF_INET
    try:
        told = within(timeout, lambda: socket.getaddrinfo(host, None, wanted, socket.SOCK_STREAM))
    except socket.gaierror as error:
        return (Lookup.NONE if error.errno in _UNKNOWN else Lookup.FAILED), ()
    except (OSError, UnicodeError):
        return Lookup.FAILED, ()
    if told is None:
        return Lookup.FAILED, ()
    return _some([str(one[4][0]) for one in told])


def _some(addresses: Sequence[str]) -> Found:
    first = tuple(dict.fromkeys(addresses))[:MOST_ADDRESSES]
    return (Lookup.FOUND if first else Lookup.NONE), first


def _by_servers(servers: Sequence[DnsServer], host: str, family: int, timeout: float) -> Found:
    answer = ask(servers, host.rstrip("."), Type.AAAA if family == 6 else Type.A, timeout)
    if answer is None or answer.code not in {Code.FOUND, Code.NO_SUCH_NAME}:
        return Lookup.FAILED, ()
    return _some(answer.addresses)


def _announced(options: Options, host: str) -> tuple[Lookup, tuple[Announced, ...]]:
    servers = options.servers or system_servers()
    if not servers:
        return Lookup.NOT_ASKED, ()
    names = [
        (f"{service}.{domain}", security) for domain in _domains(host) for service, security in _SERVICES
    ]
    answers = in_parallel([partial(ask, servers, name, Type.SRV, options.timeout) for name, _ in names])
    found = [
        Announced(name, security, service)
        for (name, security), answer in zip(names, answers)
        if answer is not None
        for service in answer.services[:MOST_SERVICES]
    ]
    if found:
        return Lookup.FOUND, tuple(found)
    told = all(answer is not None and answer.code in {Code.FOUND, Code.NO_SUCH_NAME} for answer in answers)
    return (Lookup.NONE if told else Lookup.FAILED), ()


def _domains(host: str) -> list[str]:
    """The host itself, which may be a mail domain, and the domain above, whose server it may be."""
    above = host.partition(".")[2]
    return [host, above] if "." in above else [host]


def belongs(server: str, host: str) -> bool:
    """Whether a server is the host that was asked for, or within that domain.

    Answers of DNS can be forged by the network. A certificate proves that the server has its name, and not that the
    domain meant this server (RFC 6186 section 6).
    """
    return server == host or server.endswith(f".{host}")


def followed(names: Names) -> tuple[Announced, ...]:
    """The servers that the host itself announces: it is a mail domain, and these are what a program would use."""
    mine = {f"{service}.{names.host}" for service, _ in _SERVICES}
    return tuple(
        one for one in names.announced if one.name in mine and one.service.target and one.service.port
    )
