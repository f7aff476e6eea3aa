"""Large bodies take turns, so that small mail beside them waits for few of them and not for all.

Theory of operation. A read of a large body is up to half a millisecond of work. Two hundred members who send at full
speed would make each round of the loop a tenth of a second, and a small message needs several rounds. So who has
just filled the buffer stands in line, and a round lets only the first few read again. Who reads less than a full
buffer, as all small mail does, never stands in line. With few in line nobody waits at all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

AT_ONCE = 4
"""Large reads in one round of the loop."""


class Reader(Protocol):
    """Who stands in line; nothing of it is read meanwhile."""

    def take_turn(self) -> None:
        """Read on. It may be over by then."""
        ...


class Rounds(Protocol):
    """What turns need of an event loop."""

    def call_soon(self, callback: Callable[[], object], /) -> object:
        """Call it in the next round."""
        ...


class Turns:
    """The line of one worker."""

    __slots__ = ("_is_due", "_line", "_loop")

    def __init__(self, loop: Rounds) -> None:
        self._loop = loop
        self._line: deque[Reader] = deque()
        self._is_due = False

    def stand_in_line(self, reader: Reader) -> None:
        """It had its turn, and has its next one behind all others."""
        self._line.append(reader)
        self._call()

    def _next(self) -> None:
        self._is_due = False
        for _ in range(min(AT_ONCE, len(self._line))):
            self._line.popleft().take_turn()
        self._call()

    def _call(self) -> None:
        if self._line and not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._next)
