"""The memory of the guard, shared by all workers: its tables, and the keys by which they are found.

Theory of operation. Wrong passwords and right ones stand in tables of their own, so that nobody can push out where
members were right by trying passwords. Entries are found by tags under a key that is kept on disk with them, so
that they can be found again after a restart. Passwords have tags under another key, which is in memory only: from
what is on disk no password can be tried.

The book of locks has names beside the tags, for people; it has room for some thousand, and the oldest go.
"""

from __future__ import annotations

import hashlib
import mmap
import secrets
import struct
from collections.abc import Iterator
from typing import NamedTuple

from sams.identity.guard.records import COUNT_OCTETS, CROWD_OCTETS, PLACE_OCTETS
from sams.identity.shared_table import TAG_OCTETS, SharedTable

KEY_OCTETS = 32
COUNT_SLOTS = 65_536
PLACE_SLOTS = 131_072
CROWD_SLOTS = 8_192
LOCK_SLOTS = 4_096

LOGIN_OCTETS = 128
_PLACE_TEXT_OCTETS = 64
_LOCK = struct.Struct(f"<BddI{LOGIN_OCTETS}s{_PLACE_TEXT_OCTETS}s")
LOCK_OCTETS = _LOCK.size


class LockNote(NamedTuple):
    """A lock as the book has it.

    level: a `records.Level`. since, until: monotonic seconds. guesses: how many of them led to it.
    login: empty for an address or a network; cut to LOGIN_OCTETS. place: an address, a network or empty.
    """

    level: int
    since: float
    until: float
    guesses: int
    login: str
    place: str


class PasswordTags:
    """Makes tags of passwords. keyed: what has taken in the key and the kind of tag; a copy of it makes each."""

    __slots__ = ("_keyed",)

    def __init__(self, keyed: hashlib.blake2b) -> None:
        self._keyed = keyed

    def of(self, login: str, password: str) -> bytes:
        """The tag of a login's password."""
        keyed = self._keyed.copy()
        keyed.update(f"{login}\0{password}".encode("utf-8", "surrogatepass"))
        return keyed.digest()


class GuardMemory:
    """All tables of the guard. Made before the fork.

    key: KEY_OCTETS, of the tags that are kept; None: a new one.
    slots: of the counts, and of the places twice as many; for tests.
    """

    def __init__(self, key: bytes | None = None, slots: int = COUNT_SLOTS) -> None:
        self.key = key or secrets.token_bytes(KEY_OCTETS)
        self.counts = SharedTable(slots, COUNT_OCTETS, self.key)
        self.places = SharedTable(2 * slots, PLACE_OCTETS, self.key)
        self.crowds = SharedTable(min(slots, CROWD_SLOTS), CROWD_OCTETS, self.key)
        self.locks = SharedTable(min(slots, LOCK_SLOTS), LOCK_OCTETS, self.key)
        self._passwords = hashlib.blake2b(key=secrets.token_bytes(KEY_OCTETS), digest_size=TAG_OCTETS)
        self._changed = mmap.mmap(-1, 1)

    def password_tags(self, kind: bytes) -> PasswordTags:
        """For tags of one kind: not to be found again after a restart, and nowhere on disk."""
        keyed = self._passwords.copy()
        keyed.update(kind + b"\0")
        return PasswordTags(keyed)

    def note_change(self) -> None:
        """Something changed that is kept on disk."""
        self._changed[0] = 1

    def take_change(self) -> bool:
        """Whether something changed since the last call."""
        changed = self._changed[0] != 0
        self._changed[0] = 0
        return changed

    def note_lock(self, tag: bytes, note: LockNote, now: float) -> None:
        """Put a lock into the book, under the tag of its count."""
        payload = write_lock(note)
        self.locks.change(tag, now, lambda _: payload)

    def noted_locks(self) -> Iterator[tuple[bytes, LockNote]]:
        """All locks in the book, with their tags; those too that are over or were ended."""
        for tag, _, payload in self.locks.entries():
            yield tag, read_lock(payload)


def read_lock(payload: bytes) -> LockNote:
    """A note from its octets."""
    level, since, until, guesses, login, place = _LOCK.unpack(payload)
    return LockNote(level, since, until, guesses, _text(login), _text(place))


def write_lock(note: LockNote) -> bytes:
    """The octets of a note, its texts cut to length."""
    login, place = note.login.encode(errors="replace"), note.place.encode(errors="replace")
    return _LOCK.pack(note.level, note.since, note.until, note.guesses, login, place)


def cut_login(login: str) -> str:
    """A login as the book has it."""
    return _text(login.encode(errors="replace")[:LOGIN_OCTETS])


def _text(octets: bytes) -> str:
    return octets.rstrip(b"\0").decode(errors="ignore")
