"""How much waits, by route. Exact while counting is quick; from a count some seconds old when much is waiting.

Counting a million waiting recipients takes some tenths of a second, which the loop does not have. So once a count
took long, the next ones are made in a thread, and who asks meanwhile gets the last one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import apsw

from sams.core.clock import Clock
from sams.spool.interface import RouteDepth

_QUICK = 0.005
_OLD = 10.0
_ROUTES = (
    "WITH RECURSIVE routes(route) AS (SELECT (SELECT min(route) FROM recipient WHERE held = {held}) UNION ALL "
    "SELECT (SELECT min(route) FROM recipient WHERE held = {held} AND route > routes.route) FROM routes "
    "WHERE routes.route IS NOT NULL) SELECT route FROM routes WHERE route IS NOT NULL"
)
_WAITING = "SELECT count(*), min(message) FROM recipient WHERE route = ? AND held = 0"
_DUE = "SELECT count(*) FROM recipient WHERE route = ? AND held = 0 AND due <= ?"
_HELD = "SELECT count(*) FROM recipient WHERE route = ? AND held = 1"

Count: TypeAlias = tuple[list[RouteDepth], float]
"""A count, and how many seconds it took."""


class Depths:
    """Counts on the loop or in a thread, by how long it took last."""

    def __init__(
        self,
        connection: apsw.Connection,
        clock: Clock,
        at_desk: Callable[[Callable[[apsw.Connection], Count]], asyncio.Future[Count]],
    ) -> None:
        """Begin a first count in a thread.

        Args:
            connection: for reading on the loop.
            clock: both kinds of time.
            at_desk: runs work in a thread, with a connection of its own.
        """
        self._connection = connection
        self._clock = clock
        self._at_desk = at_desk
        self._last: list[RouteDepth] = []
        self._took = 0.0
        self._made_at = 0.0
        self._counting: asyncio.Future[Count] | None = None
        self._count_in_thread()

    def now(self, now: float) -> Sequence[RouteDepth]:
        """What waits now; `due` as of `now`, UNIX seconds."""
        if self._took <= _QUICK:
            self._keep(self._count(self._connection, now))
        elif self._clock.monotonic() - self._made_at >= _OLD and self._counting is None:
            self._count_in_thread()
        return self._last

    def _count_in_thread(self) -> None:
        now = self._clock.now()
        self._counting = self._at_desk(lambda connection: self._count(connection, now))
        self._counting.add_done_callback(self._counted)

    def _counted(self, counting: asyncio.Future[Count]) -> None:
        self._counting = None
        if not counting.cancelled() and counting.exception() is None:
            self._keep(counting.result())

    def _keep(self, count: Count) -> None:
        self._last, self._took = count
        self._made_at = self._clock.monotonic()

    def _count(self, connection: apsw.Connection, now: float) -> Count:
        began = self._clock.monotonic()
        routes = {str(route) for held in (0, 1) for (route,) in connection.execute(_ROUTES.format(held=held))}
        found = [_depth_of(connection, route, now) for route in sorted(routes)]
        return found, self._clock.monotonic() - began


def _depth_of(connection: apsw.Connection, route: str, now: float) -> RouteDepth:
    waiting, oldest = _row(connection, _WAITING, route)
    [due] = _row(connection, _DUE, route, now)
    [held] = _row(connection, _HELD, route)
    [arrived] = _row(connection, "SELECT max(arrived) FROM message WHERE id = ?", oldest)
    return RouteDepth(route, waiting + held, due, arrived)


def _row(connection: apsw.Connection, statement: str, *values: str | float) -> tuple[Any, ...]:
    [row] = connection.execute(statement, values).fetchall()
    found: tuple[Any, ...] = row
    return found
