from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
import uvloop

from sams.config.sources import SqlSource
from sams.core.errors import OperatorError, TemporaryFailure
from sams.identity.account_sources import Finding
from sams.identity.sources.interface import Answer, Member
from sams.identity.sources.sql.directory import SqlDirectory
from sams.identity.sources.sql.postgresql import PostgresqlDatabase
from tests.identity.rig import CountingHashes
from tests.identity.sources.sql.rig import CLIENT, HASH, RIGHT, SHA_HASH, directory, login, section
from tests.support.postgresql_server import MISSING, PostgresqlServer, postgresql, programs

pytestmark = [pytest.mark.real, pytest.mark.skipif(programs() is None, reason=MISSING)]

SECRET = "database's secret"
QUERY = (
    "SELECT hash AS password, uid AS login, mail AS addresses, for_whom AS may_send_as, "
    "closed AS suspended, hourly AS recipients_per_hour, daily AS recipients_per_day "
    "FROM people WHERE uid = lower(%(user)s) OR %(address)s = ANY(mail)"
)
TABLES = """
CREATE ROLE sams LOGIN PASSWORD 'SECRET';
CREATE TABLE people (
    number int, uid text, hash text, mail text[], for_whom text, closed text, hourly int, daily numeric,
    blocked boolean DEFAULT false, aliases jsonb DEFAULT '[]');
INSERT INTO people (number, uid, hash, mail, for_whom, hourly, daily) VALUES
    (1, 'alice', 'HASH', '{alice@example.org,al@example.org,NULL}', 'team@example.org, *@lab.example.org', 50, 1000);
INSERT INTO people (uid, hash, blocked, aliases) VALUES ('bob', 'SHA', true, '["b@example.org"]');
INSERT INTO people (uid, hash, closed) VALUES ('carol', 'HASH', 'left in May');
INSERT INTO people (uid, hash) VALUES ('twin', 'HASH'), ('twin', 'HASH'), ('o''brien', NULL);
GRANT SELECT ON people TO sams;
CREATE TABLE secrets (uid text);
CREATE FUNCTION spoil(who text) RETURNS text LANGUAGE sql VOLATILE SECURITY DEFINER
    AS 'DELETE FROM people WHERE uid = who RETURNING hash';
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    with postgresql() as running:
        tables = TABLES.replace("SECRET", SECRET.replace("'", "''"))
        running.execute(tables.replace("HASH", HASH).replace("SHA", SHA_HASH))
        yield running


def url(server: PostgresqlServer, more: str = "") -> str:
    return f"postgresql://sams@127.0.0.1:{server.port}/postgres?sslmode=verify-full&sslrootcert={server.ca_file}{more}"


@pytest.fixture
def source(server: PostgresqlServer) -> SqlSource:
    return section(url(server), QUERY, timeout=5.0)


def verified(
    folder: Path, source: SqlSource, typed: str, password: str = RIGHT, hashes: CountingHashes | None = None
) -> Answer:
    async def main() -> Answer:
        async with directory(folder, source, SECRET, hashes) as found:
            return await found.verify(login(typed), password, CLIENT)

    return uvloop.run(main())


def failure(folder: Path, source: SqlSource, typed: str = "alice", password: str | None = SECRET) -> str:
    async def main() -> str:
        async with directory(folder, source, password) as found:
            with pytest.raises(TemporaryFailure) as failed:
                await found.verify(login(typed), RIGHT, CLIENT)
            return failed.value.detail

    told = uvloop.run(main())
    assert SECRET not in told
    return told


def database(made: SqlDirectory) -> PostgresqlDatabase:
    assert isinstance(made._database, PostgresqlDatabase)
    return made._database


@pytest.mark.parametrize(
    "case",
    [
        ("alice", RIGHT, Finding.RIGHT, ""),
        ("AL@example.org", RIGHT, Finding.RIGHT, ""),
        ("bob", "Hello world!", Finding.RIGHT, ""),
        ("carol", RIGHT, Finding.RIGHT, ""),
        ("alice", "wrong", Finding.WRONG, ""),
        ("o'brien", RIGHT, Finding.WRONG, "empty or locked"),
        ("nobody", RIGHT, Finding.UNKNOWN, ""),
        ("twin", RIGHT, Finding.UNAVAILABLE, "more than one row"),
        ("x'OR'1'='1", RIGHT, Finding.UNKNOWN, ""),
        ("';DROP/**/TABLE/**/people;--", RIGHT, Finding.UNKNOWN, ""),
        ("%(user)s%s$1", RIGHT, Finding.UNKNOWN, ""),
        ("\\'", RIGHT, Finding.UNKNOWN, ""),
        ("ü" * 120, RIGHT, Finding.UNKNOWN, ""),
    ],
)
def test_a_row_tells_who_it_is_and_its_hash_whether_it_is_right(
    server: PostgresqlServer, tmp_path: Path, case: tuple[str, str, Finding, str]
) -> None:
    typed, password, finding, told = case
    answer = verified(tmp_path, section(url(server), QUERY), typed, password)
    assert (answer.finding, told in answer.detail) == (finding, True), answer


ALICE = Member(
    "alice",
    ("alice@example.org", "al@example.org"),
    ("team@example.org", "*@lab.example.org"),
    recipients_per_hour=50,
    recipients_per_day=1000,
)


@pytest.mark.parametrize("runs", [asyncio.run, uvloop.run])
def test_who_it_is_is_found_on_one_connection(source: SqlSource, tmp_path: Path, runs: object) -> None:
    async def main() -> None:
        async with directory(tmp_path, source, SECRET) as found:
            assert await found.find(login("alice")) == ALICE
            first = database(found)._idle[0]
            assert await found.find(login("carol")) == Member("carol", suspended="left in May")
            assert await found.find(login("nobody")) is None
            assert database(found)._idle == [first]
            assert (await (await first.execute("SHOW transaction_read_only")).fetchone()) == ("off",)

    runs(main())  # type: ignore[operator]  # either of the two


def test_truth_values_and_json_are_taken_as_well(server: PostgresqlServer, tmp_path: Path) -> None:
    query = "SELECT hash AS password, aliases AS addresses, blocked AS suspended FROM people WHERE uid = %(login)s"

    async def main() -> None:
        async with directory(tmp_path, section(url(server), query), SECRET) as found:
            assert await found.find(login("bob")) == Member("bob", ("b@example.org",), suspended="")
            assert await found.find(login("alice")) == Member("alice")

    uvloop.run(main())


def test_nobody_costs_a_hash_as_everybody_does(source: SqlSource, tmp_path: Path) -> None:
    hashes = CountingHashes()
    for typed in ("nobody", "alice"):
        verified(tmp_path, source, typed, hashes=hashes)
    assert hashes.compared == [False, True]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELECT uid AS password FROM secrets WHERE uid = %(user)s", "permission denied"),
        ("SELECT hash AS password FROM folk WHERE uid = %(user)s", 'relation "folk" does not exist'),
        ("SELECT hash AS password, number FROM people WHERE uid = %(user)s", "a column number"),
        ("SELECT spoil(%(user)s) AS password", "read-only transaction"),
        ("SELECT 'x' AS password FROM pg_sleep(30) WHERE %(user)s <> ''", "takes too long"),
    ],
)
def test_a_query_that_cannot_be_used_is_an_outage_in_words(
    server: PostgresqlServer, tmp_path: Path, query: str, told: str
) -> None:
    assert told in failure(tmp_path, section(url(server), query, timeout=0.5))
    assert server.execute("SELECT count(*) FROM people WHERE uid = 'alice'") == [(1,)]


def test_a_login_that_a_column_does_not_take_is_no_outage(server: PostgresqlServer, tmp_path: Path) -> None:
    query = "SELECT hash AS password FROM people WHERE number = %(user)s"
    source = section(url(server), query)
    assert verified(tmp_path, source, "1").finding is Finding.RIGHT
    answer = verified(tmp_path, source, "alice")
    assert answer.finding is Finding.UNAVAILABLE
    assert "compare columns as text" in answer.detail


def test_percent_signs_of_the_query_are_its_own(server: PostgresqlServer, tmp_path: Path) -> None:
    query = (
        "SELECT hash AS password FROM people WHERE uid LIKE 'al%%' AND 7 %% 4 = 3 AND uid = %(user)s; -- %"
    )
    assert verified(tmp_path, section(url(server), query), "alice").finding is Finding.RIGHT


def test_a_wrong_password_for_the_database_is_an_outage(source: SqlSource, tmp_path: Path) -> None:
    assert "password authentication failed" in failure(tmp_path, source, password="wrong")
    assert "no password supplied" in failure(tmp_path, source, password=None)


def test_a_certificate_of_another_authority_is_an_outage(server: PostgresqlServer, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    other = url(server).replace(str(server.ca_file), str(tmp_path / "other.pem"))
    assert "certificate verify failed" in failure(tmp_path, section(other, QUERY))


def test_a_certificate_of_another_name_is_an_outage(server: PostgresqlServer, tmp_path: Path) -> None:
    assert "localhost" in failure(tmp_path, section(url(server).replace("127.0.0.1", "localhost"), QUERY))


def test_no_database_is_told_where_the_url_has_none(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="database: "):
        verified(tmp_path, section("postgresql://h/d?nonsense=1", QUERY), "alice")


def test_a_server_that_says_nothing_is_an_outage_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql://sams@127.0.0.1:{silent.getsockname()[1]}/x"
        began = time.monotonic()
        assert "no connection within" in failure(tmp_path, section(address, QUERY, timeout=0.3))
        assert time.monotonic() - began < 10


def test_the_next_server_is_asked_where_one_is_down(server: PostgresqlServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        dead = free.getsockname()[1]
    both = url(server).replace("127.0.0.1:", f"127.0.0.1:{dead},127.0.0.1:")
    assert verified(tmp_path, section(both, QUERY), "alice").finding is Finding.RIGHT


def test_a_connection_that_died_while_idle_is_noticed(
    server: PostgresqlServer, source: SqlSource, tmp_path: Path
) -> None:
    async def main() -> None:
        async with directory(tmp_path, source, SECRET) as found:
            await asyncio.gather(*(found.find(login("alice")) for _ in range(3)))
            assert len(database(found)._idle) == 3
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sams'")
            assert await found.find(login("alice")) == ALICE
            assert len(database(found)._idle) == 1

    uvloop.run(main())


def test_a_question_that_is_cancelled_leaves_no_connection_and_no_query(
    server: PostgresqlServer, tmp_path: Path
) -> None:
    query = "SELECT 'x' AS password FROM pg_sleep(20) WHERE %(user)s <> ''"
    running = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'sams' AND state = 'active'"

    async def main() -> None:
        async with directory(tmp_path, section(url(server), query, timeout=30.0), SECRET) as found:
            asked = asyncio.create_task(found.find(login("alice")))
            await eventually(running, 1)
            began = time.monotonic()
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            assert time.monotonic() - began < 1
            await eventually(running, 0)
            assert database(found)._idle == []

    async def eventually(statement: str, number: int) -> None:
        for _ in range(200):
            if server.execute(statement) == [(number,)]:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(statement)

    uvloop.run(main())


def test_a_server_that_is_killed_is_down_until_it_is_back(
    server: PostgresqlServer, source: SqlSource, tmp_path: Path
) -> None:
    async def main() -> None:
        async with directory(tmp_path, source, SECRET) as found:
            assert await found.find(login("alice")) == ALICE
            server.stop()
            for _ in range(2):
                with pytest.raises(TemporaryFailure) as failed:
                    await found.verify(login("alice"), RIGHT, CLIENT)
                assert "PostgreSQL at 127.0.0.1" in failed.value.detail
            server.start()
            assert (await found.verify(login("alice"), RIGHT, CLIENT)).finding is Finding.RIGHT

    uvloop.run(main())


def test_the_servers_log_has_no_password_of_a_member(server: PostgresqlServer) -> None:
    assert RIGHT not in server.log()
    assert SECRET not in server.log()
