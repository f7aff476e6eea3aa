"""How many questions a worker asks a directory at once, and who is next.

As for password hashes (`passwords.pool.HashPool`): who was right at the same place before goes first, all others
take turns by where they come from, and a full line lets the newest of a crowd go for somebody from elsewhere. So a
crowd of guesses at a slow directory keeps no member elsewhere from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sams.core.errors import TemporaryFailure
from sams.identity.fair_queue import FairQueue
from sams.identity.origin import origin_key
from sams.identity.replies import BUSY

_Place = asyncio.Future[None]


class Turnstile:
    """Lets `at_once` in, and at most `max_waiting` wait."""

    def __init__(self, at_once: int, max_waiting: int = 200) -> None:
        self._free = at_once
        self._max_waiting = max_waiting
        self._waiting = 0
        self._known: FairQueue[_Place] = FairQueue()
        self._unknown: FairQueue[_Place] = FairQueue()

    @asynccontextmanager
    async def enter(self, address: str, *, is_known: bool) -> AsyncIterator[None]:
        """Be inside, in turn.

        Raises:
            TemporaryFailure: too many wait already.
        """
        if self._free:
            self._free -= 1
        else:
            await self._wait(origin_key(address), is_known=is_known)
        try:
            yield
        finally:
            self._leave()

    async def _wait(self, origin: bytes, *, is_known: bool) -> None:
        queue = self._known if is_known else self._unknown
        if self._waiting >= self._max_waiting and not self._make_room(origin, is_known=is_known):
            raise _busy(self._max_waiting)
        place: _Place = asyncio.get_running_loop().create_future()
        queue.put(place, origin)
        self._waiting += 1
        try:
            await place
        except BaseException:
            if queue.remove(place, origin):
                self._waiting -= 1
            elif place.done() and not place.cancelled() and place.exception() is None:
                self._leave()  # let in and gone at the same moment
            raise

    def _make_room(self, origin: bytes, *, is_known: bool) -> bool:
        given_up = self._unknown.give_way_to_others() if is_known else None
        given_up = given_up or (self._known if is_known else self._unknown).give_way(origin)
        if given_up is None:
            return False
        self._waiting -= 1
        if not given_up.done():
            given_up.set_exception(_busy(self._max_waiting))
        return True

    def _leave(self) -> None:
        while (place := self._known.pop() or self._unknown.pop()) is not None:
            self._waiting -= 1
            if not place.done():
                place.set_result(None)
                return
        self._free += 1


def _busy(most: int) -> TemporaryFailure:
    return TemporaryFailure(BUSY, f"{most} sign-ins wait for this directory already")
