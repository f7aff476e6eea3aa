"""What a password of another system is, once its text was understood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


class UnusableHashError(ValueError):
    """A text is no password hash that can be taken over. The message says why and what to do, never what it was."""


@dataclass(frozen=True, slots=True)
class ForeignHash:
    """A hash of another system.

    scheme: for people, such as "bcrypt".
    text: as it is stored and can be read again.
    matches: whether these octets are the password. Blocks for up to a second; compares in constant time.
    looks_at: how many octets of a password matter; None: all.
    """

    scheme: str
    text: str = field(repr=False)
    matches: Callable[[bytes], bool] = field(repr=False)
    looks_at: int | None = None


@dataclass(frozen=True, slots=True)
class PlainPassword:
    """A password as the member types it, in a file that keeps no hash."""

    password: str = field(repr=False)


def damaged(scheme: str) -> UnusableHashError:
    """For a text that begins like one of this scheme and is none."""
    return UnusableHashError(
        f"it begins like {scheme} and is cut off or damaged: take it from the source again"
    )


def bounded(scheme: str, what: str, number: int, least: int, most: int) -> int:
    """A cost that the service is ready to pay at a sign-in.

    Raises:
        UnusableHashError: it is none.
    """
    if least <= number <= most:
        return number
    raise UnusableHashError(
        f"its {scheme} asks for {what} {number}, and {least} to {most} is taken here, since every sign-in pays "
        "for it: give this member a new password with `sams account add`"
    )
