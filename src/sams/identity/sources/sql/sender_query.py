"""A map of senders in a database, as a directory: of a login it tells addresses, and nothing else.

So all that is done for directories is done for it: answers are remembered and shared, a question has its time and its
turn, and a database that is down is asked now and then only (`directory_source.DirectorySource`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sams.config.sender_maps import SenderQuery
from sams.core.text import visible
from sams.identity.account_sources import Finding
from sams.identity.logins import Login
from sams.identity.sources.interface import Answer, Member, unanswerable
from sams.identity.sources.member_accounts import MAX_ADDRESSES
from sams.identity.sources.sql.columns import check_columns
from sams.identity.sources.sql.database import Database, open_database, parameters_of
from sams.identity.sources.sql.row import UnanswerableError

COLUMNS = ("address", "kind")
KINDS = ("own", "on-behalf")


class SenderQueryDirectory:
    """The map of a section (`Directory`). A login of which it has no row is a member without addresses.

    Raises:
        OperatorError: the section cannot be used, or a library is missing.
    """

    can_find = True

    def __init__(self, section: SenderQuery, password: str | None = None) -> None:
        self._default = section.counts_as
        self._database: Database = open_database(section, password, most=MAX_ADDRESSES + 1)

    async def verify(self, login: Login, password: str, address: str) -> Answer:
        """It knows no passwords."""
        del login, password, address
        return Answer(Finding.UNKNOWN)

    async def find(self, login: Login) -> Member:
        """The addresses of a login; its name here is where the answer is kept.

        Raises:
            TemporaryFailure: it cannot be told now.
        """
        parameters = parameters_of(login)
        if parameters is None:
            return Member(login.address)
        try:
            names, rows = await self._database.rows(parameters)
        except UnanswerableError as error:
            raise unanswerable(str(error)) from None
        check_columns(names, COLUMNS, "address", "the addresses")
        if len(rows) > MAX_ADDRESSES:
            text = f"the query gives {visible(login.bare, 100)} more than {MAX_ADDRESSES} addresses"
            raise unanswerable(f"{text}: give whole domains (*@example.org)")
        pairs = sorted(_pairs(dict(zip(names, row, strict=True)) for row in rows), key=str)
        return Member(login.address, self._of_kind(pairs, "own"), self._of_kind(pairs, "on-behalf"))

    async def close(self) -> None:
        """Let go of the database."""
        await self._database.close()

    def _of_kind(self, pairs: Sequence[tuple[str, str | None]], kind: str) -> tuple[str, ...]:
        return tuple(address for address, named in pairs if (named or self._default) == kind)


def _pairs(rows: Iterable[Mapping[str, object]]) -> Iterable[tuple[str, str | None]]:
    """Addresses with their kinds, where the rows tell them.

    Raises:
        TemporaryFailure: a row is not of this form; which address was meant is not guessed.
    """
    for row in rows:
        address, kind = row["address"], row.get("kind")
        if address is None:
            continue
        if not isinstance(address, str):
            raise unanswerable(f"the column address holds {type(address).__name__}: it has to be a text")
        if kind is not None and kind not in KINDS:
            raise unanswerable(
                f"the column kind holds {visible(str(kind), 40)}: it has to be {' or '.join(KINDS)}"
            )
        yield f"*{address}" if address.startswith("@") else address, None if kind is None else str(kind)
