"""A connection: octets out and in, each wait under a deadline, all of it under a limit."""

from __future__ import annotations

import enum
import errno
import socket
from typing import Protocol

from sams_probe.wire.deadline import Deadline, TimeIsUp

MOST_OCTETS = 262_144
"""Received over one connection; no honest dialogue of ours comes near."""
_PART = 16_384
_RESET = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN, errno.ESHUTDOWN}


class Ending(enum.Enum):
    """How a conversation ended before its time."""

    SILENT = "silent"
    CLOSED = "closed"
    RESET = "reset"
    TOO_MUCH = "too-much"
    """More came than a server would say."""
    FAILED = "failed"
    """The system says that the connection is broken in another way."""


class Broken(Exception):
    """The connection is of no further use. detail: the system's words."""

    def __init__(self, ending: Ending, detail: str = "") -> None:
        super().__init__(ending.value, detail)
        self.ending = ending
        self.detail = detail


class Octets(Protocol):
    """What a dialogue needs of a connection."""

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Send all of it. Raises Broken."""

    def receive(self, deadline: Deadline) -> bytes:
        """What comes next, at least one octet. Raises Broken."""


class Wire:
    """A connected socket. It is closed with `close`."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._count = 0

    @property
    def here(self) -> str:
        """Our own address on this connection."""
        return str(self._link.getsockname()[0])

    def send(self, data: bytes, deadline: Deadline) -> None:
        """Send all of it.

        Raises:
            Broken: it cannot be sent, or not in time.
        """
        try:
            self._link.settimeout(deadline.left())
            self._link.sendall(data)
        except (OSError, TimeIsUp) as error:
            raise _broken(error) from error

    def receive(self, deadline: Deadline) -> bytes:
        """What comes next, at least one octet.

        Raises:
            Broken: nothing comes, or no more, or too much came.
        """
        try:
            self._link.settimeout(deadline.left())
            data = self._link.recv(_PART)
        except (OSError, TimeIsUp) as error:
            raise _broken(error) from error
        self._count += len(data)
        if not data:
            raise Broken(Ending.CLOSED)
        if self._count > MOST_OCTETS:
            raise Broken(Ending.TOO_MUCH)
        return data

    def close(self) -> None:
        """Let go of it."""
        self._link.close()


def _broken(error: Exception) -> Broken:
    if isinstance(error, (TimeIsUp, socket.timeout)):
        return Broken(Ending.SILENT)
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, ConnectionError) or number in _RESET:
        return Broken(Ending.RESET, str(error))
    return Broken(Ending.FAILED, str(error))
