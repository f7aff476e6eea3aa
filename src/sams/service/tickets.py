"""Tickets: by which the pages name a member who has signed in, without keeping the password."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from sams.core.clock import Clock
from sams.identity.interface import Identity

LIFE = 3_600.0
"""Seconds."""
MOST = 2_000
MOST_OF_A_LOGIN = 8
_OCTETS = 32


@dataclass(frozen=True, slots=True)
class Ticket:
    """A member who has signed in. ends: on the monotonic clock. is_of: who it was then."""

    ends: float
    is_of: Identity


class Tickets:
    """Those that are in force, in memory alone; a restart ends them all.

    Only a hash of each is kept: it is found by that, so that no time tells how much of a guess was right. Of too many
    the oldest goes, first that of the same login: nobody can push others out by signing in again and again.

    still_valid: whether an account is as it was (`Authenticator.still_valid`).
    """

    def __init__(self, clock: Clock, still_valid: Callable[[Identity], bool]) -> None:
        self._clock = clock
        self._still_valid = still_valid
        self._tickets: dict[bytes, Ticket] = {}

    def __len__(self) -> int:
        return len(self._tickets)

    def issue(self, identity: Identity) -> str:
        """A ticket for a member who has just signed in: a secret of 256 bits, as text."""
        self._make_room(identity.login)
        text = secrets.token_urlsafe(_OCTETS)
        self._tickets[_key(text)] = Ticket(self._clock.monotonic() + LIFE, identity)
        return text

    def find(self, text: str) -> Identity | None:
        """Whose ticket this is; None: nobody's, its time is over, or the account is no longer as it was."""
        key = _key(text)
        ticket = self._tickets.get(key)
        if ticket is None:
            return None
        if ticket.ends <= self._clock.monotonic() or not self._still_valid(ticket.is_of):
            del self._tickets[key]
            return None
        return ticket.is_of

    def forget(self, text: str) -> None:
        """It is over; one that is not known is so already."""
        self._tickets.pop(_key(text), None)

    def _make_room(self, login: str) -> None:
        now = self._clock.monotonic()
        self._tickets = {key: ticket for key, ticket in self._tickets.items() if ticket.ends > now}
        own = [key for key, ticket in self._tickets.items() if ticket.is_of.login == login]
        if len(own) >= MOST_OF_A_LOGIN:
            del self._tickets[own[0]]
        elif len(self._tickets) >= MOST:
            del self._tickets[next(iter(self._tickets))]


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
