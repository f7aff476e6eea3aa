"""Tables of fixed size in memory that forked processes share.

Theory of operation. The memory is an anonymous mapping made before the fork. Each entry is found by a tag: a
keyed BLAKE2b of what it is about, so that nobody outside can choose which entries meet, and no name or
address stands in the memory as it is. The tag's first octets choose a bucket of 8 slots; within it the
entry may be in any slot, and a new one takes a free slot or that of the entry that was touched longest ago.
So the table never grows, never needs cleaning, and forgets the oldest first.

    slot = tag (16 octets) | touched (double, seconds) | payload; tag zero: free

A bucket's tags are taken out together, by one unpacking, and nothing but a tag is ever taken for one.

Reading takes no lock and may, very rarely, see a payload that is half of the one before: whoever uses the
table takes numbers from it for counts, not for truth. An `OwnedTable` has one process that writes, without a
lock. A `SharedTable` is changed by all: that takes a record lock (fcntl) on one octet of
an empty file that stands for the bucket. The kernel gives it back when a process dies, even by SIGKILL.
Such locks hold between processes and not between threads: a table is changed on one thread of a process,
the loop's. No change takes a second lock, so they cannot wait for each other in a ring.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
import weakref
from collections.abc import Callable, Iterator

WAYS = 8
TAG_OCTETS = 16

_HEAD = struct.Struct(f"<{TAG_OCTETS}sd")
_FREE = bytes(TAG_OCTETS)

Change = Callable[[bytes | None], bytes | None]
"""From the payload (None: no entry) to the new one (None: no entry any more)."""


class _Table:
    """What both kinds have in common: made before the fork, found by tags, read by all.

    payload: octets of each entry.
    slots: how many entries there is room for; rounded up to full buckets.
    key: secret, 16 to 64 octets, the same in all processes.
    """

    __slots__ = ("__weakref__", "_buckets", "_key", "_memory", "_payload", "_slot", "_tags")

    def __init__(self, slots: int, payload: int, key: bytes) -> None:
        self._payload = payload
        self._slot = _HEAD.size + payload
        self._tags = struct.Struct("<" + f"{TAG_OCTETS}s{self._slot - TAG_OCTETS}x" * WAYS)
        self._buckets = max(1, -(-slots // WAYS))
        self._memory = mmap.mmap(-1, self._buckets * self._tags.size)
        self._key = hashlib.blake2b(key=key, digest_size=TAG_OCTETS)

    def tag(self, about: bytes) -> bytes:
        """The tag of what an entry is about."""
        keyed = self._key.copy()
        keyed.update(about)
        return keyed.digest()

    def read(self, tag: bytes) -> bytes | None:
        """The payload, without a lock; None: no entry."""
        _, position = self._find(tag)
        if position is None:
            return None
        start = position + _HEAD.size
        return self._memory[start : start + self._payload]

    def _put(self, tag: bytes, now: float, payload: bytes | None) -> None:
        bucket, found = self._find(tag)
        if payload is not None:
            position = self._room(bucket) if found is None else found
            self._memory[position : position + self._slot] = _HEAD.pack(tag, now) + payload
        elif found is not None:
            self._memory[found : found + TAG_OCTETS] = _FREE

    def _find(self, tag: bytes) -> tuple[int, int | None]:
        """Where its bucket begins, and where in it its slot does; None: it has none."""
        bucket = int.from_bytes(tag[:8], "little") % self._buckets * self._tags.size
        tags = self._tags.unpack_from(self._memory, bucket)
        return bucket, (bucket + tags.index(tag) * self._slot if tag in tags else None)

    def _room(self, bucket: int) -> int:
        """A free slot of the bucket, else the one that was touched longest ago."""
        tags = self._tags.unpack_from(self._memory, bucket)
        if _FREE in tags:
            return bucket + tags.index(_FREE) * self._slot
        return min(range(bucket, bucket + self._tags.size, self._slot), key=self._touched)

    def _touched(self, position: int) -> float:
        _, touched = _HEAD.unpack_from(self._memory, position)
        return float(touched)


class OwnedTable(_Table):
    """A table that one process writes."""

    __slots__ = ()

    def put(self, tag: bytes, now: float, payload: bytes | None) -> None:
        """Write an entry; None: no entry any more. For the one process that writes.

        `now` is its time of being touched: any clock, but one.
        """
        self._put(tag, now, payload)

    def clear(self) -> None:
        """Forget everything: the one who wrote is dead."""
        self._memory[:] = bytes(len(self._memory))


class SharedTable(_Table):
    """A table that all processes change. Made by the one whose children share it."""

    __slots__ = ("_file",)

    def __init__(self, slots: int, payload: int, key: bytes) -> None:
        super().__init__(slots, payload, key)
        self._file = os.memfd_create("sams-table", os.MFD_CLOEXEC)  # never written: only to be locked
        weakref.finalize(self, os.close, self._file)

    def change(self, tag: bytes, now: float, function: Change) -> None:
        """Change an entry with nobody between. `now` is its time of being touched: any clock, but one."""
        number = self._find(tag)[0] // self._tags.size
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, number)
        try:
            self._change(tag, now, function)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)

    def entries(self) -> Iterator[tuple[bytes, float, bytes]]:
        """All entries as they are when it comes to each: tag, time of being touched, payload. Takes no lock."""
        for position in range(0, len(self._memory), self._slot):
            slot = self._memory[position : position + self._slot]
            tag, touched = _HEAD.unpack_from(slot)
            if tag != _FREE:
                yield tag, touched, slot[_HEAD.size :]

    @property
    def memory(self) -> mmap.mmap:
        """All slots, to read in: whoever knows where an entry stands looks there for its tag and its payload."""
        return self._memory

    def locate(self, tag: bytes) -> int | None:
        """Where in `memory` an entry's slot begins, as long as its tag stands there; None: no entry."""
        return self._find(tag)[1]

    def swap(self, position: int, before: bytes, after: bytes) -> bool:
        """Change octets within one slot if they are still what they were when read. Whether they were.

        Cheaper than `change`, as nothing is searched and little is done under the lock.
        """
        number, end = position // self._tags.size, position + len(before)
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, number)
        try:
            if self._memory[position:end] != before:
                return False
            self._memory[position:end] = after
            return True
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)

    def _change(self, tag: bytes, now: float, function: Change) -> None:
        found = self._find(tag)[1]
        start = 0 if found is None else found + _HEAD.size
        payload = function(None if found is None else self._memory[start : start + self._payload])
        self._put(tag, now, payload)


class Columns:
    """One number for each worker, written by that worker alone and summed by all. Made before the fork.

    numbers: in their order. A worker sets its own to 0 when it starts: its forerunner may have died.
    """

    __slots__ = ("numbers",)

    def __init__(self, workers: int) -> None:
        self.numbers = memoryview(mmap.mmap(-1, 4 * max(1, workers))).cast("I")

    def total(self) -> int:
        """The sum over all workers."""
        return sum(self.numbers)
