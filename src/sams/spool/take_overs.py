"""The take-overs of a shard: which failed shards it reads, and the steps in which it takes their queues over.

What stands in the way (a disk that is full, a place that cannot be read) may pass: the step is tried again, at
growing intervals, for as long as the shard is open. A place that stays unreadable is passed after some tries, and
what it hid is set aside. Settlements of messages that are still to be taken over wait meanwhile, for a settlement
of what is not there yet would be forgotten, and the message sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeAlias

import apsw

from sams.spool import damage, failed_shard
from sams.spool.failed_shard import FIRST_PLACE, Aside, FailedShard, Page
from sams.spool.failures import ILLEGIBLE, StorageFailed
from sams.spool.layout import mark_taken_over
from sams.spool.members import Settle
from sams.spool.records import Row
from sams.spool.statements import Files

AddChange: TypeAlias = Callable[[Callable[[apsw.Connection], tuple[int, Files]]], Awaitable[int]]
ReadPage: TypeAlias = Callable[[FailedShard, int], Awaitable[Page]]
ReadAside: TypeAlias = Callable[[FailedShard, int], Awaitable[Aside]]
Step: TypeAlias = Callable[[], Awaitable[None]]

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
_TRIES = 3
"""So often something is tried before a person hears of it, and before a place that cannot be read is passed."""


class TakeOvers:
    """Failed shards by number."""

    def __init__(
        self,
        shard: int,
        *,
        add_change: AddChange,
        read_page: ReadPage,
        read_aside: ReadAside,
        settle: Callable[[Settle], None],
        now: Callable[[], float],
        on_damaged: Callable[[int, int, str], None],
        troubled: Callable[[str], None],
    ) -> None:
        """Keep the parts.

        Args:
            shard: who takes over.
            add_change: stores a step.
            read_page: reads one in a thread.
            read_aside: reads a step of what was set aside in a thread.
            settle: looks again at a settlement that waited.
            now: UNIX seconds.
            on_damaged: row, shard and reason of a message that was set aside.
            troubled: told what stands in the way, once for each take-over.
        """
        self.sources: dict[int, FailedShard] = {}
        self.expected: set[int] = set()
        """Failed shards whose queues cannot be read yet."""
        self.unread: set[int] = set()
        """Failed shards that could not be opened, though messages of this one are there."""
        self._shard = shard
        self._add_change = add_change
        self._read_page = read_page
        self._read_aside = read_aside
        self._settle = settle
        self._now = now
        self._on_damaged = on_damaged
        self._troubled = troubled
        self._places: dict[int, int] = {}
        self._waiting: list[Settle] = []
        self._task: asyncio.Task[None] | None = None
        self._rests = asyncio.Event()
        self._rests.set()

    @property
    def is_under_way(self) -> bool:
        """Whether something is still to be taken over."""
        return self._task is not None and not self._task.done()

    def resume(self, failed: list[Row], open_failed: Callable[[int], FailedShard]) -> None:
        """Go on with shards that were being taken over; `failed` are rows of `failed_shard`. May be called again."""
        opened = [row for row in failed if row[0] not in self.sources and self._is_opened(row, open_failed)]
        rows = [row for row in opened if not row[4]]
        if rows:
            self._start(lambda: self._take_all(rows))

    def _is_opened(self, row: Row, open_failed: Callable[[int], FailedShard]) -> bool:
        shard = int(row[0])  # type: ignore[arg-type]
        try:
            self.sources[shard] = open_failed(shard)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            if shard not in self.unread:
                self._troubled(f"what waits in shard {shard}, which failed, cannot be read: {error}")
            self.unread.add(shard)
            if not row[4]:
                self.expected.add(shard)
            return False
        self.unread.discard(shard)
        self.expected.discard(shard)
        return True

    def begin(self, failed: Row, source: FailedShard, older: dict[int, FailedShard]) -> None:
        """Take a shard over that just failed, and the `older` ones whose queues it had taken over."""
        self.let_go(source.layout.shard)
        self.sources |= {**older, source.layout.shard: source}
        self.expected.discard(source.layout.shard)
        self._start(lambda: self._begin(failed, source))

    def wait(self, member: Settle) -> None:
        """Let a settlement wait."""
        self._waiting.append(member)

    async def done(self) -> None:
        """Wait until nothing is under way, or something stands in the way."""
        await self._rests.wait()

    async def stop(self) -> None:
        """Go no further; what waits for it is refused."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._refuse_waiting()

    def close(self) -> None:
        """Let go of the failed shards."""
        for shard in list(self.sources):
            self.let_go(shard)

    def let_go(self, shard: int) -> None:
        """Nothing waits in it any more."""
        if (source := self.sources.pop(shard, None)) is not None:
            source.close()

    def hand_over(self) -> dict[int, FailedShard]:
        """Another shard goes on with all of them: this one has failed."""
        if self._task is not None:
            self._task.cancel()
        sources, self.sources = self.sources, {}
        self._refuse_waiting()
        return sources

    def _start(self, step: Step) -> None:
        self._rests.clear()
        earlier = self._task
        self._task = asyncio.get_running_loop().create_task(self._go_on(step, earlier))
        self._task.add_done_callback(self._ended)

    async def _go_on(self, step: Step, earlier: asyncio.Task[None] | None) -> None:
        if earlier is not None:
            await asyncio.wait([earlier])
        pause, tries = FIRST_PAUSE, 0
        while True:
            try:
                await step()
            except Exception as error:  # noqa: BLE001 - whatever stands in the way, what waits there is not given up
                tries += 1
                self._stands_still(error, tries)
            else:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _stands_still(self, error: Exception, tries: int) -> None:
        if tries == _TRIES:
            self._troubled(
                f"what waits in a failed shard cannot be taken over now, and is tried again: {error}"
            )
        if tries >= _TRIES - 1 and isinstance(error, ILLEGIBLE):
            for source in self.sources.values():
                source.takes_what_it_gets = True
        self._rests.set()

    async def _begin(self, failed: Row, source: FailedShard) -> None:
        inherited, uses = source.failures(), source.uses()
        if source.layout.shard not in self._places:  # what was begun is gone on with
            await self._carry(source)
            await self._add_change(lambda connection: failed_shard.begin(connection, failed, inherited, uses))
            self._places[source.layout.shard] = FIRST_PLACE
        mark_taken_over(source.layout, self._shard)
        await self._take_all([failed, *(row for row in inherited if not row[4])])

    async def _carry(self, source: FailedShard) -> None:
        """What was set aside goes along before it is noted that anything does: a restart goes through it again."""
        place, is_end = FIRST_PLACE, False
        while not is_end:
            aside = await self._read_aside(source, place)
            await self._add_change(partial(damage.carry, shard=source.layout.shard, tables=aside.tables))
            place, is_end = aside.last, aside.is_end

    async def _take_all(self, rows: Iterable[Row]) -> None:
        for shard, _, _, place, _ in rows:
            if (source := self.sources.get(int(shard))) is not None:  # type: ignore[arg-type]
                await self._take(source, place)  # type: ignore[arg-type]

    async def _take(self, source: FailedShard, place: int | None) -> None:
        shard = source.layout.shard
        place = self._places.get(shard, FIRST_PLACE if place is None else place)
        is_end = False
        while not is_end:
            page = await self._read_page(source, place)
            await self._add_change(_taking(shard, page, self._now()))
            for row, reason in page.damaged:
                self._on_damaged(row, shard, reason)
            self._places[shard] = place = page.last
            is_end = page.is_end

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task is not self._task:
            return
        self._rests.set()
        if task.cancelled():
            return
        waiting, self._waiting = self._waiting, []
        for member in waiting:
            self._settle(member)

    def _refuse_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for member in waiting:
            member.refused(StorageFailed("the take-over of a failed shard was not finished"))


def _taking(shard: int, page: Page, now: float) -> Callable[[apsw.Connection], tuple[int, Files]]:
    return lambda connection: failed_shard.take(connection, shard, page, now)
