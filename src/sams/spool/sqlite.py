"""A shard in SQLite: the spool that SAMS runs on.

Theory of operation
-------------------
Three connections to one file, each with one user:

    writer        staged on from the loop, COMMIT in a thread (`commits.py`)
    reader        claims and contents, on the loop; sees only what was committed (`readers.py`)
    checkpointer  copies the log into the database, in a thread (`housekeeping.py`)

What may read much opens a reader of its own in a thread: searches, backups, all that administrators ask
(`requests.py`). Bodies above a limit are files (`bodies.py`).
All methods are called on the loop, and none waits for the disk there: what needs it gives a future.
(A claim or a load may have to read pages that are not in memory; that is bounded by its limit.)

A shard that has failed gives 451 to all that is new, keeps reading, and is never written again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw

from sams.core.clock import Clock
from sams.core.errors import TemporaryFailure
from sams.core.ids import IdMaker
from sams.spool import changes, foreign, orphans, standings
from sams.spool.bodies import BodyStore, SpoolBodyWriter
from sams.spool.claims import Claims, RawContent
from sams.spool.commits import BatchLimits, Committer, Member
from sams.spool.depths import Depths
from sams.spool.disk_space import DiskSpace
from sams.spool.failed_shard import UNFINISHED, FailedShard
from sams.spool.failures import UNREADABLE, ShardDamaged, StorageFailed
from sams.spool.hooks import Hooks
from sams.spool.housekeeping import Housekeeper
from sams.spool.interface import (
    Content,
    Cursor,
    DamagedEntry,
    DamagedMessage,
    Entry,
    NewMessage,
    OnRefused,
    OnStored,
    RouteDepth,
    Search,
    Settlement,
    StoredBody,
    Use,
    Work,
)
from sams.spool.keys import id_of, row_of, time_of
from sams.spool.layout import Layout
from sams.spool.lock import ShardLock
from sams.spool.members import HOUR, UNKNOWN, Accept, AcceptLarge, Change, Lately, Settle, SettleAside
from sams.spool.opening import Opened, open_files
from sams.spool.readers import DatabaseReaders
from sams.spool.records import USES, legible_uses
from sams.spool.requests import Requests
from sams.spool.settings import Settings
from sams.spool.standings import Standing
from sams.spool.statements import Files
from sams.spool.stored_body import FileBody, MemoryBody
from sams.spool.take_overs import TakeOvers

T = TypeVar("T")

Successor = Callable[[str, list[Member]], None]

_LATELY = 4_096
"""Messages of which is remembered how they were accepted: most mail is settled at once, and whole."""


def open_shard(
    data_dir: Path,
    shard: int,
    clock: Clock,
    settings: Settings | None = None,
    hooks: Hooks | None = None,
    *,
    lock: ShardLock | None = None,
) -> SqliteSpool:
    """Open a shard, or make it. Call it on the loop that will use it.

    Raises:
        OperatorError: as `open_files`.
    """
    opened = open_files(Layout(data_dir, shard), lock)
    return SqliteSpool(opened, clock, settings or Settings(), hooks or Hooks())


class SqliteSpool:
    """One shard. See `interface.Spool` for what its methods mean."""

    def __init__(
        self,
        opened: Opened,
        clock: Clock,
        settings: Settings,
        hooks: Hooks,
        successor: Successor | None = None,
    ) -> None:
        """Start the threads.

        Args:
            opened: the files.
            clock: both kinds of time.
            settings: limits and sizes.
            hooks: who is told of what.
            successor: takes what was to change mail when the shard failed; without one it is refused.
        """
        self.shard = opened.layout.shard
        self.layout = opened.layout
        self._opened = opened
        self._clock = clock
        self._settings = settings
        self._hooks = hooks
        self._successor = successor
        self._loop = asyncio.get_running_loop()
        self._ids = IdMaker(clock, self.shard)
        self._skip_taken_ids()
        self.next_id: Callable[[], str] = self._ids.next
        self._bodies = BodyStore(opened.layout.bodies, settings, self.fail)
        self._committer = Committer(
            opened.writer,
            clock,
            BatchLimits(settings.batch_members, settings.batch_octets),
            on_committed=self._committed,
            on_failed=self._failed,
            free_disk=self._free_disk,
            pieces=lambda: self._bodies.pieces,
        )
        self._housekeeper = Housekeeper(opened.checkpointer, self._committer, settings, self.fail)
        self._claims = Claims(opened.reader, self.shard, self._set_aside)
        self._room = DiskSpace(
            opened.layout.ballast,
            min_free=settings.min_free,
            ballast_size=settings.ballast,
            clock=clock,
            unused=self._unused_octets,
            log=opened.layout.log_octets,
            on_low=self._housekeeper.free_log,
            pool=self._bodies.pool,
        )
        self._readers = DatabaseReaders(opened, self.fail)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._next_hour = 0
        self._lately: Lately = {}
        self._aside: set[int] = set()
        """What was set aside since the start: it may be on its way still, with its octets at hand."""
        self._take_overs = TakeOvers(
            self.shard,
            add_change=self._add_change,
            read_page=lambda source, after: self._readers.read_elsewhere(partial(source.page, after)),
            read_aside=lambda source, after: self._readers.read_elsewhere(partial(source.set_aside, after)),
            settle=lambda member: member.hand_on(self.settle),
            now=clock.now,
            on_damaged=self._found_damaged,
            troubled=hooks.troubled,
        )
        self._requests = Requests(
            self.layout,
            self._readers,
            self._take_overs,
            add_change=self._add_change,
            on_put_back=self._was_put_back,
        )
        self._depths = Depths(opened.reader, clock, self._readers.read_in_thread)
        self._remove_orphans()

    # Taking mail.

    def new_body(self, message_id: str) -> SpoolBodyWriter:
        """A writer for the body of a message that arrives."""
        if not self._committer.is_open:
            raise StorageFailed(f"shard {self.shard} takes no more")
        self._room.check()
        return SpoolBodyWriter(self._bodies, message_id)

    def accept(self, message: NewMessage) -> asyncio.Future[tuple[Work, ...]]:
        """Store a message."""
        future: asyncio.Future[tuple[Work, ...]] = self._loop.create_future()
        gives_way = message.body.in_memory() is None and self._settings.courtesy.is_due
        kind = AcceptLarge if gives_way else Accept
        member = kind(message, self.shard, future, self._lately, self._forget_body)
        try:
            self._room.check(member.octets)
        except TemporaryFailure as failure:
            member.refused(failure)
            return future
        if message.arrived >= self._next_hour:
            self._begin_hour(int(message.arrived // HOUR))
        if len(self._lately) >= _LATELY:
            self._lately.clear()
        self._committer.add(member)
        return future

    def settle(self, settlement: Settlement, stored: OnStored, refused: OnRefused) -> None:
        """Store what an attempt brought."""
        if settlement.reports and foreign.has_foreign(settlement, self.shard):
            self._start(self._settle_foreign(settlement, stored, refused))
            return
        known = self._lately.pop(settlement.message_id, UNKNOWN)
        if known is UNKNOWN:
            self._settle(settlement, stored, refused)
        else:
            self._committer.add(Settle(settlement, self.shard, stored, refused, known))

    # Handing out work.

    def claim(
        self, route: str, now: float, after: Cursor | None, limit: int
    ) -> tuple[Sequence[Work], Cursor | None]:
        """What is due for a route."""
        return self._readers.checked(lambda: self._claims.claim(route, now, after, limit))

    def next_due(self, route: str, after: float) -> float | None:
        """When the next recipient of a route becomes due."""
        return self._readers.checked(lambda: self._claims.next_due(route, after))

    def load(self, message_id: str) -> Content:
        """The octets of a message."""
        row, shard = row_of(message_id)
        if shard == self.shard or self._readers.checked(lambda: self._claims.has_content(row)):
            raw, home = self._readers.checked(lambda: self._claims.content(row)), self.layout
        else:
            raw, home = self._content_elsewhere(row, shard), Layout(self.layout.data_dir, shard)
        if raw.body is not None:
            return Content(raw.head, MemoryBody(raw.body))
        return Content(raw.head, self._file_body(raw, home.body_file(message_id, shard)))

    def _content_elsewhere(self, row: int, shard: int) -> RawContent:
        """In a failed shard."""
        if (source := self._take_overs.sources.get(shard)) is not None:
            return source.content(row, self._claims)
        if not self._readers.checked(lambda: self._claims.has(row)):
            raise KeyError(row)
        raise StorageFailed(f"its octets are in shard {shard}, which failed and cannot be read now")

    def _file_body(self, raw: RawContent, path: Path) -> FileBody:
        def set_aside(reason: str) -> None:
            """From any thread."""
            self._loop.call_soon_threadsafe(self._claims.set_aside, raw.row, reason)

        body = FileBody(path, raw.body_size, raw.body_sum, self._bodies.readers, set_aside)
        try:
            body.check()
        except DamagedEntry as damage:
            self._claims.set_aside(raw.row, str(damage))
            raise
        return body

    # What a person or a reload asks for.

    def waiting_domains(self) -> Sequence[tuple[str, str]]:
        """Each (recipient domain key, route) of which something waits."""
        return self._readers.checked(self._claims.waiting_domains)

    def reroute(self, route_of: Iterable[tuple[str, str]]) -> None:
        """Give what waits its new routes, in steps, while the service runs on."""
        self._start(self._requests.reroute(dict(route_of)))

    def search(self, search: Search, after: str | None, limit: int) -> asyncio.Future[Sequence[Entry]]:
        """A page of messages."""
        return self._requests.search(search, after, limit)

    def hold(self, search: Search) -> asyncio.Future[int]:
        """Stop delivery of what matches."""
        return self._start(self._requests.hold(search))

    def release(self, search: Search) -> asyncio.Future[int]:
        """Let it go on, due at once."""
        return self._start(self._requests.release(search, self._clock.now()))

    def retry(self, search: Search, now: float) -> asyncio.Future[int]:
        """Make it due now."""
        return self._start(self._requests.retry(search, now))

    def delete(self, search: Search) -> asyncio.Future[int]:
        """Remove it for good."""
        return self._start(self._requests.delete(search))

    def damaged(self, after: str | None, limit: int) -> asyncio.Future[Sequence[DamagedMessage]]:
        """What was set aside."""
        return self._requests.damaged(after, limit)

    def count_damaged(self) -> asyncio.Future[int]:
        """How many messages are set aside."""
        return self._requests.count_damaged()

    def put_back(self, message_id: str) -> asyncio.Future[int]:
        """Let a message that was set aside wait again."""
        return self._start(self._requests.put_back(message_id))

    def discard(self, message_id: str) -> asyncio.Future[int]:
        """Remove a message that was set aside."""
        return self._start(self._requests.discard(message_id))

    def depth(self, now: float) -> Sequence[RouteDepth]:
        """How much waits, by route; what is held counts as waiting, not as due or oldest."""
        return self._readers.checked(lambda: self._depths.now(now))

    def usage(self, since_hour: int) -> Iterable[Use]:
        """What logins have used."""
        found = self._readers.checked(lambda: legible_uses(self._reader.execute(USES, (since_hour,))))
        return [Use(login, hour, recipients) for hour, login, recipients in found]  # type: ignore[arg-type]

    def backup(self, target: str) -> asyncio.Future[None]:
        """Write a consistent copy of the shard into a new folder."""
        return self._start(self._requests.backup(Path(target)))

    def close(self) -> asyncio.Future[None]:
        """Finish what waits for a commit, then let go of the lock."""
        return self._loop.create_task(self._close())

    def fail(self, detail: str) -> None:
        """The disk cannot be trusted: never write this shard again."""
        self._committer.fail(detail)

    # Taking over what waits in a shard that failed.

    def take_over(self, source: FailedShard, detail: str, at: float, older: dict[int, FailedShard]) -> None:
        """Go on with the queue of a shard that failed at a time, and of those that it had taken over itself.

        Call `make_later_ids` before the first id is made.
        """
        self._take_overs.begin((source.layout.shard, at, detail, None, 0), source, older)

    @property
    def latest_id(self) -> int:
        """The time of its last id, microseconds since 1970."""
        return self._ids.latest

    def follow(self, old: SqliteSpool) -> None:
        """Go on for a shard that failed: with later ids, and knowing what was set aside while it was being sent."""
        self.make_later_ids(old.latest_id)
        self._aside |= old._aside

    def make_later_ids(self, microseconds: int) -> None:
        """Ids of this shard are later than those that it takes over."""
        self._ids.skip(microseconds + 1)

    def standing_of_failed(self) -> asyncio.Task[list[Standing]]:
        """How it is with the shards that this one took over."""
        return self._readers.read_in_thread(standings.read)

    def expect(self, shard: int) -> None:
        """What waits in a failed shard is to come, but cannot be read yet."""
        self._take_overs.expected.add(shard)

    def let_go_of(self, shard: int) -> None:
        """Nothing waits in a failed shard any more."""
        self._take_overs.let_go(shard)

    def resume_take_overs(self, open_failed: Callable[[int], FailedShard]) -> None:
        """Read the failed shards in which messages of this one still are: after a restart, and now and then."""
        rows = self._readers.checked(lambda: self._reader.execute(UNFINISHED).fetchall())
        self._take_overs.resume(rows, open_failed)

    @property
    def has_unread(self) -> bool:
        """Whether messages of this shard are in a failed one that cannot be read now."""
        return bool(self._take_overs.unread)

    @property
    def is_taking_over(self) -> bool:
        """Whether something is still to come from a failed shard."""
        return self._take_overs.is_under_way

    def keep_sources(self, sources: dict[int, FailedShard]) -> None:
        """Failed shards that the one before read."""
        self._take_overs.sources |= sources

    def known_failures(self) -> set[int]:
        """The shards that this one took over, or is taking over."""
        statement = "SELECT shard FROM failed_shard"
        return self._readers.checked(lambda: {int(shard) for (shard,) in self._reader.execute(statement)})

    def hand_over_sources(self) -> dict[int, FailedShard]:
        """The failed shards that this one read, for the one that takes it over."""
        return self._take_overs.hand_over()

    # Parts.

    def _skip_taken_ids(self) -> None:
        try:
            [(last,)] = self._reader.execute("SELECT max(id) FROM message")
        except UNREADABLE as error:
            raise ShardDamaged(f"{self.layout.database} cannot be read: {error}") from error
        if last is not None:
            self._ids.skip(time_of(int(last)) + 1)

    async def _settle_foreign(self, settlement: Settlement, stored: OnStored, refused: OnRefused) -> None:
        """Its reports were made for a shard that failed meanwhile."""
        try:
            moved = await foreign.brought_home(settlement, self.next_id, self._read_all)
        except Exception as error:  # noqa: BLE001 - whatever it is, who made the settlement keeps it
            detail = f"a report that was written in a shard which failed cannot be read: {error}"
            Settle(settlement, self.shard, stored, refused).refused(StorageFailed(detail))
        else:
            self.settle(moved, stored, refused)

    def _read_all(self, body: StoredBody) -> asyncio.Future[bytes]:
        return self._readers.read_elsewhere(lambda: b"".join(body.blocking_chunks()))

    def _settle(self, settlement: Settlement, stored: OnStored, refused: OnRefused) -> None:
        """It may be of a message that is still being taken over, or cannot be yet: then it is kept by who made it."""
        row, shard = row_of(settlement.message_id)
        kind = SettleAside if row in self._aside else Settle
        member = kind(settlement, self.shard, stored, refused)
        if shard in self._take_overs.expected and self._is_missing(row):
            member.refused(StorageFailed(f"what waits in shard {shard}, which failed, cannot be read yet"))
        elif self._take_overs.is_under_way and shard != self.shard:
            self._take_overs.wait(member)
        else:
            self._committer.add(member)

    def _is_missing(self, row: int) -> bool:
        try:
            return not self._readers.checked(lambda: self._claims.has(row))
        except StorageFailed:
            return True

    @property
    def _reader(self) -> apsw.Connection:
        return self._opened.reader

    def _committed(self, members: int, seconds: float, files: Files) -> None:
        self._hooks.committed(members, seconds)
        self._housekeeper.committed()
        if files:
            self._bodies.remove(id_of(row, shard) for row, shard in files)

    def _failed(self, detail: str, left: list[Member]) -> None:
        self._opened.never_write_again()
        self._hooks.failed(self.shard, detail)
        if self._successor is not None:
            self._successor(detail, left)
            return
        for member in left:
            member.refused(StorageFailed(detail))

    def _free_disk(self) -> None:
        self._room.give_up_ballast()
        self._housekeeper.free_log()

    def _unused_octets(self) -> int:
        reader = self._reader
        return self._readers.checked(
            lambda: int(reader.pragma("freelist_count")) * int(reader.pragma("page_size"))
        )

    def _forget_body(self, message: NewMessage) -> None:
        """Not in a shard that failed: its row may be in the log all the same, where the next start finds it."""
        if isinstance(message.body, FileBody) and self._committer.is_open:
            self._bodies.remove([message.id])

    def _begin_hour(self, hour: int) -> None:
        self._next_hour = (hour + 1) * HOUR
        self._add_change(lambda connection: changes.forget_use(connection, hour - self._settings.usage_hours))

    def _set_aside(self, row: int, reason: str) -> None:
        shard = self._readers.checked(lambda: self._claims.shard_of(row))
        self._lately.pop(id_of(row, shard), None)
        self._found_damaged(row, shard, reason)
        now = self._clock.now()
        future = self._add_change(lambda connection: changes.set_aside(connection, row, shard, reason, now))
        future.add_done_callback(lambda done: None if done.exception() else self._claims.was_set_aside(row))

    def _found_damaged(self, row: int, shard: int, reason: str) -> None:
        self._aside.add(row)
        self._hooks.damaged(id_of(row, shard), reason)

    def _was_put_back(self, row: int) -> None:
        self._aside.discard(row)
        self._claims.was_set_aside(row)

    def _add_change(self, apply: Callable[[apsw.Connection], tuple[int, Files]]) -> asyncio.Future[int]:
        future: asyncio.Future[int] = self._loop.create_future()
        self._committer.add(Change(apply, future))
        future.add_done_callback(_seen)
        return future

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _remove_orphans(self) -> None:
        before = self.next_id()
        found = self._readers.read_in_thread(
            lambda connection: orphans.remove_orphans(self.layout, connection, before)
        )
        found.add_done_callback(self._removed_orphans)

    def _removed_orphans(self, done: asyncio.Task[int]) -> None:
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            self._hooks.orphans(done.result())
        elif not isinstance(error, StorageFailed):
            self._hooks.troubled(f"body files that no message names could not be removed: {error}")

    async def _close(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._take_overs.done()
        await self._take_overs.stop()
        was_open = self._committer.is_open
        await self._committer.close()
        await self._housekeeper.close(checkpoint=was_open)
        await self._bodies.close()
        await self._readers.close()
        self._take_overs.close()
        self._opened.close()


def _seen(future: asyncio.Future[Any]) -> None:
    """Whoever waits for it hears of its failure; nobody has to."""
    if not future.cancelled():
        future.exception()
