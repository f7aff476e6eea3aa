"""Much work takes turns, so that small mail beside it waits for little of it and not for all.

Theory of operation. To read a piece of a large body, from a member or from the disk, is up to half a millisecond of
work. Two hundred members who send at full speed would make each round of the loop a tenth of a second, and a small
message needs several rounds. So who has just had a large piece stands in line, and a round gives only the first
another one. Small mail never stands in line, and who is alone there does not wait.

But rounds are only a part of what small mail waits for. Large mail that comes as fast as the machine can take it
keeps all cores busy, and then each step of a small message, its commit's thread and the kernel's own threads among
them, waits for a core. So while small messages come (`core/courtesy.py`), a line rests after each round in which it
gave a turn, `REST` times as long as that round took. A round that was late, for whatever reason, is followed by a
longer rest. Large mail alone, or no faster than most networks are, does not meet this.

A TLS handshake is half a millisecond too, and anybody may ask for one. Handshakes mostly come singly, so a few of
each round are done at once (`Share`), and only what is more stands in line.

So do sign-ins that are decided: each takes a tenth of a handshake, but a crowd's come all in one round.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from sams.core.courtesy import Courtesy

REST = 1.0
"""How long a line rests then, in lengths of the round in which it gave a turn."""
_LEAST_REST = 0.001
"""Seconds: loops have no shorter timers. What is shorter adds up."""


class Rounds(Protocol):
    """What turns need of an event loop."""

    def call_soon(self, callback: Callable[[], object], /) -> object:
        """Call it in the next round."""
        ...

    def call_later(self, delay: float, callback: Callable[[], object], /) -> object:
        """Call it in so many seconds."""
        ...


class Turns:
    """One line of a worker. courtesy: whether it rests between its rounds."""

    __slots__ = ("_began", "_courtesy", "_is_due", "_line", "_loop", "_owed")

    def __init__(self, loop: Rounds, courtesy: Courtesy) -> None:
        self._loop = loop
        self._courtesy = courtesy
        self._line: deque[Callable[[], object]] = deque()
        self._is_due = False
        self._began = self._owed = 0.0

    def stand_in_line(self, go_on: Callable[[], object]) -> None:
        """Call `go_on` when all who stand there already had their turn. It may have nothing to do by then."""
        self._line.append(go_on)
        self._call()

    def _next(self) -> None:
        self._is_due = False
        if not self._line:
            return
        go_on = self._line.popleft()
        if self._courtesy.is_due:  # before the call: where that raises, the line still moves
            self._is_due = True
            self._began = self._courtesy.now()
            self._loop.call_soon(self._round_is_over)
        else:
            self._call()
        go_on()

    def _round_is_over(self) -> None:
        now = self._courtesy.now()
        self._owed += REST * (now - self._began)
        if self._owed < _LEAST_REST:
            self._next()
        else:
            self._began = now
            self._loop.call_later(self._owed, self._rested)

    def _rested(self) -> None:
        self._owed = max(-_LEAST_REST, self._owed - (self._courtesy.now() - self._began))
        self._next()

    def _call(self) -> None:
        if self._line and not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._next)


class Share:
    """At most `most` pieces of work in one round; what is more stands in line, in the order in which it came."""

    __slots__ = ("_is_due", "_left", "_line", "_loop", "_most")

    def __init__(self, loop: Rounds, most: int) -> None:
        self._loop = loop
        self._most = self._left = most
        self._line: deque[Callable[[], object]] = deque()
        self._is_due = False

    def take(self) -> bool:
        """Whether a piece of work may be done now; else `stand_in_line`."""
        if not self._is_due:
            self._call()
        if self._line or not self._left:
            return False
        self._left -= 1
        return True

    def stand_in_line(self, go_on: Callable[[], object]) -> None:
        """Call `go_on` when it may be done. It may have nothing to do by then."""
        self._line.append(go_on)
        self._call()

    def _begin_round(self) -> None:
        self._is_due, self._left = False, self._most
        if self._line:
            self._call()
        while self._line and self._left:
            self._left -= 1  # before the call: where that raises, the line still moves
            self._line.popleft()()

    def _call(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._begin_round)
