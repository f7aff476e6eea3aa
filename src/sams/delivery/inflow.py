"""Back-pressure: who would fill the queue faster than it is delivered is slowed down, and never refused for it.

Theory of operation. While deliveries keep up, the window has room, and nobody is asked to wait. When it is full
although its routes are up, more comes in than they take: what is accepted now would wait on disk, and in the end
fill it. From then on a message may begin when another has left the window; who sends waits for that at MAIL, before
anything of it is stored, in the order of asking, and `LONGEST` seconds at most. So what is accepted keeps to the pace
of what is delivered, but for the few that waited their full time. It is over when half of the window is free again.

A route that is down fills no window: mail for it is accepted at full speed and waits on disk. And a member with
little in the window has the last quarter of it, as for delivery, and does not wait while there is any of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from sams.activity.events import ServiceChanged, ServiceEvent
from sams.delivery.window import Window

LONGEST = 5.0
"""Seconds. A mail program waits for minutes (RFC 5321 section 4.5.3.2.2), a person does not."""


class Inflow:
    """Says who has to wait before the next message.

    waiting_of: how many messages of a login wait in the window.
    """

    def __init__(
        self, window: Window, waiting_of: Callable[[str], int], tell: Callable[[ServiceEvent], None]
    ) -> None:
        self._window = window
        self._waiting_of = waiting_of
        self._tell = tell
        self._line: deque[asyncio.Future[None]] = deque()
        self._is_slowed = False

    def admit(self, login: str) -> asyncio.Future[None] | None:
        """Before a login's next message: None, go on; else go on when this is done."""
        if not self._is_slowed:
            if self._window.open_places > 0:
                return None
            self._begin()
        if self._window.has_reserve_for(self._waiting_of(login)):
            return None
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._line.append(turn)
        loop.call_later(LONGEST, _let_go, turn)
        return turn

    def _begin(self) -> None:
        self._is_slowed = True
        self._window.on_left = self._left
        self._tell(ServiceChanged(what="accepting slows", detail="more comes in than the next hops take"))

    def _left(self) -> None:
        """A message left the window."""
        while self._line and self._line[0].done():
            self._line.popleft()
        if self._line:
            _let_go(self._line.popleft())
        if self._window.is_half_empty:
            self._end()

    def _end(self) -> None:
        self._is_slowed = False
        self._window.on_left = None
        while self._line:
            _let_go(self._line.popleft())
        self._tell(ServiceChanged(what="accepting at full speed"))


def _let_go(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
