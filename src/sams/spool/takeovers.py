"""The take-overs of a shard: which failed shards it reads, and the steps in which it takes their queues over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import apsw

from sams.core.errors import OperatorError
from sams.spool import takeover
from sams.spool.layout import mark_taken_over
from sams.spool.members import Settle
from sams.spool.records import Row
from sams.spool.statements import Files
from sams.spool.takeover import FailedShard, Page

AddChange: TypeAlias = Callable[[Callable[[apsw.Connection], tuple[int, Files]]], Awaitable[int]]
ReadPage: TypeAlias = Callable[[FailedShard, int | None], Awaitable[Page]]


class TakeOvers:
    """Failed shards by number. Settlements of their messages wait until all that waits was taken over."""

    def __init__(
        self,
        shard: int,
        *,
        add_change: AddChange,
        read_page: ReadPage,
        settle: Callable[[Settle], None],
        on_failed: Callable[[int, str], None],
    ) -> None:
        self.sources: dict[int, FailedShard] = {}
        self._shard = shard
        self._add_change = add_change
        self._read_page = read_page
        self._settle = settle
        self._on_failed = on_failed
        self._waiting: list[Settle] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether something is still to be taken over."""
        return self._task is not None and not self._task.done()

    def resume(self, failed: list[Row], open_failed: Callable[[int], FailedShard]) -> None:
        """After a restart: go on with shards that were being taken over; `failed` are rows of `failed_shard`."""
        for row in failed:
            try:
                self.sources[int(row[0])] = open_failed(int(row[0]))  # type: ignore[arg-type]
            except (OperatorError, OSError, apsw.Error) as error:
                self._on_failed(int(row[0]), f"it cannot be read: {error}")  # type: ignore[arg-type]
        self._go_on([row for row in failed if row[0] in self.sources and not row[4]])

    def begin(self, failed: Row, source: FailedShard, older: dict[int, FailedShard]) -> None:
        """Take a shard over that just failed, and the `older` ones whose queues it had taken over."""
        shard = source.layout.shard
        self.sources |= {**older, shard: source}
        self._task = asyncio.get_running_loop().create_task(self._begin(failed, source, self._task))
        self._task.add_done_callback(self._ended)

    def wait(self, member: Settle) -> None:
        """Let a settlement wait."""
        self._waiting.append(member)

    async def done(self) -> None:
        """Wait until nothing is under way."""
        while self._task is not None and self.is_under_way:
            await asyncio.wait([self._task])

    def close(self) -> None:
        """Let go of the failed shards."""
        for source in self.sources.values():
            source.close()
        self.sources.clear()

    def _go_on(self, rows: list[Row]) -> None:
        if rows:
            self._task = asyncio.get_running_loop().create_task(self._take_all(rows))
            self._task.add_done_callback(self._ended)

    async def _begin(self, failed: Row, source: FailedShard, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await asyncio.wait([earlier])
        inherited, uses = source.failures(), source.uses()
        await self._add_change(lambda connection: takeover.begin(connection, failed, inherited, uses))
        mark_taken_over(source.layout, self._shard)
        await self._take_all([failed, *(row for row in inherited if not row[4])])

    async def _take_all(self, rows: list[Row]) -> None:
        for shard, _, _, place, _ in rows:
            await self._take(self.sources[int(shard)], place)  # type: ignore[arg-type]

    async def _take(self, source: FailedShard, place: int | None) -> None:
        is_end = False
        while not is_end:
            page = await self._read_page(source, place)
            await self._add_change(_taking(source.layout.shard, page))
            place, is_end = page.last, page.is_end

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failed(-1, f"what waits in a failed shard could not all be taken over: {error}")
        if task is not self._task:
            return
        waiting, self._waiting = self._waiting, []
        for member in waiting:
            self._settle(member)


def _taking(shard: int, page: Page) -> Callable[[apsw.Connection], tuple[int, Files]]:
    return lambda connection: takeover.take(connection, shard, page)
