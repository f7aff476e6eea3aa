"""Storing what attempts brought, and keeping what could not be stored until it can be.

A result that is known but not on disk must not be forgotten: the message would be sent a second time. So a
settlement that the spool refuses is kept and offered again, at growing intervals; the message stays in hand, and
with it a place in the window is taken: a disk that takes nothing stops delivery after one window, without a loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sams.activity.events import Alarmed, ServiceChanged, ServiceEvent
from sams.core.text import visible
from sams.delivery.backoff import interval
from sams.spool.interface import OnStored, Settlement, Spool, Work

FIRST_WAIT = 5.0
LONGEST_WAIT = 60.0


@dataclass(slots=True, eq=False)
class _Refused:
    """A settlement that is kept. `stored` is called once, when it is on disk, with the work of its reports."""

    spool: Spool
    settlement: Settlement
    stored: OnStored
    failures: int
    timer: asyncio.TimerHandle | None = None


class Settler:
    """Hands settlements to their spools and calls back when they are on disk."""

    def __init__(self, tell: Callable[[ServiceEvent], None], draw: Callable[[], float]) -> None:
        self._tell = tell
        self._draw = draw
        self._offered = 0
        self._refused: set[_Refused] = set()
        self._is_failing = False
        self._is_abandoned = False
        self._idle: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return self._offered + len(self._refused)

    def settle(self, spool: Spool, settlement: Settlement, stored: OnStored, failures: int = 0) -> None:
        """Store it; `stored` is called when it is on disk, perhaps much later. failures: so often it was refused."""
        self._offered += 1
        refused = partial(self._keep, spool, settlement, stored, failures)
        try:
            spool.settle(settlement, partial(self._stored, stored), refused)
        except Exception as error:  # noqa: BLE001 - whatever the spool raises, the result must be kept
            refused(error)

    async def finish(self, seconds: float) -> int:
        """Offer once more at once what was refused, wait for all at most so long; the number not stored."""
        for refused in list(self._refused):
            self._offer_again(refused)
        if len(self):
            self._idle = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._idle], timeout=seconds)
        return len(self)

    def abandon(self) -> None:
        """Forget what is still not stored: what it was about is sent again after the next start."""
        self._is_abandoned = True
        for refused in self._refused:
            if refused.timer is not None:
                refused.timer.cancel()
        self._refused.clear()
        self._offered = 0

    def _stored(self, stored: OnStored, works: tuple[Work, ...]) -> None:
        if self._is_abandoned:
            return
        if self._is_failing:
            self._is_failing = False
            self._tell(ServiceChanged(what="results of delivery are stored again"))
        self._offered -= 1
        stored(works)
        if self._idle is not None and not len(self) and not self._idle.done():
            self._idle.set_result(None)

    def _keep(
        self, spool: Spool, settlement: Settlement, stored: OnStored, failures: int, error: Exception
    ) -> None:
        if self._is_abandoned:
            return
        self._offered -= 1
        if not self._is_failing:
            self._is_failing = True
            text = f"results of delivery cannot be stored: {visible(str(error))}"
            self._tell(Alarmed(alarm="spool", text=text))
        wait = interval(FIRST_WAIT, LONGEST_WAIT, failures, self._draw())
        refused = _Refused(spool, settlement, stored, failures + 1)
        refused.timer = asyncio.get_running_loop().call_later(wait, self._offer_again, refused)
        self._refused.add(refused)

    def _offer_again(self, refused: _Refused) -> None:
        if refused.timer is not None:
            refused.timer.cancel()
        self._refused.discard(refused)
        self.settle(refused.spool, refused.settlement, refused.stored, refused.failures)
