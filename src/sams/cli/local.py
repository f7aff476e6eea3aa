"""The queue of a service that is stopped: its shards, opened and locked by the command itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import click

from sams.control.messages import MAX_PAGE, DamagedEntry, QueueEntry, QueueSearch, QueueShown, RouteEntry
from sams.control.running import whole_entry
from sams.core.clock import Clock
from sams.core.text import visible
from sams.service.queue_view import ShardQueue
from sams.spool.failures import ShardDamaged
from sams.spool.hooks import Hooks
from sams.spool.layout import discover, strays
from sams.spool.settings import Settings
from sams.spool.shelf import Shelf, open_shelf


class LocalQueue:
    """`QueueOperations` on the shards below a data folder. Use it in a `with` block, which holds their locks.

    Raises (on entering):
        OperatorError: a shard is in use by another process, or cannot be opened.
    """

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self._data_dir = data_dir
        self._clock = clock
        self._runner = asyncio.Runner()
        self._shards: list[Shelf] = []
        self._queue = ShardQueue(lambda: self._shards, clock)

    def __enter__(self) -> Self:
        try:
            self._runner.run(self._open())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def list(self, search: QueueSearch, after: str | None, limit: int) -> Sequence[QueueEntry]:
        """The first `limit` messages behind `after`."""
        found: list[QueueEntry] = []
        more = True
        while more and len(found) < limit:
            wanted = min(limit - len(found), MAX_PAGE)
            page = self._runner.run(self._queue.page(search, after, wanted))
            found += page.entries
            more = page.more and bool(page.entries)
            after = found[-1].id if found else after
        return found

    def show(self, message_id: str) -> QueueEntry | None:
        """One message with all its recipients."""

        def ask(after: int) -> QueueShown:
            return self._runner.run(self._queue.show(message_id, after))

        return whole_entry(ask)

    def hold(self, search: QueueSearch) -> int:
        """Stop delivery of what matches."""
        return self._runner.run(self._queue.hold(search))

    def release(self, search: QueueSearch) -> int:
        """Let it go on."""
        return self._runner.run(self._queue.release(search))

    def retry(self, search: QueueSearch) -> int:
        """Make it due now."""
        return self._runner.run(self._queue.retry(search))

    def delete(self, search: QueueSearch) -> int:
        """Remove it for good."""
        return self._runner.run(self._queue.delete(search))

    def damaged(self, after: str | None, limit: int) -> Sequence[DamagedEntry]:
        """The first `limit` behind `after` of what was set aside."""
        found: list[DamagedEntry] = []
        more = True
        while more and len(found) < limit:
            page = self._runner.run(self._queue.damaged(after, min(limit - len(found), MAX_PAGE)))
            found += page.entries
            more = page.more and bool(page.entries)
            after = found[-1].id if found else after
        return found

    def put_back(self, message_id: str) -> int:
        """Let one wait in the queue again."""
        return self._runner.run(self._queue.put_back(message_id))

    def discard(self, message_id: str) -> int:
        """Remove one for good."""
        return self._runner.run(self._queue.discard(message_id))

    def depth(self) -> Sequence[RouteEntry]:
        """How much waits, by route."""
        return self._queue.depth()

    def backup(self, target: Path) -> tuple[str, ...]:
        """Copy every shard into a new folder each; the paths below `target`, an existing folder."""
        (target / "spool").mkdir(mode=0o700, exist_ok=True)
        return self._runner.run(self._backup(target))

    async def _backup(self, target: Path) -> tuple[str, ...]:
        paths = tuple(f"spool/{shard.shard}" for shard in self._shards)
        for shard, path in zip(self._shards, paths, strict=True):
            await shard.backup(str(target / path))
        return paths

    async def _open(self) -> None:
        for number in discover(self._data_dir):
            try:
                self._shards.append(open_shelf(self._data_dir, number, self._clock, Settings(), Hooks()))
            except ShardDamaged as error:
                click.echo(f"sams: shard {number} is left out: {visible(str(error))}", err=True)
        for number in strays(self._data_dir):
            text = f"sams: shard {number} failed, and what waits there is taken over when the service starts"
            click.echo(text, err=True)

    def _end(self) -> None:
        try:
            self._runner.run(self._close())
        finally:
            self._runner.close()

    async def _close(self) -> None:
        for shard in self._shards:
            await shard.close()
