"""Listening sockets: opened before the fork, kept by the supervisor, one set for each worker.

With SO_REUSEPORT the kernel spreads connections evenly over the workers' sockets by a hash. The supervisor keeps
every socket open: what waits in the queue of a worker that died is served by its successor.

SO_REUSEPORT would also let a second service of the same user share the port in silence, so that the port is first
bound without it: who finds it taken is told so.

Sockets that the service manager opened (socket activation) stay its own: while the service restarts, connections
wait in them. One such socket cannot be made into several, so that workers share it: all of them wait for connections
there, and who has time takes the next. A unit that names an address several times, with ReusePort=, hands over
several sockets, which are dealt out to the workers.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sams.core.errors import OperatorError
from sams.submission.reception import BACKLOG

_FIRST_ACTIVATED = 3
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to listen. address: an IP address; `::` means both families."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def open_listener(endpoint: Endpoint, workers: int) -> list[socket.socket]:
    """Open one listening socket for each worker on one endpoint.

    Raises:
        OperatorError: the address is not ours, the port is taken or needs rights that we have not.
    """
    try:
        _bound(endpoint, reuse_port=False).close()
        sockets = [_bound(endpoint, reuse_port=True) for _ in range(workers)]
        for one in sockets:
            one.listen(BACKLOG)
    except OSError as error:
        raise OperatorError(f"cannot listen on {endpoint}: {_advice(error, endpoint)}") from None
    return sockets


@dataclass(frozen=True, slots=True)
class Activated:
    """A listening socket that the service manager opened. name: as its unit calls it."""

    listening: socket.socket
    name: str

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        address, port = self.listening.getsockname()[:2]
        return Endpoint(address, port)

    def __str__(self) -> str:
        return f"{self.endpoint} ({self.name})" if self.name else str(self.endpoint)


def activated_sockets(environment: Mapping[str, str]) -> list[Activated]:
    """The sockets that systemd hands over (LISTEN_FDS of sd_listen_fds(3)); empty without activation.

    Raises:
        OperatorError: what is handed over is no listening TCP socket.
    """
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return []
    text = environment.get("LISTEN_FDS", "0")
    count = int(text) if text.isdecimal() and len(text) < _DIGITS else 0
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    names += [""] * (count - len(names))
    return [_activated(_FIRST_ACTIVATED + at, names[at]) for at in range(count)]


def match_activated(sockets: Sequence[Activated], endpoint: Endpoint) -> list[Activated]:
    """The handed-over sockets of an endpoint. A socket for every address of one family will do for both."""
    return [one for one in sockets if one.endpoint.port == endpoint.port and _is_there(one, endpoint)]


def share(sockets: Sequence[socket.socket], number: int, workers: int) -> Sequence[socket.socket]:
    """Where worker `number` of so many listens: each socket is somebody's, and nobody is without."""
    if len(sockets) >= workers:
        return sockets[number::workers]
    return (sockets[number % len(sockets)],)


def _is_there(one: Activated, endpoint: Endpoint) -> bool:
    found, wanted = ipaddress.ip_address(one.endpoint.address), ipaddress.ip_address(endpoint.address)
    return found == wanted or (found.is_unspecified and wanted.is_unspecified)


def _activated(descriptor: int, name: str) -> Activated:
    try:
        opened = socket.socket(fileno=descriptor)
        is_listening = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise OperatorError(
            f"descriptor {descriptor} of the service manager is no socket: {error.strerror}"
        ) from None
    if opened.family not in {socket.AF_INET, socket.AF_INET6} or not is_listening:
        raise OperatorError(
            f"the service manager hands over {name or f'descriptor {descriptor}'}, which is no listening TCP socket: "
            "its socket unit needs ListenStream= with an address and a port, and Accept=no"
        )
    os.set_inheritable(descriptor, False)
    opened.setblocking(False)
    return Activated(opened, name)


def _bound(endpoint: Endpoint, *, reuse_port: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        opened.setblocking(False)
        opened.bind((endpoint.address, endpoint.port))
    except BaseException:
        opened.close()
        raise
    return opened


def _advice(error: OSError, endpoint: Endpoint) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"another program listens there already (find it with: ss -ltnp 'sport = :{endpoint.port}')"
    if error.errno == errno.EACCES:
        return (
            "ports below 1024 need root, CAP_NET_BIND_SERVICE or socket activation: "
            "start the service as root with [server] user set, or by its systemd unit"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have that address (see: ip address)"
    if error.errno == errno.EAFNOSUPPORT:
        return 'this machine has no IPv6; write address = "0.0.0.0"'
    return os.strerror(error.errno or 0)
