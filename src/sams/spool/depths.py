"""How much waits, by route. Exact while little waits; from a count some seconds old when much does.

Counting a million waiting recipients takes a second, which the loop does not have. So above a number that is
quickly counted, counts are made in a thread, and who asks meanwhile gets the last one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import apsw

from sams.core.clock import Clock
from sams.spool.interface import RouteDepth

_OLD = 10.0
_ROUTES = (
    "WITH RECURSIVE routes(route) AS (SELECT (SELECT min(route) FROM recipient WHERE held = {held}) UNION ALL "
    "SELECT (SELECT min(route) FROM recipient WHERE held = {held} AND route > routes.route) FROM routes "
    "WHERE routes.route IS NOT NULL) SELECT CAST(route AS BLOB) FROM routes WHERE route IS NOT NULL"
)
_UP_TO = "SELECT count(*) FROM (SELECT 1 FROM recipient LIMIT ?)"
_WAITING = "SELECT count(*), min(message) FROM recipient WHERE route = ? AND held = 0"
_DUE = "SELECT count(*) FROM recipient WHERE route = ? AND held = 0 AND due <= ?"
_HELD = "SELECT count(*) FROM recipient WHERE route = ? AND held = 1"


class Depths:
    """Counts on the loop or in a thread, by how much waits."""

    def __init__(
        self,
        connection: apsw.Connection,
        clock: Clock,
        read_aside: Callable[
            [Callable[[apsw.Connection], list[RouteDepth]]], asyncio.Future[list[RouteDepth]]
        ],
        few: int = 10_000,
    ) -> None:
        """Begin a first count in a thread.

        Args:
            connection: for reading on the loop.
            clock: both kinds of time.
            read_aside: runs work in a thread, with a connection of its own.
            few: recipients that are counted on the loop.
        """
        self._connection = connection
        self._clock = clock
        self._read_aside = read_aside
        self._few = few
        self._last: list[RouteDepth] = []
        self._began_at = 0.0
        self._counting: asyncio.Future[list[RouteDepth]] | None = None
        self._count_in_thread()

    def now(self, now: float) -> Sequence[RouteDepth]:
        """What waits; `due` as of `now`, UNIX seconds. Of much, nothing is known in the first moments."""
        if self._are_few():
            return _count(self._connection, now)
        if self._clock.monotonic() - self._began_at >= _OLD and self._counting is None:
            self._count_in_thread()
        return self._last

    def _are_few(self) -> bool:
        [count] = _row(self._connection, _UP_TO, self._few)
        return bool(count < self._few)

    def _count_in_thread(self) -> None:
        now = self._clock.now()
        self._began_at = self._clock.monotonic()
        self._counting = self._read_aside(lambda connection: _count(connection, now))
        self._counting.add_done_callback(self._counted)

    def _counted(self, counting: asyncio.Future[list[RouteDepth]]) -> None:
        self._counting = None
        if not counting.cancelled() and counting.exception() is None:
            self._last = counting.result()


def _count(connection: apsw.Connection, now: float) -> list[RouteDepth]:
    routes = {route for held in (0, 1) for (route,) in connection.execute(_ROUTES.format(held=held))}
    names: set[str] = set()
    for route in routes:
        with contextlib.suppress(UnicodeDecodeError):  # what has no route any more is set aside elsewhere
            names.add(route.decode())
    return [_depth_of(connection, name, now) for name in sorted(names)]


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
