from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from sams.config.sender_maps import SenderQuery
from sams.core.errors import OperatorError, TemporaryFailure
from sams.identity.account_sources import Finding
from sams.identity.replies import BUSY
from sams.identity.sources.interface import Member
from sams.identity.sources.member_accounts import MAX_ADDRESSES
from sams.identity.sources.sql.sender_query import SenderQueryDirectory
from tests.identity.sources.sql.rig import login
from tests.support.postgresql_server import MISSING, PostgresqlServer, postgresql, programs

QUERY = "SELECT address, kind FROM shared WHERE login = %(login)s"
TABLE = """
CREATE TABLE shared (login text, address text, kind text);
INSERT INTO shared VALUES
    ('alice', 'office@example.org', NULL), ('alice', 'boss@example.org', 'on-behalf'),
    ('alice', '*@lab.example', 'own'), ('alice', '@Old.example', NULL), ('alice', 'no address', NULL),
    ('alice', NULL, NULL), ('bob', 'office@example.org', 'mine');
"""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / "mail.db"
    connection = apsw.Connection(str(path))
    connection.execute(TABLE)
    many = [("many", f"a{number}@example.org") for number in range(MAX_ADDRESSES)]
    with connection:
        connection.executemany("INSERT INTO shared VALUES (?, ?, NULL)", [*many, ("more", "b@example.org")])
    connection.execute("INSERT INTO shared SELECT 'more', address, kind FROM shared WHERE login = 'many'")
    connection.close()
    return path


def ask(section: SenderQuery, who: str = "alice", password: str | None = None) -> Member:
    async def scene() -> Member:
        directory = SenderQueryDirectory(section, password)
        try:
            assert (await directory.verify(login(who), "x", "192.0.2.1")).finding is Finding.UNKNOWN
            return await directory.find(login(who))
        finally:
            await directory.close()

    return asyncio.run(scene())


def of(database: Path, query: str = QUERY, **settings: object) -> SenderQuery:
    return SenderQuery(database=f"sqlite://{database}", query=query, **settings)  # type: ignore[arg-type]


def test_each_row_is_an_address_that_counts_as_it_says(database: Path) -> None:
    own = ("*@Old.example", "*@lab.example", "no address", "office@example.org")
    assert ask(of(database)) == Member("alice@example.org", own, ("boss@example.org",))
    others = ("*@Old.example", "boss@example.org", "no address", "office@example.org")
    found = ask(of(database, counts_as="on-behalf"))
    assert found == Member("alice@example.org", ("*@lab.example",), others)


def test_the_column_kind_may_be_left_out(database: Path) -> None:
    query = "SELECT address FROM shared WHERE login = %(user)s AND kind = 'on-behalf'"
    assert ask(of(database, query)).addresses == ("boss@example.org",)


@pytest.mark.parametrize("who", ["nobody", "n\u00fcl\0"])
def test_who_has_no_row_has_no_address(database: Path, who: str) -> None:
    found = ask(of(database), who)
    assert (found.addresses, found.may_send_as) == ((), ())


def test_a_login_has_a_thousand_addresses_and_no_more(database: Path) -> None:
    assert len(ask(of(database), "many").addresses) == MAX_ADDRESSES
    with pytest.raises(TemporaryFailure) as failure:
        ask(of(database), "more")
    assert "gives more more than 1000 addresses" in failure.value.detail


@pytest.mark.parametrize(
    ("query", "told", "is_outage"),
    [
        ("SELECT address, login FROM shared WHERE login = %(login)s", "a column login, which means", True),
        ("SELECT kind FROM shared WHERE login = %(login)s", "no column address", True),
        ("SELECT address, address FROM shared WHERE login = %(login)s", "two columns of one name", True),
        ("SELECT a FROM shared WHERE login = %(login)s", "no such column: a", True),
        ("SELECT 7 AS address WHERE %(login)s <> ''", "the column address holds int", False),
        (QUERY.replace("%(login)s", "'bob' AND %(login)s <> ''"), "the column kind holds mine", False),
    ],
)
def test_what_cannot_be_understood_grants_nothing_and_says_what_to_do(
    database: Path, query: str, told: str, is_outage: bool
) -> None:
    with pytest.raises(TemporaryFailure) as failure:
        ask(of(database, query))
    assert told in failure.value.detail
    assert (failure.value.reply != BUSY) is is_outage


def test_a_query_that_cannot_be_asked_is_told_when_it_is_made() -> None:
    with pytest.raises(OperatorError, match="query: it has no parameter"):
        SenderQueryDirectory(of(Path("/x.db"), "SELECT 1 AS address"))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    with postgresql() as running:
        running.execute(
            "CREATE ROLE sams LOGIN PASSWORD 'secret';" + TABLE + "GRANT SELECT ON shared TO sams;"
        )
        yield running


@pytest.mark.real
@pytest.mark.skipif(programs() is None, reason=MISSING)
def test_postgresql_tells_the_same(server: PostgresqlServer) -> None:
    url = (
        f"postgresql://sams@127.0.0.1:{server.port}/postgres?sslmode=verify-full&sslrootcert={server.ca_file}"
    )
    found = ask(SenderQuery(database=url, query=QUERY), password="secret")
    assert found.addresses == ("*@Old.example", "*@lab.example", "no address", "office@example.org")
    assert found.may_send_as == ("boss@example.org",)
