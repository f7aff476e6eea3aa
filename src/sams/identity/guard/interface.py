"""What sign-ins ask of the guard against guessing, and the values in which it answers.

`shared_guard.py` is the guard, and tells how it decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from sams.identity.guard.records import DAY
from sams.identity.origin import Network


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """When the guard acts. Times in seconds.

    allow: networks free of it.
    window: wrong passwords are counted for this long from the first.
    pair_free: distinct wrong passwords of a pair that cost nothing but the usual delay.
    slow_first: delay of the next one; doubles with each up to slow_longest.
    pair_failures: distinct wrong passwords that lock the pair.
    known_failures: those of a known pair in a day that count for it alone; while a wider lock is in force, as many
        within a window lock it.
    address_failures: distinct guesses that lock the origin, or as many as logins were right there lately, if those
        are more.
    network_failures: the same for the network.
    day_factor: so many times those of a window lock when they come within a day.
    login_failures: distinct wrong passwords of a login, from places new to it and within `login_window`, after which
        a new place has one and a new network `login_network_failures`, for as long as `login_window`.
    lock: the first lock; doubles with each further one within a day, up to lock_longest.
    known: for how long a pair whose password was right counts as known.
    tries_while_locked: other passwords after which not even the right one passes a pair's lock.
    """

    allow: tuple[Network, ...] = ()
    window: float = 900.0
    pair_free: int = 3
    slow_first: float = 1.0
    slow_longest: float = 8.0
    pair_failures: int = 10
    known_failures: int = 3
    address_failures: int = 30
    network_failures: int = 300
    day_factor: int = 3
    login_failures: int = 100
    login_network_failures: int = 3
    login_window: float = DAY
    lock: float = 300.0
    lock_longest: float = DAY
    known: float = 30 * DAY
    tries_while_locked: int = 50


@dataclass(frozen=True, slots=True)
class Lock:
    """Who is locked out, and for how many seconds still. what: `pair`, `address`, `network` or `login`."""

    seconds: float
    what: str


@dataclass(frozen=True, slots=True)
class LockBegun:
    """A lock that began, as activity is told of it.

    level: as of `Lock.what`. login: empty for an address or a network.
    place: the address (/64), the network, or empty where it is of a login wherever it is.
    seconds: how long it lasts. guesses: how many wrong passwords led to it.
    """

    level: str
    login: str
    place: str
    seconds: float
    guesses: int


class SignInAttempt(Struct, frozen=True, gc=False):
    """One sign-in, as the guard counts it: bare mapped login, and the password as it was typed.

    The password is not shown by repr. One in another spelling (RFC 8265) counts as another. Where it was no password,
    any text that is the same for the same credential.
    opaque: the text is another one each time, as of a wrong SCRAM proof.
    """

    address: str
    login: str
    password: str
    opaque: bool = False

    def __repr__(self) -> str:
        return f"SignInAttempt(address={self.address!r}, login={self.login!r})"


class Guard(Protocol):
    """What sign-ins ask of a guard; a fuller one fits behind the same questions."""

    def locked(self, attempt: SignInAttempt) -> Lock | None:
        """Whether this attempt must not be decided now."""
        ...

    def repeats(self, attempt: SignInAttempt, generation: int) -> bool:
        """Whether this password was found wrong here lately, of the account in this generation."""
        ...

    def knows(self, attempt: SignInAttempt) -> bool:
        """Whether this login was right at this address lately, by whatever password."""
        ...

    def was_right(self, attempt: SignInAttempt) -> bool:
        """Whether this password was right for this login before, here or elsewhere.

        Of one that is wrong: whether it is a previous one. For the journal only. A restart forgets it.
        """
        ...

    def failed(self, attempt: SignInAttempt, generation: int) -> float:
        """It was wrong, of the account in this generation.

        Returns:
            The delay of its reply, besides the usual one.
        """
        ...

    def succeeded(self, attempt: SignInAttempt) -> None:
        """It was right."""
        ...
