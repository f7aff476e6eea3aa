"""What comes into the window: new work from memory, and what is due by claims, in pages, where there is room.

A claim takes a lane at most to its share of the window, so that one route's backlog never fills it. A route that
is down is given one message, its probe. What is in hand already is left out; where a claim shows that more
recipients of it have become due, it is looked at again when it is done.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from sams.activity.events import Alarmed, ServiceEvent
from sams.core.ids import encode
from sams.core.text import visible
from sams.delivery.health import State
from sams.delivery.lane import Lane, Pass
from sams.delivery.window import Window
from sams.spool.interface import Cursor, Spool, Work

PAGE = 100
"""Messages of one claim."""
PROBE_PAGE = 10
PAUSE = 30.0
"""Seconds for which a spool that cannot be read is left alone."""


class Intake:
    """Fills the window. `lanes` gives the lanes as they are at the moment."""

    def __init__(
        self, window: Window, lanes: Callable[[], Iterable[Lane]], tell: Callable[[ServiceEvent], None]
    ) -> None:
        self._window = window
        self._lanes = lanes
        self._tell = tell

    def offer(self, lane: Lane, work: Work, spool: Spool) -> bool:
        """New work: take it, or leave it to a claim. Whether it waits in the window now."""
        job = self._window.get((work.message.id, work.route))
        if job is not None:
            job.is_stale = job.is_stale or job.lacks_any(work)
        elif self._is_welcome(lane, work):
            lane.turns.put(self._window.add(work, spool))
            return True
        else:
            lane.passes[spool].look_again()
        return False

    def refill(self, lane: Lane, now: float, monotonic: float) -> bool:
        """Read at most one page from each spool; whether another may be wanted at once.

        now: wall clock. monotonic: for the state of the next hop.
        """
        if not lane.health.is_up:
            self._fetch_probe(lane, now, monotonic)
            return False
        more = False
        for one in lane.passes.values():
            if one.wake(now):
                room = self._room(lane)
                if not room:
                    return False
                more |= self._claim(lane, one, now, room)
        return more

    def rescue(self, lane: Lane, now: float, monotonic: float, horizon: float) -> None:
        """Take rows due later than anybody is ever put off: they were written before the clock went back."""
        for one in lane.passes.values():
            room = self._room(lane) if lane.health.is_up else self._probe_room(lane, monotonic)
            if room:
                front = Cursor(now + horizon, encode(0))
                for work in self._read(lane, one, now, front, room, until=math.inf)[0]:
                    self._admit(lane, work, one.spool)

    def _is_welcome(self, lane: Lane, work: Work) -> bool:
        if lane.health.state is not State.UP and lane.turns.count:
            return False
        window = self._window
        if window.open_places > 0:
            return True
        return window.has_reserve(self._share(), lane.count, lane.turns.waiting_of(work.message.login))

    def _admit(self, lane: Lane, work: Work, spool: Spool) -> bool:
        job = self._window.get((work.message.id, work.route))
        if job is not None:
            job.is_stale = job.is_stale or job.lacks_any(work)
            return False
        lane.turns.put(self._window.add(work, spool))
        return True

    def _claim(self, lane: Lane, one: Pass, now: float, limit: int) -> bool:
        works, cursor = self._read(lane, one, now, one.cursor, limit)
        for work in works:
            self._admit(lane, work, one.spool)
        if cursor is not None:
            one.cursor = cursor
        elif one.is_due:
            one.over(self._next_due(lane, one, now))
        return one.is_due

    def _fetch_probe(self, lane: Lane, now: float, monotonic: float) -> None:
        """The first that is due and not in hand; the pass itself stands still until the route is up."""
        if not self._probe_room(lane, monotonic):
            return
        for one in lane.passes.values():
            if one.wake(now):
                one.restart()
                works, _ = self._read(lane, one, now, None, PROBE_PAGE)
                if any(self._admit(lane, work, one.spool) for work in works):
                    return
                if not works and one.is_due:
                    one.over(self._next_due(lane, one, now))

    def _read(
        self,
        lane: Lane,
        one: Pass,
        now: float,
        after: Cursor | None,
        limit: int,
        *,
        until: float | None = None,
    ) -> tuple[Iterable[Work], Cursor | None]:
        """A claim of what is due now, or until another time."""
        try:
            return one.spool.claim(lane.name, now if until is None else until, after, limit)
        except Exception as error:  # noqa: BLE001 - a spool that cannot be read must not stop the others
            self._pause(one, now, error)
            return (), one.cursor

    def _next_due(self, lane: Lane, one: Pass, now: float) -> float | None:
        try:
            return one.spool.next_due(lane.name, now)
        except Exception as error:  # noqa: BLE001 - as above
            self._pause(one, now, error)
            return now + PAUSE

    def _pause(self, one: Pass, now: float, error: Exception) -> None:
        one.over(now + PAUSE)
        text = f"shard {one.spool.shard} cannot be read for delivery: {visible(str(error))}"
        self._tell(Alarmed(alarm="spool", text=text))

    def _probe_room(self, lane: Lane, monotonic: float) -> int:
        is_wanted = not lane.turns.count and lane.may_begin(monotonic) and not self._window.is_full
        return 1 if is_wanted else 0

    def _share(self) -> int:
        return self._window.share(sum(lane.has_work for lane in self._lanes()))

    def _room(self, lane: Lane) -> int:
        """How many a claim may bring; 0 until it is worth a page."""
        share = self._share()
        room = min(PAGE, share - lane.count, self._window.free)
        is_a_page = room >= min(PAGE, max(1, share // 2))
        is_idle = not lane.turns.count  # then any are welcome
        return room if is_a_page or (is_idle and room > 0) else 0
