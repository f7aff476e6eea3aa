"""How the web process is started, and what it is told: by the supervisor, which loads nothing of the pages.

The site goes to it in a file without a name in memory: it holds the certificate's key, which must stand in no command
line and on no disk. Who starts it may be root; so the octets of the site are read by the process itself, when it has
given up what it does not need.
"""

from __future__ import annotations

import socket

import msgspec

from sams.core.spawning import clean_environment, python_command, spawn
from sams.web.site import Site

LISTENING, SITE = 3, 4
"""The descriptors on which the process finds its listening socket, and the site."""


class RunAs(msgspec.Struct, frozen=True):
    """The user that the process becomes: its name and numbers."""

    name: str
    uid: int
    gid: int


class Orders(msgspec.Struct, frozen=True):
    """How a web process is to run; nothing in it is secret.

    user: None: it stays who started it. level, people: of the log, as of the service's.
    parent: the pid without which it ends.
    """

    parent: int
    user: RunAs | None = None
    level: str = "info"
    people: bool = False


def spawn_pages(orders: Orders, listening: socket.socket, site: int) -> int:
    """Start a web process; its pid. site: the descriptor of a memory file with `encode(site)`.

    Raises:
        OSError: it cannot be started.
    """
    command = python_command("sams.web.process", msgspec.json.encode(orders).decode())
    return spawn(command, {LISTENING: listening.fileno(), SITE: site}, clean_environment())


def encode(site: Site) -> bytes:
    """What the process is told."""
    return msgspec.msgpack.encode(site)


def decode(octets: bytes) -> Site:
    """What it reads."""
    return msgspec.msgpack.decode(octets, type=Site)
