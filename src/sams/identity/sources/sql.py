"""A table of the organisation's own, asked by a query: it tells the hash of a password, which is compared here.

The comparison takes its turn among all others (`identity.passwords.HashPool`), and a login that has no row costs as
much as one that has. Which database it is, is the business of `postgresql.py` and `sqlite.py`; what the columns
mean, of `sql_row.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

from sams.config.source_addresses import dialect_of
from sams.config.sources import SqlSource
from sams.config.sql_query import PARAMETERS, Part, QueryError, read_query
from sams.core.errors import OperatorError
from sams.identity.interface import Finding
from sams.identity.logins import Login
from sams.identity.passwords import Hashes, HashPool
from sams.identity.sources.interface import Answer, Member, down
from sams.identity.sources.postgresql import PostgresqlDatabase
from sams.identity.sources.sql_row import SqlMember, UnanswerableError, read_rows
from sams.identity.sources.sqlite import SqliteDatabase


class Database(Protocol):
    """Where the query is asked."""

    async def rows(self, parameters: Mapping[str, str]) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        """The names of the columns, and at most two rows.

        Raises:
            TemporaryFailure: it cannot be asked.
            UnanswerableError: it cannot be asked about these parameters.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and threads."""
        ...


class SqlDirectory:
    """The source `sql` (`Directory`).

    password: for the database; None: it wants none.
    hashes, pool: for the comparison, as for built-in accounts.

    Raises:
        OperatorError: the section cannot be used, or a library is missing.
    """

    can_find = True

    def __init__(
        self, section: SqlSource, password: str | None = None, *, hashes: Hashes, pool: HashPool
    ) -> None:
        self._hashes = hashes
        self._pool = pool
        self._database = _database(section, password)

    async def verify(self, login: Login, password: str, address: str) -> Answer:
        """Find the row, then compare. Where there is no row, or no password in it, with nobody's."""
        try:
            found = await self._row(login)
        except UnanswerableError as error:
            return Answer(Finding.UNAVAILABLE, detail=str(error))
        stored = found.password if found else None
        try:
            compared = await self._pool.run(partial(self._hashes.compare, stored, password), address)
        except ValueError as damaged:
            return Answer(Finding.UNAVAILABLE, detail=f"in the column password: {damaged}")
        if found is None:
            return Answer(Finding.UNKNOWN)
        if compared.is_right:
            return Answer(Finding.RIGHT, found.member)
        return Answer(Finding.WRONG, detail="" if stored else "the column password is empty or locked")

    async def find(self, login: Login) -> Member | None:
        """Who it is, by the same query."""
        try:
            found = await self._row(login)
        except UnanswerableError as error:
            raise down(str(error)) from None
        return found.member if found else None

    async def close(self) -> None:
        """Let go of the database."""
        await self._database.close()

    async def _row(self, login: Login) -> SqlMember | None:
        parameters = _parameters(login)
        if parameters is None:
            return None
        names, rows = await self._database.rows(parameters)
        return read_rows(names, rows, login)


def _database(section: SqlSource, password: str | None) -> Database:
    dialect = dialect_of(section.database)
    if dialect is None:
        raise OperatorError(f"{section.id}: only PostgreSQL and SQLite can be asked")
    try:
        parts: tuple[Part, ...] = read_query(section.query, dialect)
    except QueryError as error:
        raise OperatorError(f"{section.id}: query: {error}") from None
    if dialect == "sqlite":
        return SqliteDatabase(
            section.database, parts, timeout=section.timeout, connections=section.connections
        )
    return PostgresqlDatabase(
        section.database, password, parts, timeout=section.timeout, connections=section.connections
    )


def _parameters(login: Login) -> dict[str, str] | None:
    """What is bound; None: it has what no text of a database has."""
    values = dict(zip(PARAMETERS, (login.user, login.domain, login.address, login.bare), strict=True))
    try:
        "".join(values.values()).encode()
    except UnicodeEncodeError:
        return None
    return None if any("\0" in value for value in values.values()) else values
