from __future__ import annotations

import asyncio
import time
from pathlib import Path

import apsw
import pytest

from sams.config.sources import SqlSource
from sams.core.errors import OperatorError, TemporaryFailure
from sams.identity.account_sources import Finding
from sams.identity.logins import Login
from sams.identity.sources.interface import Answer, Member
from sams.identity.sources.sql.directory import SqlDirectory
from tests.identity.rig import CountingHashes
from tests.identity.sources.sql.rig import CLIENT, HASH, RIGHT, SHA_HASH, directory, hash_pool, login, section

QUERY = (
    "SELECT hash AS password, uid AS login, mail AS addresses, blocked AS suspended, "
    "hourly AS recipients_per_hour FROM people WHERE uid = %(user)s OR mail = %(address)s"
)
PEOPLE = [
    ("alice", HASH, '["alice@example.org", "al@example.org"]', None, 50),
    ("bob", SHA_HASH, " bob@example.org , b@example.org,", None, None),
    ("carol", HASH, None, "left in May", None),
    ("dave", "!" + HASH, "dave@example.org", None, None),
    ("erin", "$5$damaged", "erin@example.org", None, None),
    ("frank", HASH, "[broken", None, None),
    ("grace", HASH, "grace@example.org", 0, None),
    ("heidi", HASH, "heidi@example.org", 1, None),
    ("ivan", HASH, "ivan@example.org", None, -1),
    ("judy", None, "judy@example.org", None, None),
    ("twin", HASH, "twin@example.org", None, None),
    ("other", HASH, "twin@example.org", None, None),
]


def make(path: Path, people: list[tuple[object, ...]] | None = None) -> None:
    database = apsw.Connection(str(path))
    database.execute("CREATE TABLE people (uid TEXT, hash TEXT, mail TEXT, blocked, hourly)")
    database.cursor().executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?)", people or PEOPLE)
    database.close()


@pytest.fixture
def source(tmp_path: Path) -> SqlSource:
    make(tmp_path / "members.db")
    return section(f"sqlite://{tmp_path}/members.db", QUERY, timeout=1.0)


def folder_of(source: SqlSource) -> Path:
    return Path(source.database.removeprefix("sqlite://")).parent


def verified(
    folder: Path, source: SqlSource, typed: str, password: str = RIGHT, hashes: CountingHashes | None = None
) -> Answer:
    async def main() -> Answer:
        async with directory(folder, source, hashes=hashes) as found:
            return await found.verify(login(typed), password, CLIENT)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("typed", "password", "finding", "told"),
    [
        ("alice", RIGHT, Finding.RIGHT, ""),
        ("Alice@Example.ORG", RIGHT, Finding.RIGHT, ""),
        ("alice/phone", RIGHT, Finding.RIGHT, ""),
        ("bob", "Hello world!", Finding.RIGHT, ""),
        ("carol", RIGHT, Finding.RIGHT, ""),
        ("alice", "wrong", Finding.WRONG, ""),
        ("dave", RIGHT, Finding.WRONG, "empty or locked"),
        ("judy", RIGHT, Finding.WRONG, "empty or locked"),
        ("nobody", RIGHT, Finding.UNKNOWN, ""),
        ("erin", RIGHT, Finding.UNAVAILABLE, "in the column password"),
        ("frank", RIGHT, Finding.UNAVAILABLE, "column addresses"),
        ("ivan", RIGHT, Finding.UNAVAILABLE, "column recipients_per_hour"),
        ("twin", RIGHT, Finding.UNAVAILABLE, "more than one row"),
        ("x'OR'1'='1", RIGHT, Finding.UNKNOWN, ""),
        ("%", RIGHT, Finding.UNKNOWN, ""),
        ("%(user)s", RIGHT, Finding.UNKNOWN, ""),
        ("ä" * 100, RIGHT, Finding.UNKNOWN, ""),
    ],
)
def test_a_row_tells_who_it_is_and_its_hash_whether_it_is_right(
    source: SqlSource, typed: str, password: str, finding: Finding, told: str
) -> None:
    tmp_path = folder_of(source)
    answer = verified(tmp_path, source, typed, password)
    assert answer.finding is finding
    assert told in answer.detail
    assert (answer.member is not None) == (finding is Finding.RIGHT)
    assert HASH not in repr(answer)


@pytest.mark.parametrize(
    ("typed", "member"),
    [
        ("alice", Member("alice", ("alice@example.org", "al@example.org"), recipients_per_hour=50)),
        ("bob", Member("bob", ("bob@example.org", "b@example.org"))),
        ("carol", Member("carol", suspended="left in May")),
        ("grace", Member("grace", ("grace@example.org",))),
        ("heidi", Member("heidi", ("heidi@example.org",), suspended="")),
        ("nobody", None),
    ],
)
def test_who_it_is_is_found_without_a_password(
    source: SqlSource, tmp_path: Path, typed: str, member: Member | None
) -> None:
    async def main() -> Member | None:
        async with directory(tmp_path, source) as found:
            assert found.can_find
            return await found.find(login(typed))

    assert asyncio.run(main()) == member


def test_nobody_costs_a_hash_as_everybody_does(source: SqlSource, tmp_path: Path) -> None:
    hashes = CountingHashes()
    for typed in ("nobody", "dave", "alice"):
        verified(tmp_path, source, typed, hashes=hashes)
    assert hashes.compared == [False, False, True]


@pytest.mark.parametrize("typed", [Login("a\0b", "a\0b", "x"), Login("\ud800", "\ud800", "x")])
def test_what_no_text_can_hold_is_nobody(source: SqlSource, tmp_path: Path, typed: Login) -> None:
    async def main() -> Finding:
        async with directory(tmp_path, source) as found:
            return (await found.verify(typed, RIGHT, CLIENT)).finding

    assert asyncio.run(main()) is Finding.UNKNOWN


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (
            "SELECT uid, hash AS password FROM people WHERE uid = %(user)s",
            "a column uid, which means nothing",
        ),
        ("SELECT uid AS login FROM people WHERE uid = %(user)s", "no column password"),
        (
            "SELECT hash AS password, uid AS password FROM people WHERE uid = %(user)s",
            "two columns of one name",
        ),
        ("SELECT hash AS password FROM folk WHERE uid = %(user)s", "no such table"),
        (
            "DELETE FROM people WHERE uid = %(user)s RETURNING hash AS password",
            "is only read: the query would change it",
        ),
    ],
)
def test_a_query_that_cannot_be_used_is_an_outage_in_words(tmp_path: Path, query: str, told: str) -> None:
    make(tmp_path / "members.db")
    source = section(f"sqlite://{tmp_path}/members.db", query)
    for typed in ("alice", "nobody"):
        with pytest.raises(TemporaryFailure) as failed:
            verified(tmp_path, source, typed)
        assert told in failed.value.detail


def test_a_query_that_binds_nothing_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no parameter"), hash_pool(tmp_path) as pool:
        SqlDirectory(section("sqlite:///x", "SELECT 1"), hashes=CountingHashes(), pool=pool)


def test_a_file_that_goes_and_comes_back_is_found_again(source: SqlSource, tmp_path: Path) -> None:
    path = tmp_path / "members.db"

    async def main() -> None:
        async with directory(tmp_path, source) as found:
            assert (await found.verify(login("alice"), RIGHT, CLIENT)).finding is Finding.RIGHT
            path.rename(tmp_path / "old.db")
            with pytest.raises(TemporaryFailure, match="cannot be read"):
                await found.verify(login("alice"), RIGHT, CLIENT)
            make(path, [("newcomer", HASH, None, None, None)])
            assert (await found.verify(login("newcomer"), RIGHT, CLIENT)).finding is Finding.RIGHT
            assert (await found.verify(login("alice"), RIGHT, CLIENT)).finding is Finding.UNKNOWN

    asyncio.run(main())


def test_a_change_by_its_owner_is_seen_at_once(source: SqlSource, tmp_path: Path) -> None:
    async def main() -> None:
        async with directory(tmp_path, source) as found:
            assert await found.find(login("alice")) is not None
            owner = apsw.Connection(str(tmp_path / "members.db"))
            owner.execute("DELETE FROM people WHERE uid = 'alice'")
            owner.close()
            assert await found.find(login("alice")) is None

    asyncio.run(main())


def test_a_file_that_stays_locked_is_an_outage_after_a_while(source: SqlSource, tmp_path: Path) -> None:
    async def main() -> None:
        owner = apsw.Connection(str(tmp_path / "members.db"))
        owner.execute("BEGIN EXCLUSIVE")
        async with directory(tmp_path, section(source.database, QUERY, timeout=0.1)) as found:
            with pytest.raises(TemporaryFailure, match="is it locked"):
                await found.find(login("alice"))
            owner.execute("ROLLBACK")
            assert await found.find(login("alice")) is not None
        owner.close()

    asyncio.run(main())


ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT max(i) AS password FROM n WHERE %(user)s <> ''"
)


def test_a_query_that_takes_too_long_is_an_outage(source: SqlSource, tmp_path: Path) -> None:
    with pytest.raises(TemporaryFailure, match="no answer within"):
        verified(tmp_path, section(source.database, ENDLESS, timeout=0.1), "alice")


def test_a_question_that_is_cancelled_ends_its_query(source: SqlSource, tmp_path: Path) -> None:
    async def main() -> float:
        async with directory(
            tmp_path, section(source.database, ENDLESS, timeout=60.0, connections=1)
        ) as found:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await found.find(login("alice"))
            return time.monotonic()

    began = time.monotonic()
    asyncio.run(main())  # closing waits for the thread
    assert time.monotonic() - began < 20


def test_many_rows_are_not_read(source: SqlSource, tmp_path: Path) -> None:
    query = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT 'x' AS password FROM n WHERE %(user)s <> ''"
    )
    answer = verified(tmp_path, section(source.database, query), "alice")
    assert answer.finding is Finding.UNAVAILABLE


def test_many_questions_at_once_are_all_answered(source: SqlSource, tmp_path: Path) -> None:
    async def main() -> list[Member | None]:
        async with directory(tmp_path, source) as found:
            return await asyncio.gather(*(found.find(login(one)) for one in ["alice", "nobody"] * 20))

    assert [member.login if member else None for member in asyncio.run(main())] == ["alice", None] * 20
