"""Bodies that are stored, in memory or in a file."""

from __future__ import annotations

import asyncio
import os
import zlib
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path

from sams.spool.interface import DamagedEntry

_READ_AHEAD = 524_288


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


class FileBody:
    """A body in a file of its own, complete and synced. Reading it checks its size and its checksum.

    Raises (while it is read, at the latest behind its last octet):
        DamagedEntry: the file is gone, cut, or was changed.
    """

    __slots__ = ("_on_damage", "_pool", "checksum", "is_handed_over", "path", "size")

    def __init__(
        self,
        path: Path,
        size: int,
        checksum: int,
        pool: Executor,
        on_damage: Callable[[str], None] | None = None,
    ) -> None:
        self.path = path
        self.size = size
        self.checksum = checksum
        self.is_handed_over = False
        """Whether a spool was given a message with it: its writer has no say over the file any more."""
        self._pool = pool
        self._on_damage = on_damage

    def check(self) -> None:
        """Look whether the file is there and has its size.

        Raises:
            DamagedEntry: it has not.
        """
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            raise DamagedEntry(f"the body file {self.path.name} is missing") from None
        if size != self.size:
            raise DamagedEntry(f"the body file {self.path.name} has {size} octets instead of {self.size}")

    def in_memory(self) -> None:
        """None: read it by `chunks`."""
        return

    async def chunks(self, size: int = 65_536) -> AsyncIterator[bytes]:
        """Read it from the start, by the pool's threads: a block while the one before is used."""
        loop = asyncio.get_running_loop()
        blocks = self._blocks(size * max(1, _READ_AHEAD // size))
        reading: Future[bytes] = self._pool.submit(next, blocks, b"")
        try:
            while block := await asyncio.wrap_future(reading, loop=loop):
                reading = self._pool.submit(next, blocks, b"")
                for start in range(0, len(block), size):
                    yield block[start : start + size]
        except DamagedEntry as damage:
            if self._on_damage is not None:
                self._on_damage(str(damage))
            raise
        finally:
            # A reader that is cancelled may still have a thread in its generator.
            reading.add_done_callback(lambda _: blocks.close())

    def blocking_chunks(self, size: int = 65_536) -> Iterator[bytes]:
        """Read it from the start, in a thread that may block."""
        return self._blocks(size)

    def _blocks(self, size: int) -> Generator[bytes, None, None]:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise DamagedEntry(f"the body file {self.path.name} is missing") from None
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
            yield from self._checked(descriptor, size)
        finally:
            os.close(descriptor)

    def _checked(self, descriptor: int, size: int) -> Iterator[bytes]:
        seen, checksum = 0, 0
        while block := os.read(descriptor, size):
            seen += len(block)
            checksum = zlib.crc32(block, checksum)
            yield block
        if (seen, checksum) != (self.size, self.checksum):
            raise DamagedEntry(
                f"the body file {self.path.name} has {seen} octets, checksum {checksum:08x}, "
                f"instead of {self.size}, {self.checksum:08x}"
            )
