"""The locks against guessing."""

from __future__ import annotations

import msgspec

from sams.control.messages.base import OneAnswer, OneRequest


class GuardEntry(msgspec.Struct, frozen=True):
    """A lock in force.

    id: in hexadecimal digits. level: `pair`, `address`, `network` or `login`.
    login: empty for an address or a network. place: an address, an IPv6 /64, a network, or empty.
    since, until: UNIX seconds. guesses: how many wrong passwords led to it.
    """

    id: str
    level: str
    login: str
    place: str
    since: float
    until: float
    guesses: int


class GuardList(OneRequest, frozen=True, tag="guard.list"):
    """Ask for a page of locks by rising id behind `after`."""

    after: str | None = None
    limit: int = 100


class GuardPage(OneAnswer, frozen=True, tag="guard.page"):
    """A page of locks; `more`: another one may follow behind the last id."""

    locks: tuple[GuardEntry, ...]
    more: bool


class GuardRelease(OneRequest, frozen=True, tag="guard.release"):
    """End the locks of a login, an address or a network; None: all."""

    target: str | None = None
