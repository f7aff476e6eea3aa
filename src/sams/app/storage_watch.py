"""What people hear of a worker's storage: alarms at once, `sams health` and gauges while something is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sams.activity import metrics as m
from sams.activity.events import Alarmed, ServiceChanged, ServiceEvent
from sams.app.storage import Storage
from sams.control.messages import FailedShard
from sams.core.errors import SamsError
from sams.spool.hooks import Hooks
from sams.spool.layout import Layout
from sams.spool.standings import MANY, Standing

_FAILURES = m.place(m.SHARD_FAILURES)
LOOK_EVERY = 10
"""Beats between two looks at the gauges."""


class _Depth(Protocol):
    """How much waits for a route."""

    @property
    def recipients(self) -> int: ...

    @property
    def due(self) -> int: ...


def hooks(loop: asyncio.AbstractEventLoop, metrics: m.Metrics, tell: Callable[[ServiceEvent], None]) -> Hooks:
    """What the spool tells, as events; in the loop's next turn, as the spool is made before who is told."""

    def alarm(kind: str, text: str) -> None:
        loop.call_soon(lambda: tell(Alarmed(kind, text)))

    def failed(shard: int, detail: str) -> None:
        metrics.count(m.SHARD_FAILURES)
        text = (
            f"shard {shard} is no longer written: {detail}. Mail goes on in a new shard, and what waits is still "
            "delivered: look at the disk, and see `sams health`"
        )
        alarm("disk", text)

    def damaged(message: str, why: str) -> None:
        metrics.count(m.DAMAGED)
        alarm("damaged", f"message {message} was set aside: {why}. See `sams queue damaged show {message}`")

    def drained(shard: int, folder: str) -> None:
        text = f"nothing waits any more in shard {shard}, which failed: its folder {folder} may be removed"
        loop.call_soon(lambda: tell(ServiceChanged("shard drained", text)))

    return Hooks(
        committed=lambda _members, seconds: metrics.observe(m.COMMIT, seconds),
        failed=failed,
        damaged=damaged,
        troubled=lambda text: alarm("disk", text),
        drained=drained,
    )


class StorageWatch:
    """Looks at the storage of one worker."""

    def __init__(
        self,
        storage: Storage,
        metrics: m.Metrics,
        depths: Callable[[], tuple[_Depth, ...]],
        data_dir: Path,
    ) -> None:
        """Look at nothing yet.

        Args:
            storage: the worker's.
            metrics: where its gauges are.
            depths: how much waits, by route.
            data_dir: where shards are.
        """
        self._storage = storage
        self._metrics = metrics
        self._depths = depths
        self._data_dir = data_dir
        self._looking: asyncio.Task[None] | None = None
        self._beats = self._seen = 0
        self._is_wrong = False

    def beat(self) -> None:
        """To be called once a second: brings the gauges up to date, now and then or while a shard has failed."""
        self._beats += 1
        failures = self._metrics.numbers[_FAILURES]
        if self._beats % LOOK_EVERY and failures == self._seen and not self._is_wrong:
            return
        self._seen = failures
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())

    async def failed_shards(self) -> tuple[FailedShard, ...]:
        """The shards that are not written any more, and that still matter."""
        return tuple(self._shown(each) for each in await self._standings())

    async def set_aside(self) -> int:
        """Messages that are set aside."""
        try:
            return await self._storage.damaged()
        except SamsError:  # the shard fails right now: the next look is at its successor
            return 0

    async def problems(self) -> tuple[str, ...]:
        """One line for each thing that is wrong, with what to do."""
        found = [*self._storage.troubles, *(_told(each) for each in await self.failed_shards())]
        if shortage := self._storage.shortage:
            found.append(
                f"new mail is refused for now (452), for want of room on the disk of {self._data_dir}: {shortage}; "
                "free some, see `sams doctor`"
            )
        if count := await self.set_aside():
            found.append(f"{count} damaged messages are set aside: see `sams queue damaged list`")
        return tuple(found)

    async def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            await asyncio.wait([self._looking])

    async def _standings(self) -> list[Standing]:
        try:
            return await self._storage.standings()
        except SamsError:  # as above
            return []

    async def _look(self) -> None:
        standings, set_aside = await self._standings(), await self.set_aside()
        metrics, depths = self._metrics, self._depths_now()
        self._is_wrong = bool(standings)
        metrics.show(m.FAILED_SHARDS, len(standings))
        metrics.show(m.STUCK_SHARDS, sum([1 for each in standings if each.trouble]))
        metrics.show(m.SET_ASIDE, set_aside)
        metrics.show(m.QUEUED, sum([each.recipients for each in depths]))
        metrics.show(m.DUE, sum([each.due for each in depths]))

    def _depths_now(self) -> tuple[_Depth, ...]:
        try:
            return self._depths()
        except SamsError:
            return ()

    def _shown(self, one: Standing) -> FailedShard:
        folder = str(Layout(self._data_dir, one.shard).folder)
        return FailedShard(one.shard, one.since, one.reason, one.waiting, one.trouble, folder, one.set_aside)


def _told(one: FailedShard) -> str:
    if one.trouble:
        return (
            f"shard {one.shard} failed ({one.reason}), and {one.trouble}; look at the disk with {one.folder}"
        )
    aside = f", and {one.set_aside} set aside (`sams queue damaged list`)" if one.set_aside else ""
    many = f"{MANY} or more" if one.waiting >= MANY else str(one.waiting)
    return (
        f"shard {one.shard} failed ({one.reason}); mail goes on in another, and {many} messages are still to be "
        f"delivered from {one.folder}{aside}: leave it there until this line is gone, and look at the disk"
    )
