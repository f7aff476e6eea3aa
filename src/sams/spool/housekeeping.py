"""What is done beside the commits: the log is copied into the database, and unused pages go back to the disk.

A passive checkpoint runs while batches commit, and takes no lock that they need. But the log only starts
anew when all of it was copied at the moment a writer begins, which under endless load never happens: past a
limit, batches pause for one short restart (what is left to copy is little then). A reader with an old view
can prevent that; then it is tried again at the next look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor

import apsw

from sams.spool.commits import Committer
from sams.spool.failures import failure_of, is_no_room, is_passing
from sams.spool.settings import Settings

_LOOK_EVERY = 32
"""Commits between two looks at the log's length."""


class Housekeeper:
    """Checkpoints and shrinks one database, on a connection and a thread of its own."""

    def __init__(
        self,
        connection: apsw.Connection,
        committer: Committer,
        settings: Settings,
        on_failed: Callable[[str], None],
    ) -> None:
        self._connection = connection
        self._committer = committer
        self._settings = settings
        self._on_failed = on_failed
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, "sams-checkpoint")
        self._task: asyncio.Task[None] | None = None
        self._since_look = 0
        self._is_urgent = False

    def committed(self) -> None:
        """A batch was committed: look now and then whether there is something to do."""
        self._since_look += 1
        if self._since_look >= _LOOK_EVERY and self._task is None:
            self._since_look = 0
            self.start()

    def start(self) -> None:
        """Look now, unless it is being done."""
        if self._task is None and self._committer.is_open:
            self._task = self._loop.create_task(self._run())

    def free_log(self) -> None:
        """The disk is full: copy all of the log, however short, so that it is written from its start again."""
        self._is_urgent = True
        self.start()

    async def close(self, *, checkpoint: bool) -> None:
        """End the thread, with all of the log copied where that is wanted."""
        if self._task is not None:
            await self._task
        if checkpoint:
            await self._attempt(self._in_thread(self._checkpoint, apsw.SQLITE_CHECKPOINT_TRUNCATE))
        await self._loop.run_in_executor(None, self._thread.shutdown)

    async def _run(self) -> None:
        try:
            await self._attempt(self._keep_log_short())
            await self._attempt(self._shrink())
        finally:
            self._task = None

    async def _attempt(self, work: Coroutine[None, None, None]) -> None:
        """An error of a checkpoint means what an error of a commit means."""
        try:
            await work
        except apsw.Error as error:
            code = self._connection.system_errno
            if not is_passing(error) and not is_no_room(error, code):
                self._on_failed(failure_of(error, code).detail)

    async def _keep_log_short(self) -> None:
        frames, is_urgent = await self._measure(), self._is_urgent
        self._is_urgent = False
        if frames >= self._settings.checkpoint_pages or is_urgent:
            await self._in_thread(self._checkpoint, apsw.SQLITE_CHECKPOINT_PASSIVE)
        if frames < self._settings.log_limit_pages and not is_urgent:
            return
        async with self._committer.paused():
            await self._in_thread(self._checkpoint, apsw.SQLITE_CHECKPOINT_RESTART)

    async def _shrink(self) -> None:
        """Give back what a burst left, a step at a time, with room for batches between two steps."""
        while self._committer.is_open and await self._loop.run_in_executor(self._thread, self._is_wasteful):
            async with self._committer.paused():
                await self._in_thread(self._give_back, self._settings.shrink_step)

    async def _measure(self) -> int:
        return await self._loop.run_in_executor(self._thread, self._log_pages)

    async def _in_thread(self, work: Callable[[int], None], argument: int) -> None:
        await self._loop.run_in_executor(self._thread, work, argument)

    # In the thread.

    def _log_pages(self) -> int:
        return self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)[0]

    def _checkpoint(self, mode: int) -> None:
        self._connection.wal_checkpoint(mode=mode)

    def _is_wasteful(self) -> bool:
        unused, pages = self._connection.pragma("freelist_count"), self._connection.pragma("page_count")
        return bool(unused > self._settings.shrink_pages and unused * 2 > pages)

    def _give_back(self, pages: int) -> None:
        with self._connection:
            self._connection.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
