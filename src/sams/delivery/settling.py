"""Storing what attempts brought, and keeping what could not be stored until it can be.

A result that is known but not on disk must not be forgotten: the message would be sent a second time. So a
settlement that the spool refuses is kept and offered again, at growing intervals; the message stays in hand, and
with it a place in the window is taken: a disk that takes nothing stops delivery after one window, without a loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from sams.activity.events import Alarmed, ServiceChanged, ServiceEvent
from sams.core.text import visible
from sams.delivery.backoff import interval
from sams.spool.interface import Settlement, Spool, Work

FIRST_WAIT = 5.0
LONGEST_WAIT = 60.0

Stored = Callable[[tuple[Work, ...]], None]


@dataclass(slots=True, eq=False)
class _Pending:
    """A settlement on its way. `stored` is called once, when it is on disk, with the work of its reports."""

    spool: Spool
    settlement: Settlement
    stored: Stored
    failures: int = 0
    timer: asyncio.TimerHandle | None = None


class Settler:
    """Hands settlements to their spools and calls back when they are on disk."""

    def __init__(self, tell: Callable[[ServiceEvent], None], draw: Callable[[], float]) -> None:
        self._tell = tell
        self._draw = draw
        self._pending: set[_Pending] = set()
        self._is_failing = False
        self._idle: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._pending)

    def settle(self, spool: Spool, settlement: Settlement, stored: Stored) -> None:
        """Store it; `stored` is called when it is on disk, perhaps much later."""
        pending = _Pending(spool, settlement, stored)
        self._pending.add(pending)
        self._offer(pending)

    async def finish(self, seconds: float) -> int:
        """Offer once more at once what was refused, wait for all at most so long; the number not stored."""
        for pending in list(self._pending):
            if pending.timer is not None:
                pending.timer.cancel()
                self._offer(pending)
        if self._pending:
            self._idle = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._idle], timeout=seconds)
        return len(self._pending)

    def abandon(self) -> None:
        """Forget what is still not stored: what it was about is sent again after the next start."""
        for pending in self._pending:
            if pending.timer is not None:
                pending.timer.cancel()
        self._pending.clear()

    def _offer(self, pending: _Pending) -> None:
        pending.timer = None
        try:
            future = pending.spool.settle(pending.settlement)
        except Exception as error:  # noqa: BLE001 - whatever the spool raises, the result must be kept
            self._refused(pending, error)
        else:
            future.add_done_callback(lambda done: self._done(pending, done))

    def _done(self, pending: _Pending, future: asyncio.Future[tuple[Work, ...]]) -> None:
        if future.cancelled():
            self._refused(pending, RuntimeError("the spool is being closed"))
        elif (error := future.exception()) is not None:
            self._refused(pending, error)
        elif pending in self._pending:
            self._is_failing = self._is_failing and self._recovered()
            self._pending.discard(pending)
            pending.stored(future.result())
            if self._idle is not None and not self._pending and not self._idle.done():
                self._idle.set_result(None)

    def _refused(self, pending: _Pending, error: BaseException) -> None:
        if not self._is_failing:
            self._is_failing = True
            text = f"results of delivery cannot be stored: {visible(str(error))}"
            self._tell(Alarmed(alarm="spool", text=text))
        if pending in self._pending:
            wait = interval(FIRST_WAIT, LONGEST_WAIT, pending.failures, self._draw)
            pending.failures += 1
            pending.timer = asyncio.get_running_loop().call_later(wait, self._offer, pending)

    def _recovered(self) -> bool:
        """Tell, and return the new `_is_failing`."""
        self._tell(ServiceChanged(what="results of delivery are stored again"))
        return False
