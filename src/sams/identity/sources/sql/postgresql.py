"""A PostgreSQL database of somebody else's, asked within read-only transactions over a few connections.

The library is the extra `postgresql` (psycopg 3). A question runs in a task of its own: who asked may go, and
psycopg still ends the query at the server before the connection is let go of. A connection is used again only
when its question came to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sams.config.sql_query import Parameter, Part
from sams.core.errors import OperatorError, TemporaryFailure
from sams.core.text import visible
from sams.identity.sources.interface import down
from sams.identity.sources.sql.row import UnanswerableError

if TYPE_CHECKING:  # an extra
    import psycopg

_MISSING = (
    "PostgreSQL is asked by a library that is not installed: pip install 'sams[postgresql]' "
    "(no Debian headers are needed)"
)
_OWN_PARAMETERS = {"application_name": "sams", "gssencmode": "disable", "client_encoding": "utf8"}
"""Unless the URL has them. Encryption by GSSAPI is asked about at each connection, by a library that blocks."""
Rows = tuple[Sequence[str], Sequence[Sequence[object]]]


class PostgresqlDatabase:
    """Asks one query (`database.Database`).

    password: None: the database wants none.
    timeout: seconds for each of connecting and asking; the server ends a query after as long itself.
    most: rows that it gives.

    Raises:
        OperatorError: psycopg is missing, or the URL is none.
    """

    def __init__(
        self,
        url: str,
        password: str | None,
        parts: Sequence[Part],
        *,
        timeout: float,
        connections: int,
        most: int = 2,
    ) -> None:
        try:
            import psycopg  # noqa: PLC0415 - an extra, and 80 ms
        except ImportError:
            raise OperatorError(_MISSING) from None
        self._psycopg = psycopg
        self._settings = _settings(psycopg, url, timeout)
        self._password = password
        self._begin = f"BEGIN READ ONLY; SET LOCAL statement_timeout = {max(1, int(timeout * 1000))}"
        self._query = _bounded(parts, most)
        self._timeout = timeout
        self._most_idle = connections
        self._idle: list[psycopg.AsyncConnection[tuple[Any, ...]]] = []
        self._tasks: set[asyncio.Task[Rows]] = set()
        self._is_closed = False

    async def rows(self, parameters: Mapping[str, str]) -> Rows:
        """At most so many rows.

        Raises:
            TemporaryFailure: the server cannot be reached, takes too long, or does not take the query.
            UnanswerableError: it does not take these parameters.
        """
        task = asyncio.get_running_loop().create_task(self._ask(dict(parameters)))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        try:
            await asyncio.wait({task}, timeout=2 * self._timeout)
        finally:
            if not task.done():
                task.cancel()
        if not task.done() or task.cancelled():
            raise down(f"{self._where}: no answer within {2 * self._timeout:g} s")
        return task.result()

    async def close(self) -> None:
        """Let go of all connections."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._idle:
            await self._idle.pop().close()

    def _ended(self, task: asyncio.Task[Rows]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # who asked may have gone: then nobody else looks at it

    async def _ask(self, parameters: dict[str, str]) -> Rows:
        try:
            while self._idle:
                found = await self._ask_idle(self._idle.pop(), parameters)
                if found is not None:
                    return found
            return await self._ask_on(await self._connect(), parameters)
        except self._psycopg.Error as error:
            raise self._failed(error) from None

    async def _ask_idle(
        self, connection: psycopg.AsyncConnection[tuple[Any, ...]], parameters: dict[str, str]
    ) -> Rows | None:
        """None: the connection had died while nobody used it, and another is to be asked."""
        try:
            return await self._ask_on(connection, parameters)
        except self._psycopg.OperationalError:
            if connection.broken:
                return None
            raise

    async def _ask_on(
        self, connection: psycopg.AsyncConnection[tuple[Any, ...]], parameters: dict[str, str]
    ) -> Rows:
        """Ask, and keep the connection if all of it went well."""
        is_usable = False
        try:
            await connection.execute(self._begin)
            cursor = await connection.execute(self._query, parameters, prepare=False)
            found = [column.name for column in cursor.description or ()], await cursor.fetchall()
            await connection.execute("ROLLBACK")
            is_usable = not self._is_closed and len(self._idle) < self._most_idle
        finally:
            if is_usable:
                self._idle.append(connection)
            else:
                await connection.close()
        return found

    async def _connect(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        settings = {**self._settings, "autocommit": True, "prepare_threshold": None}
        if self._password is not None:
            settings["password"] = self._password
        try:
            async with asyncio.timeout(self._timeout):
                return await self._psycopg.AsyncConnection.connect(**settings)
        except TimeoutError:
            raise down(
                f"{self._where}: no connection within {self._timeout:g} s: is it the right host and port?"
            ) from None

    @property
    def _where(self) -> str:
        host = self._settings.get("host") or self._settings.get("hostaddr") or "this machine"
        return f"PostgreSQL at {visible(str(host), 200)}"

    def _failed(self, error: psycopg.Error) -> TemporaryFailure | UnanswerableError:
        errors = self._psycopg.errors
        text = visible(error.diag.message_primary or str(error), 300)
        if isinstance(error, errors.QueryCanceled):
            return down(f"{self._where}: the query takes too long: has it no index? ({text})")
        if isinstance(error, self._psycopg.DataError):
            return UnanswerableError(
                f"the query does not take this login: compare columns as text, such as uid::text ({text})"
            )
        if isinstance(error, self._psycopg.ProgrammingError):
            return down(f"{self._where}: the query fails, or may not read what it names: {text}")
        return down(f"{self._where}: {text}")


def _settings(library: Any, url: str, timeout: float) -> dict[str, Any]:
    try:
        named = library.conninfo.conninfo_to_dict(url)
    except library.Error as error:
        raise OperatorError(f"database: {visible(str(error), 300)}") from None
    own = {**_OWN_PARAMETERS, "tcp_user_timeout": str(max(1, int(timeout * 1000)))}
    return {**own, **named}


def _bounded(parts: Sequence[Part], most: int) -> str:
    """The query as psycopg takes it, with at most so many rows: no more is of use."""
    texts = (f"%({part.name})s" if isinstance(part, Parameter) else part.replace("%", "%%") for part in parts)
    query = "".join(texts)
    return f"SELECT * FROM (\n{query}\n) AS found LIMIT {most}"  # noqa: S608 - the administrator's own query
