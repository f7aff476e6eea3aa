"""How the web process is started, and what it is told: by the supervisor, which loads nothing of the pages.

The site goes to it in a file without a name in memory: it holds the certificate's key, which must stand in no command
line and on no disk. Who starts it may be root; so the octets of the site are read by the process itself, when it has
given up what it does not need.
"""

from __future__ import annotations

import socket

import msgspec

from sams.core.rights import ServiceUser
from sams.core.spawning import clean_environment, python_command, spawn
from sams.web.site import Site

LISTENING, SITE = 3, 4
"""The descriptors on which the process finds its listening socket, and the site."""
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_ARENA_MAX": "2"}
"""For glibc: each connection of asyncio with TLS has a buffer of 256 KiB, which goes back to the system at its end.
Otherwise glibc learns to keep such pieces: floods left up to 800 MB behind, and not half of it now.
"""


class Orders(msgspec.Struct, frozen=True):
    """How a web process is to run; nothing in it is secret.

    user: None: it stays who started it. level, people: of the log, as of the service's.
    parent: the pid without which it ends.
    """

    parent: int
    user: ServiceUser | None = None
    level: str = "info"
    people: bool = False


def spawn_pages(orders: Orders, listening: socket.socket, site: int) -> int:
    """Start a web process; its pid. site: the descriptor of a memory file with `encode(site)`.

    Raises:
        OSError: it cannot be started.
    """
    command = python_command("sams.web.process", msgspec.json.encode(orders).decode())
    environment = {**clean_environment(), **_MEMORY}
    return spawn(command, {LISTENING: listening.fileno(), SITE: site}, environment)


def encode(site: Site) -> bytes:
    """What the process is told."""
    return msgspec.msgpack.encode(site)


def decode(octets: bytes) -> Site:
    """What it reads."""
    return msgspec.msgpack.decode(octets, type=Site)
