"""When a batch begins.

It begins when a round of the loop found no socket ready, or has found some for `BUSY` seconds: a loop that is behind
with its work would serve nobody earlier by a sync for each message, only all of them later. A member that comes alone
meets an idle loop and is committed at once; under load, batches grow by themselves. What nobody waits for (a
settlement: the message has left) looks for up to `COMPANY` seconds for a commit to share, so that a message that
arrives and one that has left cost one sync together.

A round that had a piece of a large body to work on says nothing about who else comes, however long it took: beside
large mail each round is such a one, and small mail would wait its full time for nothing. The batch begins then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sized

from sams.core.clock import Clock

COMPANY = 0.005
"""Seconds for which a member that may wait is kept for the commit of another."""
BUSY = 0.003
"""Seconds for which a loop that is busy may bring more to a batch.

They count from when the commit before it was done or, where none was, from the first member that somebody waits for.
"""
_IDLE_ROUND = 40e-6
"""A round of the loop that takes less found no socket ready: it takes some 10 microseconds.

Nothing but speed hangs on it. Where a machine is so slow that its idle rounds take longer, every round seems busy,
and a batch gathers for `BUSY` seconds: no more is lost than these.
"""


class Gathering:
    """Begins a batch of what waits; one at a time is scheduled.

    is_scheduled: it is going to begin at the end of a round of the loop.
    is_urgent: somebody waits for a member of it.
    """

    __slots__ = (
        "_begin",
        "_clock",
        "_company",
        "_looked",
        "_loop",
        "_most",
        "_pieces",
        "_pieces_seen",
        "_scheduled_at",
        "_waiting",
        "is_scheduled",
        "is_urgent",
    )

    def __init__(
        self,
        waiting: Sized,
        most: int,
        clock: Clock,
        begin: Callable[[], None],
        pieces: Callable[[], int] = lambda: 0,
    ) -> None:
        """Watch what waits, of which a batch takes at most so many; `begin` is called when one is due.

        pieces: how many pieces of large bodies were worked on so far.
        """
        self._waiting = waiting
        self._most = most
        self._clock = clock
        self._begin = begin
        self._loop = asyncio.get_running_loop()
        self._pieces = pieces
        self._pieces_seen = 0
        self._scheduled_at = self._looked = 0.0
        self.is_scheduled = False
        self.is_urgent = False
        self._company: asyncio.TimerHandle | None = (
            None  # runs while all that waits looks for a commit to share
        )

    def schedule(self) -> None:
        """Begin when the loop has nothing else to do, or a little later where nobody waits for it."""
        if self.is_urgent or len(self._waiting) >= self._most:
            self.is_scheduled = True
            self._scheduled_at = self._looked = self._clock.monotonic()
            self._pieces_seen = self._pieces()
            self._loop.call_soon(self._begin_scheduled)
        elif self._company is None:
            self._company = self._loop.call_later(COMPANY, self._begin_without_company)

    def end_wait(self) -> None:
        """A batch has begun: it is the company."""
        if self._company is not None:
            self._company.cancel()
            self._company = None

    def _begin_scheduled(self) -> None:
        if self._may_bring_more():
            self._loop.call_soon(self._begin_scheduled)
            return
        self.is_scheduled = False
        self._begin()

    def _may_bring_more(self) -> bool:
        """Whether the last round served sockets, so that the next may, too."""
        now = self._clock.monotonic()
        last, self._looked = self._looked, now
        if self._pieces() != self._pieces_seen:
            return False
        has_room = len(self._waiting) < self._most
        return now - last > _IDLE_ROUND and now - self._scheduled_at < BUSY and has_room

    def _begin_without_company(self) -> None:
        self._company = None
        self.is_urgent = True
        self._begin()
