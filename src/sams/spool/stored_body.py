"""Bodies that are stored, in memory or in a file."""

from __future__ import annotations

import asyncio
import os
import stat
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sams.core.turns import Turns
from sams.spool.failures import StorageFailed
from sams.spool.interface import DamagedEntry

_READ_AHEAD = 524_288
"""Octets that a thread reads at once."""


class MemoryBody:
    """A body that is held in memory."""

    __slots__ = ("_octets",)

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    @property
    def size(self) -> int:
        """Octets."""
        return len(self._octets)

    def in_memory(self) -> bytes:
        """All of it."""
        return self._octets

    async def chunks(self, size: int = 65_536) -> AsyncIterator[bytes]:
        """Read it from the start."""
        for chunk in self.blocking_chunks(size):
            yield chunk

    def blocking_chunks(self, size: int = 65_536) -> Iterator[bytes]:
        """Read it from the start."""
        for start in range(0, len(self._octets), size):
            yield self._octets[start : start + size]


@dataclass(frozen=True, slots=True)
class BodyReading:
    """What all readers of body files share: threads for what has to be waited for, and the line of the others."""

    pool: Executor
    turns: Turns


class FileBody:
    """A body in a file of its own, complete and synced. Reading it checks its size and its checksum.

    Raises (while it is read, at the latest behind its last octet):
        DamagedEntry: the file is gone, cut, or was changed.
        StorageFailed: it cannot be read now.
    """

    __slots__ = ("_on_damage", "_readers", "checksum", "is_handed_over", "path", "size")

    def __init__(
        self,
        path: Path,
        size: int,
        checksum: int,
        readers: BodyReading,
        on_damage: Callable[[str], None] | None = None,
    ) -> None:
        self.path = path
        self.size = size
        self.checksum = checksum
        self.is_handed_over = False
        """Whether a spool was given a message with it: its writer has no say over the file any more."""
        self._readers = readers
        self._on_damage = on_damage

    def check(self) -> None:
        """Look whether the file is there and has its size.

        Raises:
            DamagedEntry: it has not.
        """
        try:
            status = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise DamagedEntry(f"the body file {self.path.name} is missing") from None
        except OSError:
            return  # it may pass: who reads it will meet it, and has a time to try again
        if not stat.S_ISREG(status.st_mode):
            raise DamagedEntry(f"{self.path.name} is no file, where a body file should be")
        size = status.st_size
        if size != self.size:
            raise DamagedEntry(f"the body file {self.path.name} has {size} octets instead of {self.size}")

    def in_memory(self) -> None:
        """None: read it by `chunks`."""
        return

    async def chunks(self, size: int = 65_536) -> AsyncIterator[bytes]:
        """Read it from the start: at once what the system has in memory, the rest by the pool's threads.

        A body that is sent as soon as it was stored costs no thread then, nor its turns at the interpreter.
        """
        reading, buffer = _Reading(self), memoryview(bytearray(size))
        waited: Future[bytes] | None = None
        try:
            with self._told():
                reading.open()
                while True:
                    block = reading.at_hand(buffer)
                    if block is None:
                        waited = self._readers.pool.submit(reading.wait, _READ_AHEAD)
                        block = await asyncio.wrap_future(waited)
                    if not block:
                        break
                    for start in range(0, len(block), size):
                        yield block[start : start + size]
                    await self._next_turn()
                reading.check()
        finally:
            if waited is None:
                reading.close()
            else:  # a reader that is cancelled may still have a thread at work
                waited.add_done_callback(lambda _: reading.close())

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Reading within: damage is told of, and what the system says is a failure of the storage."""
        try:
            yield
        except DamagedEntry as damage:
            if self._on_damage is not None:
                self._on_damage(str(damage))
            raise
        except OSError as error:
            raise StorageFailed(f"the body file {self.path.name} cannot be read: {error}") from error

    def _next_turn(self) -> asyncio.Future[None]:
        """Others have their turn, however fast this one is read."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._readers.turns.stand_in_line(lambda: None if turn.done() else turn.set_result(None))
        return turn

    def blocking_chunks(self, size: int = 65_536) -> Iterator[bytes]:
        """Read it from the start, in a thread that may block."""
        reading = _Reading(self)
        try:
            with self._told():
                reading.open()
                while block := reading.wait(size):
                    yield block
                reading.check()
        finally:
            reading.close()


class _Reading:
    """One reader of a body's file, used by one thread at a time."""

    __slots__ = ("_body", "_checksum", "_descriptor", "_position")

    def __init__(self, body: FileBody) -> None:
        self._body = body
        self._descriptor = -1
        self._position = 0
        self._checksum = 0

    def open(self) -> None:
        """Begin.

        Raises:
            DamagedEntry: it is not there.
        """
        path = self._body.path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            raise DamagedEntry(f"the body file {path.name} is missing") from None

    def at_hand(self, buffer: memoryview) -> bytes | None:
        """The next octets, empty at the end; None where the system cannot give any without waiting."""
        try:
            count = os.preadv(self._descriptor, [buffer], self._position, os.RWF_NOWAIT)
        except OSError:  # whatever it is, who waits for the octets will meet it again
            return None
        return self._passed(bytes(buffer[:count]))

    def wait(self, size: int) -> bytes:
        """The next octets, empty at the end."""
        return self._passed(os.pread(self._descriptor, size, self._position))

    def check(self) -> None:
        """At the end.

        Raises:
            DamagedEntry: what was read is not what was stored.
        """
        body = self._body
        if (self._position, self._checksum) != (body.size, body.checksum):
            raise DamagedEntry(
                f"the body file {body.path.name} has {self._position} octets, checksum {self._checksum:08x}, "
                f"instead of {body.size}, {body.checksum:08x}"
            )

    def close(self) -> None:
        """No more is read."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _passed(self, octets: bytes) -> bytes:
        self._position += len(octets)
        self._checksum = zlib.crc32(octets, self._checksum)
        return octets
