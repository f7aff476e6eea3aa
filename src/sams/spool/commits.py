"""Group commit: everything that waits for the disk at the same time shares one sync.

Theory of operation
-------------------
One connection writes. A *batch* is staged on it from the loop: BEGIN, and the rows of all its members in few
statements, which only change pages in memory (`cache_spill` is off). COMMIT, which writes and syncs, is the
one statement that a thread runs. It must be the only one: beside a busy loop, a thread waits up to a switch
interval for the interpreter at each call.

While the thread commits, the connection belongs to it. What comes meanwhile gathers, and is staged when the
commit is done and `gathering.py` says that the loop brings no more at this moment.

    idle ──add──▶ gathering ──loop is idle──▶ committing ──done──▶ gathering (if more waits) or idle
                                                  │
                                                  └──I/O error──▶ failed, for ever

`pause` holds the next batch back, and so does a try that is to be made again (`_back_off`); both begin it when
they end.

Errors decide by their kind (`failures.py`):

- an error of one member, seen while staging: all is rolled back and staged again, each member under a
  savepoint; that one is refused and the others go on;
- no room: all is rolled back. New mail is refused. What makes room (settlements, changes) is tried again for a
  second, while the ballast is given up and the log is copied so that its room can be used anew;
- a lock, memory: all is rolled back; a lock is tried again for some seconds;
- anything else, and any error of a sync: the kernel may have dropped the pages that it could not write and
  still calls them clean, so nothing more is ever written here. New mail is refused; what else waited is
  handed to the successor, if there is one.

Who is called back (members, and who is told of a commit or a failure) is others' code: a bug there is told to the
loop's handler of exceptions, and neither keeps the result from the other members nor ends the commits.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import apsw

from sams.core.clock import Clock
from sams.spool.failures import StorageFailed, failure_of, is_no_room, is_passing
from sams.spool.gathering import Gathering
from sams.spool.statements import Files, Rows

_LOCK_TRIES = 100
_TRY_AGAIN = 0.05
_FULL_TRIES = 20


class Member(Protocol):
    """Something that waits for a commit.

    is_new_mail: it takes room, and is refused first when there is none.
    may_wait: nobody waits for it.
    octets: its size, for the limit of a batch.
    """

    @property
    def is_new_mail(self) -> bool:
        """Whether it takes room."""
        ...

    @property
    def may_wait(self) -> bool:
        """Whether it may wait a moment for a commit to share."""
        ...

    @property
    def octets(self) -> int:
        """What it brings to its batch."""
        ...

    def add_to(self, rows: Rows) -> None:
        """Add its rows to a batch. May be called more than once."""

    def committed(self) -> None:
        """It is on disk."""

    def refused(self, failure: Exception) -> None:
        """Nothing of it is stored."""


@dataclass(slots=True)
class _Batch:
    """What is being committed.

    files: messages whose body files go when it is committed.
    """

    members: list[Member]
    files: Files
    began: float


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How large a batch may be. One member always fits."""

    members: int
    octets: int


class Committer:
    """Stages batches on one connection and commits them, one at a time, in a thread of its own."""

    def __init__(
        self,
        connection: apsw.Connection,
        clock: Clock,
        limits: BatchLimits,
        *,
        on_committed: Callable[[int, float, Files], None],
        on_failed: Callable[[str, list[Member]], None],
        free_disk: Callable[[], None],
        pieces: Callable[[], int] = lambda: 0,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._limits = limits
        self._on_committed = on_committed
        self._on_failed = on_failed
        self._free_disk = free_disk
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Member] = deque()
        self._batch: _Batch | None = None
        self._gathering = Gathering(self._waiting, limits.members, clock, self._begin, pieces)
        self._lock_tries = 0
        self._full_tries = 0
        self._back_off: asyncio.TimerHandle | None = None
        self._pauses: deque[asyncio.Future[None]] = deque()
        self._is_paused = False
        self._refusal: StorageFailed | None = None
        self._has_given_up = False
        self._jobs: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._commit_in_thread, name="sams-commit", daemon=True)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        """Whether it takes members."""
        return self._refusal is None

    def add(self, member: Member) -> None:
        """Let a member join the next batch."""
        if self._refusal is not None:
            _tell_refused(member, self._refusal)
            return
        self._waiting.append(member)
        if not member.may_wait:
            self._gathering.is_urgent = True
        if self._batch is None and not self._gathering.is_scheduled:
            self._gathering.schedule()

    def pause(self) -> asyncio.Future[None]:
        """Done when no batch is under way; none begins until `resume`. For short work that needs the write lock."""
        pause: asyncio.Future[None] = self._loop.create_future()
        self._pauses.append(pause)
        self._begin()
        return pause

    def resume(self) -> None:
        """Go on after `pause`."""
        self._is_paused = False
        self._begin()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Pause for the work within. Who is cancelled, at whatever moment, leaves no pause behind."""
        pause = self.pause()
        try:
            await pause
            yield
        finally:
            if not pause.cancelled():
                self.resume()

    def fail(self, detail: str) -> None:
        """Never write again."""
        if self._refusal is not None:
            return
        self._refusal = StorageFailed(detail)
        if self._batch is None:
            self._give_up([])
            self._begin()

    async def close(self) -> None:
        """Commit what waits, then end the thread."""
        while self._batch is not None or (self._waiting and self.is_open):
            async with self.paused():
                pass
            await asyncio.sleep(_TRY_AGAIN if self._back_off else 0)
        self._refusal = self._refusal or StorageFailed("the spool is closed")
        self._jobs.put(False)
        await self._loop.run_in_executor(None, self._thread.join)

    # On the loop.

    def _begin(self) -> None:
        if self._batch is not None or self._is_paused:
            return
        while self._pauses and self._pauses[0].done():  # who wanted it was cancelled
            self._pauses.popleft()
        while self._waiting and self.is_open and not self._pauses and self._back_off is None:
            if self._launch(self._take()):
                return
        while self._pauses and not self._is_paused:
            pause = self._pauses.popleft()
            if not pause.done():
                self._is_paused = True
                pause.set_result(None)

    def _take(self) -> list[Member]:
        members = list(self._waiting)
        if (
            len(members) <= self._limits.members
            and sum([one.octets for one in members]) <= self._limits.octets
        ):
            self._waiting.clear()
            self._gathering.is_urgent = False
            return members
        members = [self._waiting.popleft()]
        room = self._limits.octets - members[0].octets
        while self._waiting and len(members) < self._limits.members and self._waiting[0].octets <= room:
            room -= self._waiting[0].octets
            members.append(self._waiting.popleft())
        return members

    def _launch(self, members: list[Member]) -> bool:
        """Stage and commit; false when it came to nothing."""
        began = self._clock.monotonic()
        try:
            files = self._stage(members)
        except apsw.Error as error:
            self._roll_back()
            self._not_written(members, error, self._connection.system_errno)
            if self._refusal is not None and not self._has_given_up:
                self._give_up([])
            return False
        self._lock_tries = 0
        if not members:
            self._roll_back()
            return False
        self._gathering.end_wait()
        self._batch = _Batch(members, files, began)
        self._jobs.put(True)
        return True

    def _stage(self, members: list[Member]) -> Files:
        self._connection.execute("BEGIN IMMEDIATE")
        rows = Rows()
        try:
            for member in members:
                member.add_to(rows)
            return rows.run(self._connection)
        except Exception as error:
            if _is_of_storage(error):
                raise
            return self._stage_singly(members)

    def _stage_singly(self, members: list[Member]) -> Files:
        """Stage each member under a savepoint, refuse those that cannot be, and take them out of `members`."""
        self._roll_back()
        self._connection.execute("BEGIN IMMEDIATE")
        files: Files = []
        for member in members.copy():
            self._connection.execute("SAVEPOINT one")
            try:
                rows = Rows()
                member.add_to(rows)
                files += rows.run(self._connection)
            except Exception as error:
                if _is_of_storage(error):
                    raise
                self._connection.execute("ROLLBACK TO one")
                members.remove(member)
                _refuse([member], error)
            self._connection.execute("RELEASE one")
        return files

    def _finished(self, error: Exception | None, system_errno: int) -> None:
        batch, self._batch = self._batch, None
        assert batch is not None
        if error is None:
            self._full_tries = 0
            self._tell_committed(batch)
        else:
            self._roll_back()
            self._not_written(batch.members, error, system_errno)
        if self._refusal is not None and not self._has_given_up:
            self._give_up([])
        if self._pauses:
            self._begin()
        elif self._waiting and not self._gathering.is_scheduled:
            self._gathering.schedule()

    def _tell_committed(self, batch: _Batch) -> None:
        for member in batch.members:
            try:
                member.committed()
            except Exception as error:  # noqa: BLE001 - a bug of one that hears must not keep it from the others
                _tell_of_bug("a member was committed, but not taken note of", error)
        try:
            self._on_committed(len(batch.members), self._clock.monotonic() - batch.began, batch.files)
        except Exception as error:  # noqa: BLE001 - as above
            _tell_of_bug("a commit was not taken note of", error)

    def _not_written(self, members: list[Member], error: Exception, system_errno: int = 0) -> None:
        if isinstance(error, apsw.BusyError):
            self._wait_for_lock(members, error)
        elif is_no_room(error, system_errno):
            self._refuse_for_room(members, error, system_errno)
        elif is_passing(error):
            _refuse(members, error)
        else:
            self._refusal = self._refusal or StorageFailed(failure_of(error, system_errno).detail)
            self._give_up(members)

    def _wait_for_lock(self, members: list[Member], error: Exception) -> None:
        self._lock_tries += 1
        if self._lock_tries > _LOCK_TRIES:
            self._lock_tries = 0
            _refuse(members, error)
            return
        self._waiting.extendleft(reversed(members))
        self._back_off = self._loop.call_later(_TRY_AGAIN, self._try_again)

    def _try_again(self) -> None:
        self._back_off = None
        self._begin()

    def _refuse_for_room(self, members: list[Member], error: Exception, system_errno: int) -> None:
        """Refuse new mail; what takes mail out is tried again while room is being made."""
        keep = [member for member in members if not member.is_new_mail]
        _refuse((member for member in members if member.is_new_mail), error, system_errno)
        if not keep:
            return
        self._full_tries += 1
        if self._full_tries > _FULL_TRIES:
            self._full_tries = 0
            _refuse(keep, error, system_errno)
            return
        try:
            self._free_disk()
        except Exception as trouble:  # noqa: BLE001 - what waits is tried again without the room
            _tell_of_bug("no room could be made", trouble)
        waiting = [*keep, *self._waiting]
        self._waiting.clear()
        self._waiting.extend(member for member in waiting if not member.is_new_mail)
        _refuse((member for member in waiting if member.is_new_mail), error, system_errno)
        self._back_off = self._loop.call_later(_TRY_AGAIN, self._try_again)

    def _give_up(self, members: Iterable[Member]) -> None:
        """The shard has failed: refuse new mail, and hand on what changes mail that is stored."""
        assert self._refusal is not None
        self._has_given_up = True
        members = [*members, *self._waiting]
        self._waiting.clear()
        for member in members:
            if member.is_new_mail:
                _tell_refused(member, self._refusal)
        try:
            self._on_failed(self._refusal.detail, [member for member in members if not member.is_new_mail])
        except Exception as error:  # noqa: BLE001 - the pauses behind it must still be granted
            _tell_of_bug("the failure of a shard was not taken note of", error)

    def _roll_back(self) -> None:
        """Undo what was staged. Where that fails, the connection is in no state to be used again."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except apsw.Error as error:
            self._refusal = self._refusal or StorageFailed(failure_of(error).detail)

    # In the thread.

    def _commit_in_thread(self) -> None:
        while self._jobs.get():
            error: Exception | None = None
            system_errno = 0
            try:
                self._connection.execute("COMMIT")
            except Exception as caught:  # noqa: BLE001 - whatever it is, the batch must hear of it
                error, system_errno = caught, self._connection.system_errno
            self._loop.call_soon_threadsafe(self._finished, error, system_errno)


def _is_of_storage(error: Exception) -> bool:
    """Whether an error while staging concerns all members, not the one that was staged."""
    of_one = (apsw.ConstraintError, apsw.TooBigError, apsw.MismatchError, apsw.RangeError)
    return isinstance(error, apsw.Error) and not isinstance(error, of_one)


def _refuse(members: Iterable[Member], error: Exception, system_errno: int = 0) -> None:
    for member in members:
        failure = failure_of(error, system_errno)
        failure.__cause__ = error
        _tell_refused(member, failure)


def _tell_refused(member: Member, failure: Exception) -> None:
    try:
        member.refused(failure)
    except Exception as error:  # noqa: BLE001 - a bug of one that hears must not keep it from the others
        _tell_of_bug("a member was refused, but not taken note of", error)


def _tell_of_bug(message: str, error: Exception) -> None:
    asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
