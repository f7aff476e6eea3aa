"""A database of somebody else's that a query is asked on: what it is, how it is opened, what is bound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sams.config.sender_maps import SenderQuery
from sams.config.source_addresses import dialect_of
from sams.config.sources import SqlSource
from sams.config.sql_query import PARAMETERS, Part, QueryError, read_query
from sams.core.errors import OperatorError
from sams.identity.logins import Login
from sams.identity.sources.sql.postgresql import PostgresqlDatabase
from sams.identity.sources.sql.sqlite import SqliteDatabase


class Database(Protocol):
    """Where the query is asked."""

    async def rows(self, parameters: Mapping[str, str]) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        """The names of the columns, and at most as many rows as it was opened for.

        Raises:
            TemporaryFailure: it cannot be asked.
            UnanswerableError: it cannot be asked about these parameters.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and threads."""
        ...


def open_database(section: SqlSource | SenderQuery, password: str | None, *, most: int) -> Database:
    """The database of a section, for answers of at most so many rows.

    Raises:
        OperatorError: the section cannot be used, or a library is missing.
    """
    dialect = dialect_of(section.database)
    if dialect is None:
        raise OperatorError(f"{section.id}: only PostgreSQL and SQLite can be asked")
    try:
        parts: tuple[Part, ...] = read_query(section.query, dialect)
    except QueryError as error:
        raise OperatorError(f"{section.id}: query: {error}") from None
    url, timeout, connections = section.database, section.timeout, section.connections
    if dialect == "sqlite":
        return SqliteDatabase(url, parts, timeout=timeout, connections=connections, most=most)
    return PostgresqlDatabase(url, password, parts, timeout=timeout, connections=connections, most=most)


def parameters_of(login: Login) -> dict[str, str] | None:
    """What is bound; None: it has what no text of a database has."""
    values = dict(zip(PARAMETERS, (login.user, login.domain, login.address, login.bare), strict=True))
    try:
        "".join(values.values()).encode()
    except UnicodeEncodeError:
        return None
    return None if any("\0" in value for value in values.values()) else values
