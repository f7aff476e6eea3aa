"""The locks of the guard that are in force, for people: listed with their names, and ended before their time."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sams.core.clock import Clock
from sams.identity.guard import records
from sams.identity.guard.memory import GuardMemory, LockNote, cut_login
from sams.identity.guard.records import Level
from sams.identity.guard.tags import GuardTags
from sams.identity.origin import Network, network_key, origin_key, shown_place

_ADDRESS_LENGTHS, _NETWORK_LENGTHS = (32, 64), (24, 48)
"""Prefix lengths of what is counted as an address, and as a network."""


@dataclass(frozen=True, slots=True)
class GuardLock:
    """A lock in force.

    id: names it, in hexadecimal digits; by it they are listed in order.
    level: `pair`, `address`, `network` or `login`. login, place: as of `interface.LockBegun`.
    since, until: UNIX seconds. guesses: how many wrong passwords led to it.
    """

    id: str
    level: str
    login: str
    place: str
    since: float
    until: float
    guesses: int


class GuardLocks:
    """Lists and ends locks, for all workers at once: they share the memory."""

    def __init__(self, memory: GuardMemory, clock: Clock) -> None:
        self._memory = memory
        self._clock = clock
        self._tags = GuardTags(memory)

    def list(self) -> list[GuardLock]:
        """All of them by rising id; of very many at once only the newest some thousand."""
        to_wall = self._clock.now() - self._clock.monotonic()
        found = [
            GuardLock(
                tag.hex(),
                Level(note.level).word,
                note.login,
                note.place,
                note.since + to_wall,
                note.until + to_wall,
                note.guesses,
            )
            for tag, note in self._memory.noted_locks()
            if self._is_locked(tag)
        ]
        return sorted(found, key=lambda lock: lock.id)

    def release_all(self) -> int:
        """End every lock; how many there were."""
        tags = [tag for tag, _, _ in self._memory.counts.entries()]
        return self._end(tag for tag in tags if self._is_locked(tag))

    def release_login(self, login: str) -> int:
        """End the locks of a login, in its bare form, at every place; how many there were."""
        cut = cut_login(login)
        return self._end({self._tags.login(login), *self._noted(lambda note: note.login == cut)})

    def release_place(self, place: Network) -> int:
        """End the locks of an address or a network and of all places in it, for every login; how many there were."""
        found = set(self._noted(lambda note: _lies_in(note.place, place)))
        origin = origin_key(str(place.network_address))
        if place.prefixlen in {*_ADDRESS_LENGTHS, place.max_prefixlen}:
            shown = shown_place(origin)
            found |= {self._tags.address(origin), *self._noted(lambda note: note.place == shown)}
        if place.prefixlen in _NETWORK_LENGTHS:
            found.add(self._tags.network(network_key(origin)))
        return self._end(found)

    def _noted(self, is_meant: Callable[[LockNote], bool]) -> Iterator[bytes]:
        return (tag for tag, note in list(self._memory.noted_locks()) if is_meant(note))

    def _end(self, tags: Iterator[bytes] | set[bytes]) -> int:
        """Forget what was counted under these tags, so that the next lock is a first one; how many were locked."""
        now, ended = self._clock.monotonic(), 0
        for tag in list(tags):
            ended += self._is_locked(tag)
            self._memory.counts.change(tag, now, lambda _: None)
            self._memory.locks.change(tag, now, lambda _: None)
        self._memory.note_change()
        return ended

    def _is_locked(self, tag: bytes) -> bool:
        count = records.read_count(self._memory.counts.read(tag))
        return count.locked_until > self._clock.monotonic()


def place_named(text: str) -> Network | None:
    """The address or network that a person named; None: it is neither, and may be a login."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _lies_in(place: str, network: Network) -> bool:
    found = place_named(place)
    if isinstance(found, ipaddress.IPv4Network) and isinstance(network, ipaddress.IPv4Network):
        return found.subnet_of(network)
    if isinstance(found, ipaddress.IPv6Network) and isinstance(network, ipaddress.IPv6Network):
        return found.subnet_of(network)
    return False
