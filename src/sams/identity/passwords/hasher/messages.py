"""What workers and the hasher say to each other (`identity/questions.py`)."""

from __future__ import annotations

import msgspec

from sams.core.rights import ServiceUser
from sams.core.spawning import python_command
from sams.identity.passwords.hashes import HashCost


class Orders(msgspec.Struct, frozen=True):
    """How a hasher is started; nothing in it is secret.

    at_once: hashes. cost: of those that it makes. user: whom it becomes; None: it stays who started it.
    """

    at_once: int
    cost: HashCost
    user: ServiceUser | None = None


class Question(msgspec.Struct, frozen=True):
    """What `Hashes.compare` is asked; the answer is what it returns. Not shown by repr."""

    stored: str | None
    typed: str

    def __repr__(self) -> str:
        return "Question()"


def hasher_command(orders: Orders) -> list[str]:
    """The command that is the hasher, of the same code as this process."""
    return python_command("sams.identity.passwords.hasher.process", msgspec.json.encode(orders).decode())
