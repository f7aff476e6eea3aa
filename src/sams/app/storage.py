"""Which shards a worker owns, and that none is left without an owner.

Shard number N belongs to worker N modulo the number of workers; that needs no agreement between workers, only the
lock that each shard has. A worker accepts mail into the first of its shards and delivers from all of them. A shard
that appears later without an owner (its worker died after its own disk had failed and it had moved on) is found by
looking again now and then.

A shard whose files are damaged stops nobody: it is marked as failed, and what can still be read of its queue is
taken over, as after a failed sync.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from sams.core.clock import Clock
from sams.core.errors import OperatorError, TemporaryFailure
from sams.spool.failures import DiskFull, ShardDamaged, ShardInUse
from sams.spool.hooks import Hooks
from sams.spool.interface import Spool
from sams.spool.layout import Layout, discover, mark_failed, strays
from sams.spool.settings import Settings
from sams.spool.shelf import Shelf, failure_text, open_shelf, open_successor
from sams.spool.standings import Standing

LOCK_PATIENCE = 5.0
"""Seconds that a start waits for a shard that another process has."""
_LOCK_LOOK = 0.05


class Storage:
    """The spools of one worker. Made on the loop that uses them.

    Raises:
        OperatorError: the worker's own shard cannot be opened.
    """

    def __init__(
        self, data_dir: Path, number: int, workers: int, *, clock: Clock, settings: Settings, hooks: Hooks
    ) -> None:
        self._data_dir = data_dir
        self._number = number
        self._workers = workers
        self._clock = clock
        self._settings = settings
        self._hooks = hooks
        self._seen: set[int] = set()
        self._troubles: dict[int, str] = {}
        self._unread: dict[int, Standing] = {}
        self.primary = self._open_primary()
        self.further: list[Shelf] = []

    @property
    def spools(self) -> Sequence[Spool]:
        """All that are open, the one that takes new mail first."""
        return (self.primary, *self.further)

    def adopt(self) -> list[Shelf]:
        """Open those shards of ours that nobody has open; what was opened now."""
        adopted = []
        for shard in self._ours():
            if shard in self._seen:
                continue
            try:
                adopted.append(self._open(shard))
            except ShardInUse:
                continue
            except ShardDamaged as error:
                self._give_up(shard, error)
            except OperatorError as error:
                self._put_off(shard, error)
            else:
                self._troubles.pop(shard, None)
        adopted += self._take_strays()
        self.further += adopted
        return adopted

    @property
    def troubles(self) -> tuple[str, ...]:
        """Why shards of this worker are not open."""
        return tuple(self._troubles.values())

    @property
    def shortage(self) -> str:
        """How much room new mail lacks, which is refused meanwhile; empty: nothing."""
        try:
            self.primary.new_body(self.primary.next_id()).discard()
        except DiskFull as full:
            return full.detail
        except TemporaryFailure:  # it fails in another way, which is told of shards
            pass
        return ""

    async def standings(self) -> list[Standing]:
        """The failed shards of all spools."""
        found = [each for spool in (self.primary, *self.further) for each in await spool.standings()]
        return [*found, *self._unread.values()]

    async def damaged(self) -> int:
        """Messages that are set aside, over all spools."""
        return sum([await spool.count_damaged() for spool in (self.primary, *self.further)])

    async def close(self) -> None:
        """Finish what waits for a commit and let go of every lock."""
        for spool in self.spools:
            await spool.close()

    def _open_primary(self) -> Shelf:
        """Open the shard that takes new mail. A command may have it for a moment, where none served till now."""
        until = self._clock.monotonic() + LOCK_PATIENCE
        while True:
            try:
                return self._open_first()
            except ShardInUse:
                if self._clock.monotonic() >= until:
                    raise
                time.sleep(_LOCK_LOOK)

    def _open_first(self) -> Shelf:
        for shard in self._ours():
            try:
                return self._open(shard)
            except ShardDamaged as error:
                self._give_up(shard, error)
        first = Layout(self._data_dir, self._number)
        return self._open(None if first.folder.exists() else self._number)

    def _take_strays(self) -> list[Shelf]:
        """A successor for each shard of ours that failed and has none."""
        found = []
        for shard in strays(self._data_dir):
            if shard % self._workers != self._number:
                continue
            try:
                new = open_successor(self._data_dir, shard, self._clock, self._settings, self._hooks)
            except ShardInUse:
                continue
            except OperatorError as error:
                self._cannot_take(shard, str(error))
            else:
                self._unread.pop(shard, None)
                self._seen.add(new.shard)
                found.append(new)
        return found

    def _cannot_take(self, shard: int, why: str) -> None:
        """Told once, however often it is tried."""
        if shard not in self._unread:
            self._hooks.troubled(why)
            reason = failure_text(Layout(self._data_dir, shard))
            self._unread[shard] = Standing(shard, reason, self._clock.now(), trouble=why)

    def _give_up(self, shard: int, error: ShardDamaged) -> None:
        """It is only read from now on, by the spool that takes its queue over."""
        mark_failed(Layout(self._data_dir, shard), str(error))
        self._hooks.failed(shard, str(error))

    def _put_off(self, shard: int, error: OperatorError) -> None:
        """Its mail waits until a person has put it right."""
        text = f"shard {shard} cannot be opened, and what waits there stays: {error}"
        if shard not in self._troubles:
            self._hooks.troubled(text)
        self._troubles[shard] = text

    def _open(self, shard: int | None) -> Shelf:
        opened = open_shelf(self._data_dir, shard, self._clock, self._settings, self._hooks)
        self._seen.add(opened.shard)
        return opened

    def _ours(self) -> list[int]:
        return [shard for shard in discover(self._data_dir) if shard % self._workers == self._number]
