"""What administrators and a reload ask of a shard.

Theory of operation
-------------------
What is meant is looked for in a thread (`readers.py`). What is to be changed is changed in steps of bounded size,
which take part in the commits as mail does: no step holds the write lock for long, and mail goes on between two.
Who asks for what waits also means what is still being taken over from failed shards. So such a change, and a backup,
waits until the take-over has ended, or cannot go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import apsw

from sams.core.errors import OperatorError
from sams.spool import backups, changes, damage, searches
from sams.spool.interface import DamagedMessage, Entry, Search
from sams.spool.keys import row_of
from sams.spool.layout import Layout
from sams.spool.readers import DatabaseReaders
from sams.spool.statements import Files
from sams.spool.take_overs import AddChange, TakeOvers

Apply = Callable[[apsw.Connection, Sequence[int]], tuple[int, Files]]

_FIRST = -(2**63)


class Requests:
    """See `interface.Spool` for what they mean.

    A coroutine is a request that has to end before the shard is closed.
    """

    def __init__(
        self,
        layout: Layout,
        readers: DatabaseReaders,
        take_overs: TakeOvers,
        *,
        add_change: AddChange,
        on_put_back: Callable[[int], None],
    ) -> None:
        """Keep the parts.

        Args:
            layout: where the shard is.
            readers: of its database.
            take_overs: from failed shards.
            add_change: stores a step.
            on_put_back: told the row of a message that was set aside and waits again.
        """
        self._layout = layout
        self._readers = readers
        self._take_overs = take_overs
        self._add_change = add_change
        self._on_put_back = on_put_back

    # What waits.

    def search(self, search: Search, after: str | None, limit: int) -> asyncio.Future[Sequence[Entry]]:
        """A page of messages."""
        return self._readers.read_in_thread(
            lambda connection: searches.page(connection, search, after, limit)
        )

    async def hold(self, search: Search) -> int:
        """Stop delivery of what matches."""
        return await self._change(search, changes.hold)

    async def release(self, search: Search, now: float) -> int:
        """Let it go on, due now."""
        return await self._change(search, partial(changes.release, now=now))

    async def retry(self, search: Search, now: float) -> int:
        """Make it due now."""
        return await self._change(search, partial(changes.retry, now=now))

    async def delete(self, search: Search) -> int:
        """Remove it for good."""
        return await self._change(search, changes.delete)

    async def reroute(self, routes: Mapping[str, str]) -> None:
        """Give what waits the route of its domain key."""
        await self._take_overs.done()
        step = changes.Reroute(routes)
        while not step.is_done:
            await self._add_change(step.run)
            step.advance()

    async def backup(self, target: Path) -> None:
        """Copy the shard. An error may be of the disk that the copy is written to."""
        await self._take_overs.done()
        sources, unread = dict(self._take_overs.sources), set(self._take_overs.expected)
        await self._readers.lend_connection(
            partial(backups.copy_shard, self._layout, sources=sources, target=target, unread=unread)
        )

    async def _change(self, search: Search, apply: Apply) -> int:
        await self._take_overs.done()
        count, after = 0, None
        while rows := await self._matching(search, after):
            count += await self._add_step(rows, apply)
            after = rows[-1]
        return count

    def _matching(self, search: Search, after: int | None) -> asyncio.Future[list[int]]:
        return self._readers.read_in_thread(
            lambda connection: searches.matching(connection, search, after, changes.STEP)
        )

    def _add_step(self, rows: Sequence[int], apply: Apply) -> Awaitable[int]:
        return self._add_change(lambda connection: apply(connection, rows))

    # What was set aside.

    def damaged(self, after: str | None, limit: int) -> asyncio.Future[Sequence[DamagedMessage]]:
        """A page of it."""
        return self._aside(_FIRST if after is None else row_of(after)[0], limit)

    def count_damaged(self) -> asyncio.Future[int]:
        """How many messages it is."""
        return self._readers.read_in_thread(damage.count)

    async def put_back(self, message_id: str) -> int:
        """Let one wait again.

        Raises:
            OperatorError: it still cannot be read.
        """
        if not await self._is_aside(message_id):
            return 0
        row, shard = row_of(message_id)
        wrong = await self._readers.read_in_thread(
            lambda connection: damage.still_wrong(connection, row, shard, self._layout.body_file)
        )
        if wrong:
            raise OperatorError(f"{message_id} still cannot be read: {wrong}")
        count = await self._add_step([row], damage.put_back)
        self._on_put_back(row)
        return count

    async def discard(self, message_id: str) -> int:
        """Remove one for good."""
        if not await self._is_aside(message_id):
            return 0
        return await self._add_step([row_of(message_id)[0]], damage.remove)

    async def _is_aside(self, message_id: str) -> bool:
        row, _ = row_of(message_id)
        return [one.id for one in await self._aside(row - 1, 1)] == [message_id]

    def _aside(self, after: int, limit: int) -> asyncio.Future[Sequence[DamagedMessage]]:
        return self._readers.read_in_thread(
            lambda connection: damage.page(connection, after, limit, self._layout.body_file)
        )
