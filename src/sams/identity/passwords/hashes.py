"""Password hashes: argon2id (RFC 9106), and those of other systems until their members sign in.

A hash takes tens of milliseconds of one core and 19 MiB: `pool.py` bounds how many are computed at once.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from sams.identity.logins import map_password
from sams.identity.passwords.foreign.interface import ForeignHash, PlainPassword
from sams.identity.passwords.foreign.reader import ARGON2, ForeignHashes

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


@dataclass(frozen=True, slots=True)
class Compared:
    """What comparing a password with a hash told.

    upgrade: a hash of the same password at today's cost, where the stored one had another.
    """

    is_right: bool
    upgrade: str | None = None


class Hashes:
    """Makes and compares hashes. Blocks for tens of milliseconds: for threads, or for commands.

    To make one takes as long: the hash that unknown logins are compared with is computed.
    """

    __slots__ = ("_argon2", "_dummy", "_foreign", "scram_iterations")

    def __init__(self, cost: HashCost, foreign: ForeignHashes | None = None) -> None:
        self._argon2 = PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory, parallelism=cost.lanes, type=Type.ID
        )
        self._dummy = self._argon2.hash(secrets.token_urlsafe())
        self._foreign = foreign or ForeignHashes()
        self.scram_iterations = cost.scram_iterations

    def make(self, password: str) -> str:
        """The hash of a prepared password, with its salt and parameters."""
        return self._argon2.hash(password)

    def imported(self, text: str) -> str | PlainPassword:
        """What is stored of a password by another system's file: its hash, or what is to be hashed yet.

        Raises:
            UnusableHashError: it is no hash, one that is not taken, or one that costs too much.
        """
        found = self._foreign.read(text)
        return found.text if isinstance(found, ForeignHash) else found

    def compare(self, stored: str | None, typed: str) -> Compared:
        """Map a password and compare it with a hash; None, for an unknown login, costs the same.

        A hash of another system costs its own time, and one of ours besides, for the upgrade or for nobody: a cheap
        one takes no less than an unknown login does.

        Raises:
            ValueError: the stored hash is damaged.
        """
        password = map_password(typed)
        if stored is not None and not stored.startswith(ARGON2):
            return self._compare_foreign(stored, typed, password)
        is_right = self._matches(self._dummy if stored is None else stored, password)
        if stored is None or not self._argon2.check_needs_rehash(stored):
            return Compared(is_right=is_right and stored is not None)
        return self._outdated(password, is_right=is_right)

    def _compare_foreign(self, stored: str, typed: str, password: str) -> Compared:
        """As it was typed first: other systems do not map. A NUL ends a C string, and an HMAC key."""
        try:
            found = self._foreign.read(stored)
        except ValueError as error:
            raise ValueError(f"a stored password hash is damaged, or not for this system: {error}") from None
        if not isinstance(found, ForeignHash):
            raise ValueError("a stored password hash is damaged: it is none")  # noqa: TRY004 - of what was read
        spellings = dict.fromkeys(text.encode("utf-8", "surrogatepass") for text in (typed, password))
        is_right = "\0" not in typed and any(found.matches(spelling) for spelling in spellings)
        is_whole = found.looks_at is None or len(password.encode("utf-8", "surrogatepass")) <= found.looks_at
        return self._outdated(password, is_right=is_right, is_whole=is_whole)

    def _outdated(self, password: str, *, is_right: bool, is_whole: bool = True) -> Compared:
        """Bring a hash up to today's, or let it take as long.

        is_whole: the old hash is of all of the password. Otherwise it stays: another program of the member may have
        saved another end, which was never looked at.
        """
        if is_right and is_whole:
            return Compared(is_right=True, upgrade=self.make(password))
        self._matches(self._dummy, password)
        return Compared(is_right=is_right)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._argon2.verify(stored, password)
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError) as error:
            raise ValueError(f"a stored password hash is damaged: {type(error).__name__}") from None
