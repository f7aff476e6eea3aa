"""A table of the organisation's own, asked by a query: it tells the hash of a password, which is compared here.

The comparison takes its turn among all others (`identity.passwords.HashPool`), and a login that has no row costs as
much as one that has. Which database it is, is the business of `postgresql.py` and `sqlite.py`; what the columns
mean, of `row.py`.
"""

from __future__ import annotations

from sams.config.sources import SqlSource
from sams.identity.account_sources import Finding
from sams.identity.logins import Login
from sams.identity.passwords.hashes import Hashes
from sams.identity.passwords.pool import HashPool
from sams.identity.sources.interface import Answer, Member, down
from sams.identity.sources.sql.database import open_database, parameters_of
from sams.identity.sources.sql.row import SqlMember, UnanswerableError, read_rows


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
        self._database = open_database(section, password, most=2)

    async def verify(self, login: Login, password: str, address: str) -> Answer:
        """Find the row, then compare. Where there is no row, or no password in it, with nobody's."""
        try:
            found = await self._row(login)
        except UnanswerableError as error:
            return Answer(Finding.UNAVAILABLE, detail=str(error))
        stored = found.password if found else None
        try:
            compared = await self._pool.compare(self._hashes, stored, password, address)
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
        parameters = parameters_of(login)
        if parameters is None:
            return None
        names, rows = await self._database.rows(parameters)
        return read_rows(names, rows, login)
