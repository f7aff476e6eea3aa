"""How the hasher is started, and what it is told."""

from __future__ import annotations

import socket

import msgspec

from sams.core.rights import ServiceUser
from sams.core.spawning import clean_environment, python_command, spawn
from sams.identity.passwords.hashes import HashCost
from sams.identity.questions import HEARING


class Orders(msgspec.Struct, frozen=True):
    """How a hasher is started; nothing in it is secret.

    at_once: hashes. cost: of those that it makes. user: whom it becomes; None: it stays who started it.
    """

    at_once: int
    cost: HashCost
    user: ServiceUser | None = None


def spawn_hasher(orders: Orders, hearing: socket.socket) -> int:
    """Start a hasher that hears what comes on its end of the pair; its pid. It inherits nothing else but stderr.

    Raises:
        OSError: it cannot be started.
    """
    command = python_command("sams.identity.passwords.hasher.process", msgspec.json.encode(orders).decode())
    return spawn(command, {HEARING: hearing.fileno()}, clean_environment())
