"""What workers and the PAM helper say to each other (`identity/questions.py`).

The helper imports this, so it imports little: what PAM's modules can reach is small.
"""

from __future__ import annotations

import enum

import msgspec

from sams.core.spawning import python_command


class Outcome(enum.Enum):
    """What a check found; the names of `account_sources.Finding`, and DOWN: PAM cannot answer anybody now."""

    RIGHT = enum.auto()
    WRONG = enum.auto()
    REFUSED = enum.auto()
    UNKNOWN = enum.auto()
    UNAVAILABLE = enum.auto()
    DOWN = enum.auto()


class Policy(msgspec.Struct, frozen=True):
    """What the helper holds to, whatever a worker asks for.

    timeout: seconds that a check may take. folder: of the PAM services, instead of `/etc/pam.d`; for tests.
    """

    service: str
    group: str
    least_uid: int
    virtual_users: bool
    timeout: float
    folder: str = ""


class Orders(msgspec.Struct, frozen=True):
    """How a helper is started.

    policies: by the name of the source. most: checks at once. keep: whether it restarts itself, having no supervisor.
    """

    policies: dict[str, Policy]
    most: int
    keep: bool = False


class Question(msgspec.Struct, frozen=True):
    """Who is this? password: None: nobody shows one. Not shown by repr."""

    source: str
    login: str
    password: str | None = None
    address: str = ""

    def __repr__(self) -> str:
        return f"Question({self.source!r}, {self.login!r})"


class Told(msgspec.Struct, frozen=True):
    """The answer.

    login: of whom was found; else empty.
    suspended: why they may not sign in, None: they may.
    """

    outcome: Outcome
    login: str = ""
    suspended: str | None = None
    detail: str = ""


def helper_command(orders: Orders) -> list[str]:
    """The command that is the helper, of the same code as this process. It has no secret in it."""
    return python_command("sams.identity.sources.pam.helper", msgspec.json.encode(orders).decode())
