"""A spool that outlives its shard: when one fails, the next is opened at once and takes its queue over.

`Shelf` is what a worker holds. It passes everything on to its active shard; what each message needs is that
shard's own method. After an I/O error of the shard it makes a new one (in a thread; until it is there, new mail
gets 451), which takes over what waits (`failed_shard.py`), along with the settlements that were under way. Should the
new one fail as well, or not be made, the same happens again, at growing intervals.

A failed shard whose queue cannot be read stands in nobody's way: it is tried again now and then. `standings` tells
of all of them for as long as something waits there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw

from sams.core.clock import Clock
from sams.core.errors import OperatorError
from sams.spool.bodies import SpoolBodyWriter
from sams.spool.commits import Member
from sams.spool.failed_shard import FailedShard
from sams.spool.failures import ShardInUse, StorageFailed
from sams.spool.hooks import Hooks
from sams.spool.interface import (
    Content,
    Cursor,
    DamagedMessage,
    Entry,
    NewMessage,
    OnRefused,
    OnStored,
    RouteDepth,
    Search,
    Settlement,
    Use,
    Work,
)
from sams.spool.layout import (
    Layout,
    discard_new_shard,
    make_new_shard,
    mark_failed,
    note_replaced,
    replaced_by,
)
from sams.spool.lock import ShardLock, acquire
from sams.spool.members import Settle
from sams.spool.opening import Opened, open_files
from sams.spool.settings import Settings
from sams.spool.sqlite import SqliteSpool
from sams.spool.standings import Standing

FIRST_PAUSE = 5.0
LONGEST_PAUSE = 60.0
_SHORT_LIFE = 60.0
"""A shard that fails sooner than this, in seconds, makes the pause before the next one longer."""
_TROUBLE = (OperatorError, OSError, apsw.Error)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a shard is not written any more, and since when (UNIX seconds)."""

    shard: int
    detail: str
    at: float


class Shelf:
    """See `interface.Spool` for what its methods mean.

    The four that each message needs are bound methods of the active shard, given anew with each shard (`_start`).
    """

    next_id: Callable[[], str]
    new_body: Callable[[str], SpoolBodyWriter]
    accept: Callable[[NewMessage], asyncio.Future[tuple[Work, ...]]]
    settle: Callable[[Settlement, OnStored, OnRefused], None]

    def __init__(
        self, opened: Opened, clock: Clock, settings: Settings, hooks: Hooks, failed_vfs: str | None = None
    ) -> None:
        """Begin with a shard, and with the failed ones that it had begun to take over.

        Args:
            opened: the shard's files.
            clock: both kinds of time.
            settings: limits and sizes of each shard.
            hooks: who is told of what.
            failed_vfs: SQLite's layer below for reading failed shards, other than the system's.
        """
        self._data_dir = opened.layout.data_dir
        self._clock = clock
        self._settings = settings
        self._hooks = hooks
        self._failed_vfs = failed_vfs
        self._loop = asyncio.get_running_loop()
        self._retired: list[SqliteSpool] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._replaced_at = float("-inf")
        self._pause = FIRST_PAUSE
        self._unplaced: Standing | None = None
        self._coming: dict[int, Standing] = {}
        """What is being taken over, until the active shard has a note of it."""
        self._begun: set[int] = set()
        """What the active shard was told to take over, noted or not."""
        self._unread: dict[int, Standing] = {}
        self._seen_failed: set[int] = set()
        self._stray_timer: asyncio.TimerHandle | None = None
        self._is_closing = False
        self._active = self._start(opened)
        self._mark_replaced()
        self._look_again()

    @property
    def shard(self) -> int:
        """The number of the active shard."""
        return self._active.shard

    def claim(
        self, route: str, now: float, after: Cursor | None, limit: int
    ) -> tuple[Sequence[Work], Cursor | None]:
        """What is due for a route."""
        return self._active.claim(route, now, after, limit)

    def next_due(self, route: str, after: float) -> float | None:
        """When the next recipient of a route becomes due."""
        return self._active.next_due(route, after)

    def load(self, message_id: str) -> Content:
        """The octets of a message."""
        return self._active.load(message_id)

    def waiting_domains(self) -> Sequence[tuple[str, str]]:
        """Each (recipient domain key, route) of which something waits."""
        return self._active.waiting_domains()

    def reroute(self, route_of: Iterable[tuple[str, str]]) -> None:
        """Give what waits its new routes."""
        self._active.reroute(route_of)

    def search(self, search: Search, after: str | None, limit: int) -> asyncio.Future[Sequence[Entry]]:
        """A page of messages."""
        return self._active.search(search, after, limit)

    def hold(self, search: Search) -> asyncio.Future[int]:
        """Stop delivery of what matches."""
        return self._active.hold(search)

    def release(self, search: Search) -> asyncio.Future[int]:
        """Let it go on."""
        return self._active.release(search)

    def retry(self, search: Search, now: float) -> asyncio.Future[int]:
        """Make it due now."""
        return self._active.retry(search, now)

    def delete(self, search: Search) -> asyncio.Future[int]:
        """Remove it for good."""
        return self._active.delete(search)

    def damaged(self, after: str | None, limit: int) -> asyncio.Future[Sequence[DamagedMessage]]:
        """What was set aside."""
        return self._active.damaged(after, limit)

    def count_damaged(self) -> asyncio.Future[int]:
        """How many messages are set aside."""
        return self._active.count_damaged()

    def put_back(self, message_id: str) -> asyncio.Future[int]:
        """Let a message that was set aside wait again."""
        return self._active.put_back(message_id)

    def discard(self, message_id: str) -> asyncio.Future[int]:
        """Remove a message that was set aside."""
        return self._active.discard(message_id)

    def depth(self, now: float) -> Sequence[RouteDepth]:
        """How much waits, by route."""
        return self._active.depth(now)

    def usage(self, since_hour: int) -> Iterable[Use]:
        """What logins have used."""
        return self._active.usage(since_hour)

    def backup(self, target: str) -> asyncio.Future[None]:
        """Write a consistent copy of the shard."""
        return self._active.backup(target)

    async def standings(self) -> list[Standing]:
        """The shards that failed and in which something still waits, or which nothing could replace.

        Raises:
            StorageFailed: the active shard cannot be read.
        """
        active = self._active
        taken_over = {one.shard: one for one in await active.standing_of_failed()}
        known = self._coming | taken_over | self._unread
        if self._unplaced is not None:
            known[self._unplaced.shard] = self._unplaced
        found = {shard for shard in known if not known[shard].is_drained}
        if active is self._active:  # else it has failed meanwhile, and its successor knows better
            self._tell_drained(known.keys() - found, found)
        return [known[shard] for shard in sorted(found)]

    def close(self) -> asyncio.Future[None]:
        """Finish what waits for a commit, then let go of all locks."""
        return self._loop.create_task(self._close())

    def _start(self, opened: Opened) -> SqliteSpool:
        """A shard that is the active one from now on."""
        active = SqliteSpool(opened, self._clock, self._settings, self._hooks, self._failed)
        self.next_id = active.next_id
        self.new_body = active.new_body
        self.accept = active.accept
        self.settle = active.settle
        return active

    def _mark_replaced(self) -> None:
        """The mark beside a failed shard may not have reached its disk when it failed."""
        for shard in replaced_by(self._active.layout):
            layout = Layout(self._data_dir, shard)
            if layout.folder.exists() and not layout.failed.exists():
                mark_failed(layout, f"shard {self.shard} took its place")

    def _open_failed(self, shard: int) -> FailedShard:
        layout = Layout(self._data_dir, shard)
        is_ours = any(one.shard == shard for one in self._retired)
        return FailedShard(layout, None if is_ours else acquire(layout), self._failed_vfs)

    def take(self, source: FailedShard) -> None:
        """Take over a shard that failed and has no other successor; this one is new, and nothing is in it yet."""
        shard = source.layout.shard
        self._seen_failed.add(shard)
        self._active.make_later_ids(source.latest_id())
        coming = Standing(shard, failure_text(source.layout), self._clock.now())
        self._take_over(self._active, source, coming, {})

    def _take_over(
        self, active: SqliteSpool, source: FailedShard, coming: Standing, older: dict[int, FailedShard]
    ) -> None:
        self._coming[coming.shard] = coming
        self._begun.add(coming.shard)
        active.take_over(source, coming.reason, coming.since, older)

    def _look_again(self) -> None:
        """Take over what could not be read when this shard took its place."""
        if self._stray_timer is not None:
            self._stray_timer.cancel()
            self._stray_timer = None
        if self._is_closing or self._unplaced is not None:
            return
        active = self._active
        try:
            known = active.known_failures()
            active.resume_take_overs(self._open_failed)
        except StorageFailed:
            return  # it has failed itself: its successor looks again
        for shard in sorted((replaced_by(active.layout) | self._not_begun(known)) - known - self._begun):
            self._take_stray(active, Layout(self._data_dir, shard))
        if self._unread or active.has_unread or active.is_taking_over:
            self._look_later()

    def _look_later(self) -> None:
        if self._stray_timer is None and not self._is_closing:
            self._stray_timer = self._loop.call_later(LONGEST_PAUSE, self._look_again)

    def _not_begun(self, known: set[int]) -> set[int]:
        """What the shards that were taken over should have taken over, and failed before they noted it."""
        layouts = [
            Layout(self._data_dir, each) for one in known for each in replaced_by(Layout(self._data_dir, one))
        ]
        return {each.shard for each in layouts if not each.taken_over.exists()}

    def _take_stray(self, active: SqliteSpool, layout: Layout) -> None:
        shard = layout.shard
        try:
            source = self._open_failed(shard)
        except ShardInUse:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            self._cannot_read(Failure(shard, failure_text(layout), self._clock.now()), error)
            return
        failure = self._unread.pop(shard, None)
        try:
            active.make_later_ids(source.latest_id())
        except Exception as error:  # noqa: BLE001 - as above
            source.close()
            self._cannot_read(Failure(shard, failure_text(layout), self._clock.now()), error)
            return
        at = self._clock.now() if failure is None else failure.since
        self._take_over(active, source, Standing(shard, failure_text(layout), at), {})

    def _cannot_read(self, failure: Failure, error: Exception) -> None:
        """What waits in a failed shard is out of reach for now."""
        self._active.expect(failure.shard)
        if failure.shard not in self._unread:
            text = f"what waits in shard {failure.shard}, which failed, cannot be read: {error}"
            self._hooks.troubled(text)
        self._unread[failure.shard] = Standing(
            failure.shard, failure.detail, failure.at, trouble=f"it cannot be read: {error}"
        )
        self._look_later()

    def _tell_drained(self, drained: set[int], failed: set[int]) -> None:
        """Only of what is known to be empty: a shard of which nothing is known may be on its way here."""
        for shard in self._seen_failed & drained:
            self._active.let_go_of(shard)
            self._hooks.drained(shard, str(Layout(self._data_dir, shard).folder))
        self._seen_failed = (self._seen_failed - drained) | failed

    def _failed(self, detail: str, left: list[Member]) -> None:
        """The active shard has failed."""
        if self._is_closing:
            _refuse(left, detail)
            return
        self._spawn(Failure(self.shard, detail, self._clock.now()), left)

    def _spawn(self, failure: Failure, left: list[Member]) -> None:
        task = self._loop.create_task(self._replace(failure, left))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replace(self, failure: Failure, left: list[Member]) -> None:
        """Make a new shard, now or as soon as that is possible."""
        self._unplaced = Standing(failure.shard, failure.detail, failure.at)
        age = self._clock.monotonic() - self._replaced_at
        is_at_once = age >= self._pause
        if age >= max(_SHORT_LIFE, self._pause):
            self._pause = FIRST_PAUSE
        while not self._is_closing:
            if is_at_once and await self._has_replaced(failure, left):
                return
            _refuse(left, failure.detail)
            left, is_at_once = [], True
            await asyncio.sleep(self._pause)
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        _refuse(left, failure.detail)

    async def _has_replaced(self, failure: Failure, left: list[Member]) -> bool:
        try:
            opened, source = await self._made_next(failure.detail)
            new = self._start_new(opened)
        except asyncio.CancelledError:  # the service ends: nobody may wait for an answer
            _refuse(left, failure.detail)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again, for no mail is taken meanwhile
            self._not_placed(failure, error)
            return False
        self._go_on_in(new, source, failure, left)
        return True

    def _go_on_in(
        self, new: SqliteSpool, source: FailedShard | Exception, failure: Failure, left: list[Member]
    ) -> None:
        old = self._active
        new.follow(old)
        self._replaced_at = self._clock.monotonic()
        self._active, self._unplaced, self._begun = new, None, set()
        self._retired.append(old)
        older = old.hand_over_sources()
        self._seen_failed |= {failure.shard, *older}
        if isinstance(source, FailedShard):
            self._take_over(new, source, Standing(failure.shard, failure.detail, failure.at), older)
        else:
            new.keep_sources(older)
            self._cannot_read(failure, source)
        self._look_later()
        for member in left:
            if isinstance(member, Settle):
                member.hand_on(new.settle)
            else:
                member.refused(StorageFailed(failure.detail))

    async def _made_next(self, detail: str) -> tuple[Opened, FailedShard | Exception]:
        making = self._loop.run_in_executor(None, self._make_next, self._active.layout, detail)
        try:
            return await asyncio.shield(making)
        except asyncio.CancelledError:
            making.add_done_callback(_let_go)
            raise

    def _make_next(self, failed: Layout, detail: str) -> tuple[Opened, FailedShard | Exception]:
        """In a thread: the next shard, and the failed one for reading, or why it cannot be read."""
        mark_failed(failed, detail)
        opened = _new_in_place_of(failed.shard, self._data_dir)
        try:
            return opened, FailedShard(failed, None, self._failed_vfs)
        except Exception as error:  # noqa: BLE001 - the new one is there, and takes mail
            return opened, error

    def _start_new(self, opened: Opened) -> SqliteSpool:
        try:
            return self._start(opened)
        except BaseException:
            opened.close()
            discard_new_shard(opened.layout)
            raise

    def _not_placed(self, failure: Failure, error: Exception) -> None:
        """Told once, however often it is tried."""
        known, text = self._unplaced, f"no new shard can be made: {error}"
        if known is None or not known.trouble:
            self._hooks.troubled(f"{text}; new mail is refused for now, and it is tried again")
            if not isinstance(error, _TROUBLE):
                self._loop.call_exception_handler(
                    {"message": "no new shard could be made", "exception": error}
                )
        self._unplaced = Standing(failure.shard, failure.detail, failure.at, trouble=text)

    async def _close(self) -> None:
        self._is_closing = True
        if self._stray_timer is not None:
            self._stray_timer.cancel()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for spool in (self._active, *self._retired):
            await spool.close()


def open_shelf(
    data_dir: Path,
    shard: int | None,
    clock: Clock,
    settings: Settings | None = None,
    hooks: Hooks | None = None,
    *,
    lock: ShardLock | None = None,
) -> Shelf:
    """Open a shard, or make it (None: the next free number), as a spool that outlives it. Blocks for some syncs.

    Raises:
        ShardDamaged: its files are no queue (any more), or cannot be read.
        OperatorError: it is in use, has failed, others could write there, its tables are of another version, or the
            system does not let us open or make it.
    """
    try:
        layout = make_new_shard(data_dir) if shard is None else Layout(data_dir, shard)
        opened = open_files(layout, lock)
    except (OSError, apsw.Error) as error:
        raise OperatorError(f"no shard can be opened in {data_dir}: {error}") from error
    return _on_shelf(opened, clock, settings, hooks)


def open_successor(
    data_dir: Path, failed: int, clock: Clock, settings: Settings | None = None, hooks: Hooks | None = None
) -> Shelf:
    """Make a shard that takes over one which failed, and which no other takes over. Blocks for some syncs.

    It is one of its own for each: row numbers of two shards that served at the same time may be the same.

    Raises:
        ShardInUse: another process is at it.
        OperatorError: the failed one cannot be read now, or none can be made.
    """
    layout = Layout(data_dir, failed)
    try:
        source = FailedShard(layout, acquire(layout))
    except (OSError, apsw.Error) as error:
        raise OperatorError(f"what waits in shard {failed}, which failed, cannot be read: {error}") from error
    try:
        shelf = _on_shelf(_new_in_place_of(failed, data_dir), clock, settings, hooks)
        shelf.take(source)
    except (OSError, apsw.Error) as error:
        source.close()
        raise OperatorError(f"no shard can be made for what waits in shard {failed}: {error}") from error
    return shelf


def _new_in_place_of(failed: int, data_dir: Path) -> Opened:
    """The files of a new shard, which names the failed one on disk."""
    layout = make_new_shard(data_dir)
    try:
        opened = open_files(layout)
    except BaseException:
        discard_new_shard(layout)
        raise
    try:
        note_replaced(layout, failed)
    except BaseException:
        opened.close()
        discard_new_shard(layout)
        raise
    return opened


def _on_shelf(opened: Opened, clock: Clock, settings: Settings | None, hooks: Hooks | None) -> Shelf:
    try:
        return Shelf(opened, clock, settings or Settings(), hooks or Hooks())
    except BaseException:
        opened.never_write_again()
        opened.close()
        raise


def failure_text(layout: Layout) -> str:
    """Why a shard failed, by the mark beside it."""
    try:
        return layout.failed.read_text(errors="replace").strip()
    except OSError:
        return "the mark beside it cannot be read"


def _let_go(making: asyncio.Future[tuple[Opened, FailedShard | Exception]]) -> None:
    """A shard that was made too late: the next start goes on in it."""
    if not making.cancelled() and making.exception() is None:
        opened, source = making.result()
        opened.close()
        if isinstance(source, FailedShard):
            source.close()


def _refuse(members: Iterable[Member], detail: str) -> None:
    for member in members:
        member.refused(StorageFailed(detail))
