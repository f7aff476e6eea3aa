"""Listening sockets: opened before the fork, kept by the supervisor, one set for each worker.

With SO_REUSEPORT the kernel spreads connections evenly over the workers' sockets by a hash. The supervisor keeps
every socket open: what waits in the queue of a worker that died is served by its successor.

SO_REUSEPORT would also let a second service of the same user share the port in silence, so that the port is first
bound without it: who finds it taken is told so.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from sams.core.errors import OperatorError
from sams.submission.reception import BACKLOG

_FIRST_ACTIVATED = 3


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


def activated_sockets(environment: dict[str, str]) -> list[socket.socket]:
    """The sockets that systemd hands over (LISTEN_FDS of sd_listen_fds(3)); empty without activation."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(environment.get("LISTEN_FDS", "0"))
    found = [socket.socket(fileno=number) for number in range(_FIRST_ACTIVATED, _FIRST_ACTIVATED + count)]
    for one in found:
        os.set_inheritable(one.fileno(), False)
        one.setblocking(False)
    return found


def match_activated(sockets: Sequence[socket.socket], endpoint: Endpoint) -> socket.socket | None:
    """The handed-over socket of an endpoint, by its port and address."""
    for one in sockets:
        address, port = one.getsockname()[:2]
        if port == endpoint.port and address in {endpoint.address, "::", "0.0.0.0"}:  # noqa: S104 - compared only
            return one
    return None


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
