"""What workers and the hasher say to each other (`identity/questions.py`)."""

from __future__ import annotations

import msgspec

from sams.core.rights import ServiceUser
from sams.core.spawning import python_command
from sams.identity.passwords.argon2id import HashCost


class Orders(msgspec.Struct, frozen=True):
    """How a hasher is started; nothing in it is secret.

    at_once: hashes, over the machine. cost: of those that it makes.
    user: whom it becomes; None: it stays who started it.
    """

    at_once: int
    cost: HashCost
    user: ServiceUser | None = None


class Question(msgspec.Struct, frozen=True):
    """Whether a stored hash is that of a password; or, where there is none, a hash of it. Not shown by repr."""

    password: str
    stored: str | None = None

    def __repr__(self) -> str:
        return "Question()"


class Told(msgspec.Struct, frozen=True):
    """The answer: one of the two."""

    is_right: bool | None = None
    made: str | None = None

    def __repr__(self) -> str:
        return "Told()"


def hasher_command(orders: Orders) -> list[str]:
    """The command that is the hasher, of the same code as this process."""
    return python_command("sams.identity.passwords.hasher.process", msgspec.json.encode(orders).decode())
