"""A spool that outlives its shard: when one fails, the next is opened at once and takes its queue over.

`Shelf` is what a worker holds. It passes everything on to its active shard; what each message needs is that
shard's own method. After an I/O error of the shard it makes a new one (in a thread; until it is there, new mail
gets 451), which takes over what waits (`takeover.py`), along with the settlements that were under way. Should the
new one fail as well, the same happens again, at most every few seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw

from sams.core.clock import Clock
from sams.core.errors import OperatorError
from sams.spool.bodies import SpoolBodyWriter
from sams.spool.commits import Member
from sams.spool.failures import ShardInUse, StorageFailed
from sams.spool.hooks import Hooks
from sams.spool.interface import (
    Content,
    Cursor,
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
from sams.spool.layout import Layout, make_new_shard, mark_failed, strays
from sams.spool.lock import ShardLock, acquire
from sams.spool.members import Settle
from sams.spool.opening import Opened, open_files
from sams.spool.settings import Settings
from sams.spool.sqlite import SqliteSpool
from sams.spool.takeover import FailedShard

_TRY_AGAIN = 5.0


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
        self._is_closing = False
        self._active = self._start(opened)
        self._active.resume_take_overs(self._open_failed)
        self._take_strays()

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

    def depth(self, now: float) -> Sequence[RouteDepth]:
        """How much waits, by route."""
        return self._active.depth(now)

    def usage(self, since_hour: int) -> Iterable[Use]:
        """What logins have used."""
        return self._active.usage(since_hour)

    def backup(self, target: str) -> asyncio.Future[None]:
        """Write a consistent copy of the shard."""
        return self._active.backup(target)

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

    def _open_failed(self, shard: int) -> FailedShard:
        layout = Layout(self._data_dir, shard)
        return FailedShard(layout, acquire(layout), self._failed_vfs)

    def _take_strays(self) -> None:
        """Take over what failed while there was no room or no time for a new shard."""
        known = self._active.known_failures()
        for shard in strays(self._data_dir):
            if shard in known:
                continue
            with contextlib.suppress(ShardInUse):
                source = self._open_failed(shard)
                detail, at = source.layout.failed.read_text().strip(), self._clock.now()
                self._active.take_over(source, detail, at, {})

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
        while not self._is_closing:
            if self._clock.monotonic() - self._replaced_at >= _TRY_AGAIN:
                self._replaced_at = self._clock.monotonic()
                if await self._has_replaced(failure, left):
                    return
            _refuse(left, failure.detail)
            left = []
            await asyncio.sleep(_TRY_AGAIN)

    async def _has_replaced(self, failure: Failure, left: list[Member]) -> bool:
        old = self._active
        try:
            opened, source = await self._loop.run_in_executor(
                None, self._make_next, old.layout, failure.detail
            )
        except (OperatorError, OSError, apsw.Error) as error:
            self._hooks.failed(failure.shard, f"no new shard could be opened: {error}")
            return False
        self._active = new = self._start(opened)
        self._retired.append(old)
        new.take_over(source, failure.detail, failure.at, old.hand_over_sources())
        for member in left:
            if isinstance(member, Settle):
                new.adopt(member)
            else:
                member.refused(StorageFailed(failure.detail))
        return True

    def _make_next(self, failed: Layout, detail: str) -> tuple[Opened, FailedShard]:
        """In a thread."""
        mark_failed(failed, detail)
        layout = make_new_shard(self._data_dir)
        return open_files(layout), FailedShard(failed, None, self._failed_vfs)

    async def _close(self) -> None:
        self._is_closing = True
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
        OperatorError: it is in use, has failed, others could write there, or its tables are of another version.
    """
    layout = make_new_shard(data_dir) if shard is None else Layout(data_dir, shard)
    return Shelf(open_files(layout, lock), clock, settings or Settings(), hooks or Hooks())


def _refuse(members: Iterable[Member], detail: str) -> None:
    for member in members:
        member.refused(StorageFailed(detail))
