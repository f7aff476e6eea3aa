"""Verified passwords, remembered for some minutes in memory that all workers share.

Theory of operation. A mail program that signs in for every message must not cost a hash each time. What is
kept of a verified password is a truncated keyed BLAKE2b of login, generation and password, under a key made
before the fork and kept nowhere else; from the memory alone a password cannot even be tried. A change of
the account changes its generation, so that all that was remembered of it no longer matches, in every
process at once.

    slot = expiry (u32, monotonic seconds) | tag (12 octets); two slots are possible for each tag

Nothing is locked. A slot that is read while it is written does not match, which costs a hash; or its own tag
matches with an expiry that is not its own, which lets a password that is still right be remembered once more.
The seconds are CLOCK_MONOTONIC's, which all processes of a machine share.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from hmac import compare_digest

from sams.core.clock import Clock

DEFAULT_SECONDS = 300
DEFAULT_SLOTS = 65_536

_TAG_OCTETS = 12
_SLOT = struct.Struct(f"<I{_TAG_OCTETS}s")
_DIGEST = struct.Struct(f"<II{_TAG_OCTETS}s")
"""Where a tag may stand, and the tag."""


class Remembered:
    """Remembers that a password was right. Made before the fork.

    key: secret, 16 to 64 octets.
    seconds: for how long a password is remembered where nobody says; 0: never.
    """

    __slots__ = ("_clock", "_key", "_memory", "_seconds", "_slots")

    def __init__(
        self, key: bytes, clock: Clock, seconds: int = DEFAULT_SECONDS, slots: int = DEFAULT_SLOTS
    ) -> None:
        self._key = hashlib.blake2b(key=key, digest_size=_DIGEST.size, person=b"sams password")
        self._clock = clock
        self._seconds = seconds
        self._slots = slots
        self._memory = mmap.mmap(-1, slots * _SLOT.size)

    def knows(self, login: str, generation: int, password: str) -> bool:
        """Whether this very password was right for this generation of the login, not long ago."""
        first, second, tag = self._places(login, generation, password)
        for place in (first, second):
            expiry, held = _SLOT.unpack_from(self._memory, place)
            if compare_digest(held, tag) and self._clock.monotonic() < expiry:
                return True
        return False

    def remember(self, login: str, generation: int, password: str, seconds: float | None = None) -> None:
        """The password was right just now. seconds: for how long that holds; None: as long as is usual."""
        first, second, tag = self._places(login, generation, password)
        place = min(first, second, key=lambda place: self._staleness(place, tag))
        expiry = int(self._clock.monotonic()) + int(self._seconds if seconds is None else seconds)
        _SLOT.pack_into(self._memory, place, expiry & 0xFFFF_FFFF, tag)

    def forget(self, login: str, generation: int, password: str) -> None:
        """It was found wrong: it is right no more."""
        first, second, tag = self._places(login, generation, password)
        for place in (first, second):
            if _SLOT.unpack_from(self._memory, place)[1] == tag:
                _SLOT.pack_into(self._memory, place, 0, tag)

    def _places(self, login: str, generation: int, password: str) -> tuple[int, int, bytes]:
        keyed = self._key.copy()
        keyed.update(f"{login}\0{generation}\0{password}".encode())
        first, second, tag = _DIGEST.unpack(keyed.digest())
        return first % self._slots * _SLOT.size, second % self._slots * _SLOT.size, tag

    def _staleness(self, place: int, tag: bytes) -> int:
        expiry, held = _SLOT.unpack_from(self._memory, place)
        return -1 if held == tag else int(expiry)
