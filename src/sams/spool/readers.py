"""What reads the database of a shard: briefly on the loop, at length in threads.

Theory of operation
-------------------
Reads that are bounded (claims, contents, short counts) run on the loop, on the shard's own connection for reading
(`Opened.reader`). What may have to read much runs in a thread, on a connection that is opened for it and closed
behind it. Both see what was committed.

A database that cannot be read has failed, whoever was reading: the shard is told, and then never written again. A
text in it that is not UTF-8 is a matter of its row alone. Work that uses other disks, too, is lent a connection, and
its errors tell nothing of the shard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import apsw

from sams.spool import connections
from sams.spool.failures import ILLEGIBLE, StorageFailed
from sams.spool.opening import Opened

T = TypeVar("T")


class DatabaseReaders:
    """Reads of one shard."""

    def __init__(self, opened: Opened, on_failed: Callable[[str], None]) -> None:
        """Make the threads.

        Args:
            opened: the shard's files.
            on_failed: told why the database cannot be read, on the loop.
        """
        self._database = opened.layout.database
        self._vfs = opened.vfs
        self._on_failed = on_failed
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(2, "sams-read")

    def checked(self, read: Callable[[], T]) -> T:
        """Read on the loop, where that is short, from the shard's own connection, which `read` has.

        Raises:
            StorageFailed: the database cannot be read, and has failed; or a text in it is not UTF-8.
        """
        try:
            return read()
        except ILLEGIBLE as error:
            raise self._failure(error) from error

    def read_in_thread(self, read: Callable[[apsw.Connection], T]) -> asyncio.Task[T]:
        """Read in a thread, from a connection that is opened for it.

        Raises (in the task):
            StorageFailed: as `checked`.
        """
        return self._loop.create_task(self._read_in_thread(read))

    def lend_connection(self, work: Callable[[apsw.Connection], T]) -> asyncio.Future[T]:
        """Have work done in a thread, with a connection that is opened for it. No error of it ends the shard."""
        return self._loop.run_in_executor(self._threads, self._with_connection, work)

    def read_elsewhere(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Have something else read in a thread: a failed shard, a body. Its errors are its own."""
        return self._loop.run_in_executor(self._threads, work)

    async def close(self) -> None:
        """Let the threads finish what they have."""
        await self._loop.run_in_executor(None, self._threads.shutdown)

    async def _read_in_thread(self, read: Callable[[apsw.Connection], T]) -> T:
        try:
            return await self.lend_connection(read)
        except ILLEGIBLE as error:
            raise self._failure(error) from error

    def _with_connection(self, work: Callable[[apsw.Connection], T]) -> T:
        connection = connections.open_reader(self._database, self._vfs, busy_timeout=1)
        try:
            return work(connection)
        finally:
            connection.close()

    def _failure(self, error: Exception) -> StorageFailed:
        if isinstance(error, UnicodeDecodeError):
            return StorageFailed(f"a text in {self._database} cannot be read: {error}")
        detail = f"{self._database} cannot be read: {type(error).__name__}: {error}"
        self._on_failed(detail)
        return StorageFailed(detail)
