"""Bodies while they arrive: in memory at first, then in a file, written and synced beside the loop.

Theory of operation
-------------------
A writer keeps what it takes in memory up to a limit. Beyond, its file is made, and from then on pieces go to
a bounded pool of threads: at most one job of a writer is in the pool at any time, so that a writer's octets
stay in order without a lock and the pool's queue is never longer than there are writers. What arrives while
a job runs waits for the next; when that is too much, the writer is congested and its peer is not read.
Jobs are as large as memory allows for the number of writers, for the wake-ups of each job, and the turns that two
threads take at the interpreter meanwhile, cost more than the writing of many octets.

The system is asked early to begin writing what is dirty, so that the sync at the end has little left to do.
A body is complete when its file and the folder's entry are synced; only then does a commit name it. Until
then a crash leaves a file that no row names: these are removed at the next start. A file that could not be synced
for want of room is refused and removed, and no other depends on it. The folder is everybody's: once its sync has
failed, for whatever reason, the next may succeed without what the failed one had lost, so that the shard is over.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import threading
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from sams.core.errors import TemporaryFailure
from sams.core.turns import Turns
from sams.spool.failures import StorageFailed, SyncFailed, failure_of, is_no_room, is_passing
from sams.spool.interface import StoredBody
from sams.spool.layout import FILE_MODE
from sams.spool.settings import Settings
from sams.spool.stored_body import BodyReading, FileBody, MemoryBody

_SYNC_FILE_RANGE_WRITE = 2


class BodyStore:
    """The body files of one shard, and the threads that work on them."""

    def __init__(self, folder: Path, settings: Settings, on_failed: Callable[[str], None]) -> None:
        """Make the pool.

        Args:
            folder: where the files are.
            settings: sizes and number of threads.
            on_failed: called on the loop when the disk failed, with the detail.
        """
        self.folder = folder
        self.settings = settings
        self.on_failed = on_failed
        self.loop = asyncio.get_running_loop()
        self._entries = Entries(folder)
        self.pool = ThreadPoolExecutor(settings.body_threads, "sams-body")
        self._removals = ThreadPoolExecutor(1, "sams-remove")
        self.readers = BodyReading(self.pool, Turns(self.loop, settings.courtesy))
        self.files = 0
        """Bodies that go into a file now."""
        self.pieces = 0
        """Of such bodies, taken so far."""

    def new_file(self, name: str) -> GrowingFile:
        """A file for a body that outgrew memory. Who asks for it counts it out of `files` again."""
        self.files += 1
        return GrowingFile(self.folder / name, self._entries, self.settings.write_back)

    @property
    def share(self) -> int:
        """Octets that one writer gathers for a write."""
        settings = self.settings
        room = settings.bodies_pending // max(1, self.files)
        return max(settings.body_write, min(settings.body_write_most, room))

    def remove(self, names: Iterable[str]) -> None:
        """Remove files that no message names any more, when a thread has time for it."""
        for name in names:
            self.remove_by(partial(_unlink, self.folder / name))

    def remove_by(self, job: Callable[[], None]) -> None:
        """Do this when the thread for removals has time for it."""
        self._removals.submit(job)

    async def close(self) -> None:
        """Finish what the threads have in hand."""
        await self.loop.run_in_executor(None, self.pool.shutdown)
        await self.loop.run_in_executor(None, self._removals.shutdown)
        self._entries.close()


class SpoolBodyWriter:
    """Takes one body. See `interface.BodyWriter`."""

    __slots__ = (
        "_body",
        "_drained",
        "_failure",
        "_file",
        "_finished",
        "_in_flight",
        "_is_discarded",
        "_is_finishing",
        "_name",
        "_pending",
        "_pending_octets",
        "_size",
        "_store",
    )

    def __init__(self, store: BodyStore, name: str) -> None:
        self._store = store
        self._name = name
        self._size = 0
        self._pending: list[bytes] = []
        self._pending_octets = 0
        self._in_flight = 0
        self._file: GrowingFile | None = None
        self._failure: TemporaryFailure | None = None
        self._drained: list[asyncio.Future[None]] = []
        self._is_finishing = False
        self._is_discarded = False
        self._finished: asyncio.Future[StoredBody] | None = None
        self._body: MemoryBody | FileBody | None = None

    @property
    def size(self) -> int:
        """Octets taken so far."""
        return self._size

    @property
    def is_congested(self) -> bool:
        """Whether the peer should not be read for now."""
        return self._pending_octets > 3 * self._store.share // 2 and self._failure is None

    def write(self, chunk: bytes) -> None:
        """Take a piece."""
        self._size += len(chunk)
        if self._failure is not None or self._is_discarded:
            return
        self._pending.append(chunk)
        if self._file is None:
            if self._size <= self._store.settings.body_in_memory:
                return
            self._pending_octets = self._size
            self._file = self._store.new_file(self._name)
        else:
            self._pending_octets += len(chunk)
        self._store.pieces += 1
        self._pump()

    def drained(self) -> asyncio.Future[None]:
        """Done when it is no longer congested."""
        future: asyncio.Future[None] = self._store.loop.create_future()
        if self.is_congested:
            self._drained.append(future)
        else:
            future.set_result(None)
        return future

    def finish(self) -> MemoryBody | asyncio.Future[StoredBody]:
        """The body is complete."""
        if self._failure is not None:
            raise self._failure
        if self._file is None:
            self._store.settings.courtesy.small_mail_came()
            self._body = body = MemoryBody(b"".join(self._pending))
            self._pending.clear()
            return body
        self._is_finishing = True
        self._finished = self._store.loop.create_future()
        self._pump()
        return self._finished

    def discard(self) -> None:
        """Forget it, and remove its file."""
        if isinstance(self._body, FileBody) and self._body.is_handed_over:
            return
        self._is_discarded = True
        self._pending.clear()
        self._pending_octets = 0
        self._wake()
        if self._file is not None and not self._in_flight:
            self._remove_file()

    def _pump(self) -> None:
        """Give the pool its next job, unless it has one or there is too little for one."""
        if self._in_flight or self._file is None:
            return
        if self._pending_octets < self._store.share and not self._is_finishing:
            return
        pieces, self._pending = self._pending, []
        self._in_flight = max(1, self._pending_octets)
        is_last = self._is_finishing
        self._store.pool.submit(self._work, self._file, pieces, is_last)

    def _work(self, file: GrowingFile, pieces: list[bytes], is_last: bool) -> None:  # noqa: FBT001 - submit() has no names
        """In a thread: one job. Its end is told on the loop."""
        error: Exception | None = None
        try:
            octets = b"".join(pieces)  # in few calls, for after each a thread waits for the interpreter
            if is_last:
                file.complete(octets)
            else:
                file.append(octets)
        except Exception as caught:  # noqa: BLE001 - it is raised by `finish`, in the task that waits
            error = caught
            file.close()
        self._store.loop.call_soon_threadsafe(self._worked, error, is_last)

    def _worked(self, error: Exception | None, is_last: bool) -> None:  # noqa: FBT001 - call_soon has no names
        self._pending_octets = max(0, self._pending_octets - self._in_flight)
        self._in_flight = 0
        if error is not None:
            self._fail(error)
        if self._is_discarded or self._failure is not None:
            self._remove_file()
        elif is_last:
            self._complete()
        else:
            self._pump()
        if not self._in_flight:
            self._wake()

    def _complete(self) -> None:
        assert self._file is not None
        assert self._finished is not None
        self._body = FileBody(self._file.path, self._size, self._file.checksum, self._store.readers)
        self._store.files -= 1
        if not self._finished.done():
            self._finished.set_result(self._body)

    def _fail(self, error: Exception) -> None:
        self._failure = failure_of(error)
        self._failure.__cause__ = error
        self._pending.clear()
        self._pending_octets = 0
        if self._finished is not None and not self._finished.done():
            self._finished.set_exception(self._failure)
        if isinstance(error, OSError) and not is_no_room(error) and not is_passing(error):
            self._store.on_failed(self._failure.detail)

    def _wake(self) -> None:
        for future in self._drained:
            if not future.done():
                future.set_result(None)
        self._drained.clear()

    def _remove_file(self) -> None:
        if self._finished is not None and not self._finished.done():
            self._finished.set_exception(StorageFailed("the body was discarded"))
        if self._file is not None:
            self._store.remove_by(self._file.remove)
            self._file = None
            if self._body is None:
                self._store.files -= 1


class Entries:
    """The folder's entries, and their syncs, which are numbered. Blocks.

    A sync covers each entry that was made before it began, whoever asked for it. So where many write, a body's entry
    is mostly on disk before the body is complete. After one that failed none is believed: what it lost, the next says
    nothing of.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._one_at_a_time = threading.Lock()
        self._begun = self._synced = 0
        self._failure: SyncFailed | None = None

    def made(self) -> int:
        """An entry was made just now: the number of the first sync that covers it."""
        return self._begun + 1

    def sync(self, number: int) -> None:
        """Return when that sync, or one behind it, is done.

        Raises:
            SyncFailed: the folder could not be synced, now or before.
        """
        with self._one_at_a_time:
            if self._synced >= number:
                return
            if self._failure is not None:
                raise SyncFailed(*self._failure.args) from self._failure
            self._begun += 1
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                self._failure = SyncFailed(*error.args)
                raise self._failure from error
            self._synced = self._begun

    def close(self) -> None:
        """No more is synced."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class GrowingFile:
    """The file of one writer. Blocks; used by one thread at a time.

    entries: of the folder that it is in.
    """

    __slots__ = (
        "_descriptor",
        "_dirty_from",
        "_entries",
        "_entry",
        "_size",
        "_write_back",
        "checksum",
        "path",
    )

    def __init__(self, path: Path, entries: Entries, write_back: int) -> None:
        self.path = path
        self._entries = entries
        self._entry = 0
        self._write_back = write_back
        self._descriptor = -1
        self._size = 0
        self._dirty_from = 0
        self.checksum = 0

    def append(self, octets: bytes) -> None:
        """Write behind what is there, and let the system begin to write to the disk."""
        self._write(octets)
        if self._size - self._dirty_from >= self._write_back:
            begin_write_back(self._descriptor, self._dirty_from, self._size - self._dirty_from)
            self._dirty_from = self._size

    def complete(self, octets: bytes) -> None:
        """Write the last of it; put the file and its entry in the folder on disk.

        Raises:
            SyncFailed: the folder could not be synced.
        """
        self._write(octets)
        os.fsync(self._descriptor)
        self.close()
        self._entries.sync(self._entry)

    def close(self) -> None:
        """Close it, complete or not."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def remove(self) -> None:
        """Close and remove it."""
        self.close()
        _unlink(self.path)

    def _write(self, octets: bytes) -> None:
        if self._descriptor < 0:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, FILE_MODE)
            self._entry = self._entries.made()
        self.checksum = zlib.crc32(octets, self.checksum)
        rest = memoryview(octets)
        while rest:
            written = os.pwrite(self._descriptor, rest, self._size)
            if not written:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            self._size += written
            rest = rest[written:]


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


def _find_sync_file_range() -> Callable[..., int] | None:
    function = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None)
    if function is None:
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    function.restype = ctypes.c_int
    found: Callable[..., int] = function
    return found


_sync_file_range = _find_sync_file_range()


def begin_write_back(descriptor: int, start: int, length: int) -> None:
    """Ask the system to begin writing a range, without waiting for it where the system knows how.

    Raises:
        OSError: an earlier write could not reach the disk.
    """
    if _sync_file_range is None:
        os.fdatasync(descriptor)
    elif _sync_file_range(descriptor, start, length, _SYNC_FILE_RANGE_WRITE) != 0:
        code = ctypes.get_errno()
        if code not in {errno.ENOSYS, errno.EINVAL, errno.ESPIPE}:
            raise OSError(code, os.strerror(code))
