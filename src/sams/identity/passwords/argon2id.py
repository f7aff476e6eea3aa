"""Argon2id (RFC 9106), the form that hashes of passwords have here, and where it is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

NICENESS = 10
"""Of what computes hashes beside the service's mail, above the service's own."""


@dataclass(frozen=True, slots=True)
class HashCost:
    """What a hash costs; stored with each hash, and older hashes are brought up to it at sign-in.

    memory: KiB. passes: over the memory. lanes: of argon2's own parallelism.
    scram_iterations: of SCRAM keys, in a file that is made new. RFC 7677 asks for 4,096 at least; Cyrus SASL, by
        which Postfix, KMail and others sign in, refuses more than 65,536.
    """

    memory: int = 19 * 1024
    passes: int = 2
    lanes: int = 1
    scram_iterations: int = 65_536


class Argon2id(Protocol):
    """Computes hashes, for tens of milliseconds each. Blocks: for threads, or for commands."""

    def make(self, password: str) -> str:
        """The hash of a prepared password, with its salt and parameters."""
        ...

    def matches(self, stored: str, password: str) -> bool:
        """Whether a stored hash is that of a prepared password.

        Raises:
            ValueError: the hash is damaged.
        """
        ...

    def is_outdated(self, stored: str) -> bool:
        """Whether a stored hash has another cost than those of today. Computes nothing."""
        ...


class Argon2idHere:
    """Computed by the thread that asks (`Argon2id`)."""

    __slots__ = ("_hasher",)

    def __init__(self, cost: HashCost) -> None:
        self._hasher = PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory, parallelism=cost.lanes, type=Type.ID
        )

    def make(self, password: str) -> str:
        """Of a new salt."""
        return self._hasher.hash(password)

    def matches(self, stored: str, password: str) -> bool:
        """By the parameters that are stored with the hash."""
        try:
            return self._hasher.verify(stored, password)
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError) as error:
            raise ValueError(f"a stored password hash is damaged: {type(error).__name__}") from None

    def is_outdated(self, stored: str) -> bool:
        """By the parameters that are stored with it."""
        return self._hasher.check_needs_rehash(stored)
