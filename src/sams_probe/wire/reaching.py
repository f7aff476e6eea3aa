"""Connecting: a socket, or why there is none."""

from __future__ import annotations

import enum
import errno
import socket
from typing import NamedTuple

from sams_probe.names.found import Address


class Reach(enum.Enum):
    """How an attempt to connect ended."""

    OPEN = "open"
    REFUSED = "refused"
    SILENT = "silent"
    """No answer at all."""
    RESET = "reset"
    UNREACHABLE = "unreachable"
    """A router says that there is no way."""
    NO_FAMILY = "no-family"
    """This computer has no network of that IP version: nobody's fault."""
    FORBIDDEN = "forbidden"
    """This computer itself does not let us: a firewall on it."""
    OTHER = "other"


class Reached(NamedTuple):
    """link: where it is open. detail: the system's words where it is not."""

    reach: Reach
    link: socket.socket | None = None
    detail: str = ""


_KINDS = {
    errno.ECONNREFUSED: Reach.REFUSED,
    errno.ETIMEDOUT: Reach.SILENT,
    errno.ECONNRESET: Reach.RESET,
    errno.ECONNABORTED: Reach.RESET,
    errno.EHOSTUNREACH: Reach.UNREACHABLE,
    errno.ENETUNREACH: Reach.NO_FAMILY,
    errno.EADDRNOTAVAIL: Reach.NO_FAMILY,
    errno.EAFNOSUPPORT: Reach.NO_FAMILY,
    errno.EACCES: Reach.FORBIDDEN,
    errno.EPERM: Reach.FORBIDDEN,
    # Windows has numbers of its own for the same (WSAE...).
    10013: Reach.FORBIDDEN,
    10047: Reach.NO_FAMILY,
    10049: Reach.NO_FAMILY,
    10051: Reach.NO_FAMILY,
    10053: Reach.RESET,
    10054: Reach.RESET,
    10060: Reach.SILENT,
    10061: Reach.REFUSED,
    10065: Reach.UNREACHABLE,
}


def reach(address: Address, port: int, timeout: float) -> Reached:
    """Connect, within `timeout` seconds."""
    try:
        link = socket.socket(socket.AF_INET6 if address.family == 6 else socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        return Reached(Reach.NO_FAMILY, detail=str(error))
    try:
        link.settimeout(timeout)
        link.connect((address.text, port))
    except OSError as error:
        link.close()
        return Reached(kind_of(error), detail=error.strerror or str(error))
    return Reached(Reach.OPEN, link)


def kind_of(error: OSError) -> Reach:
    """What an error of connect(2) means."""
    if isinstance(error, socket.timeout):
        return Reach.SILENT
    numbers = (getattr(error, "winerror", None), error.errno)
    return next((_KINDS[number] for number in numbers if number in _KINDS), Reach.OTHER)
