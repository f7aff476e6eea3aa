"""An SQLite file of somebody else's, which is only read: on threads, with a bound on how long.

The file may be replaced by another one of its name at any time; so each question looks whether it is still the same.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path

import apsw

from sams.config.source_addresses import sqlite_path
from sams.config.sql_query import Parameter, Part
from sams.core.errors import TemporaryFailure
from sams.core.text import visible
from sams.identity.sources.interface import down

_MOST_THREADS = 4
_STEPS = 10_000
"""Of SQLite's machine between two looks at the clock: about a millisecond."""
_LONGEST = 1_000_000
"""Octets of a value."""
Rows = tuple[Sequence[str], Sequence[Sequence[object]]]


class SqliteDatabase:
    """Asks one query (`database.Database`).

    timeout: seconds that a question may take, waiting for a lock included. most: rows that it gives.
    """

    def __init__(
        self, url: str, parts: Sequence[Part], *, timeout: float, connections: int, most: int = 2
    ) -> None:
        self._path = sqlite_path(url)
        self._query = "".join(f":{part.name}" if isinstance(part, Parameter) else part for part in parts)
        self._timeout = timeout
        self._most = most
        self._threads = ThreadPoolExecutor(min(connections, _MOST_THREADS), "sqlite")
        self._idle: list[_Connection] = []

    async def rows(self, parameters: Mapping[str, str]) -> Rows:
        """At most so many rows.

        Raises:
            TemporaryFailure: the file cannot be read, is locked for too long, or the query fails.
        """
        loop, is_over = asyncio.get_running_loop(), threading.Event()
        try:
            return await loop.run_in_executor(self._threads, self._ask, dict(parameters), is_over)
        except asyncio.CancelledError:
            is_over.set()
            raise

    async def close(self) -> None:
        """End the threads; what one of them still does is bounded."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._end)

    def _end(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        while self._idle:
            self._idle.pop().close()

    def _ask(self, parameters: dict[str, str], is_over: threading.Event) -> Rows:
        connection = None
        try:
            connection = self._connection()
            until = time.monotonic() + self._timeout
            found = connection.rows(self._query, parameters, self._most, until, is_over)
        except (apsw.Error, OSError) as error:
            if connection is not None:
                connection.close()
            raise self._failed(error) from None
        self._idle.append(connection)
        return found

    def _connection(self) -> _Connection:
        """One that was idle, of the file that is there now; or a new one."""
        file = _file(self._path)
        with suppress(IndexError):  # of another thread's making
            while True:
                idle = self._idle.pop()
                if idle.file == file:
                    return idle
                idle.close()
        return _Connection(self._path, file, self._timeout)

    def _failed(self, error: apsw.Error | OSError) -> TemporaryFailure:
        if isinstance(error, OSError):
            return down(f"{self._path}: cannot be read: {error.strerror}")
        if isinstance(error, apsw.InterruptError | apsw.BusyError):
            return down(
                f"{self._path}: no answer within {self._timeout:g} s: is it locked, or has it no index?"
            )
        if isinstance(error, apsw.ReadOnlyError):
            advice = "the query would change it, or it is in WAL mode and its folder cannot be written"
            return down(f"{self._path}: is only read: {advice}")
        if isinstance(error, apsw.CantOpenError):
            return down(f"{self._path}: cannot be opened: the service's user must be able to read it")
        return down(f"{self._path}: {type(error).__name__}: {visible(str(error), 300)}")


class _Connection:
    """One connection, used by one thread at a time."""

    def __init__(self, path: str, file: tuple[int, int], timeout: float) -> None:
        self.file = file
        self._database = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
        self._database.set_busy_timeout(int(timeout * 1000))
        self._database.limit(apsw.SQLITE_LIMIT_LENGTH, _LONGEST)
        self._database.pragma("query_only", 1)
        self._database.pragma("trusted_schema", 0)

    def rows(
        self, query: str, parameters: dict[str, str], most: int, until: float, is_over: threading.Event
    ) -> Rows:
        """At most so many.

        Raises:
            apsw.Error: it cannot be asked, or took too long.
        """
        self._database.set_progress_handler(lambda: is_over.is_set() or time.monotonic() > until, _STEPS)
        names: list[str] = []

        def describe(cursor: apsw.Cursor, _statement: str, _values: object) -> bool:
            names.extend(column[0] for column in cursor.get_description())
            return True

        cursor = self._database.cursor()
        cursor.exec_trace = describe  # it runs before there is a row, or none
        try:
            cursor.execute(query, parameters)
            return names, list(islice(cursor, most))
        finally:
            cursor.close(force=True)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close(force=True)


def _file(path: str) -> tuple[int, int]:
    """Which file has this name now.

    Raises:
        OSError: none has.
    """
    found = Path(path).stat()
    return found.st_dev, found.st_ino
