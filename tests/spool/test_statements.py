"""A batch as few statements: rows of any number, and what leaves whole or in parts."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from sams.spool.connections import open_reader
from sams.spool.interface import Settled, Settlement
from sams.spool.settings import KIB
from sams.spool.sqlite import SqliteSpool
from sams.spool.statements import Insert, array_of
from tests.spool.rig import DEFERRED, SETTINGS, START, gone, new_message, on_loop, settle, sqlite_spool

TABLES = ("message", "content", "recipient")


def rows_of(spool: SqliteSpool) -> list[object]:
    """How many rows each table of messages has."""
    connection = open_reader(spool.layout.database)
    counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0] for table in TABLES]  # noqa: S608 - constants
    connection.close()
    return counts


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 15, 16, 17, 37, 64])
def test_an_insert_takes_any_number_of_rows(count: int) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE pair(one, two)")
    pairs = [(number, str(number)) for number in range(count)]
    Insert("pair", "one, two").run(connection, [value for pair in pairs for value in pair])
    assert connection.execute("SELECT one, two FROM pair ORDER BY rowid").fetchall() == pairs


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("size", [100, 4 * KIB, SETTINGS.body_in_memory + 1])
@on_loop
async def test_a_message_leaves_nothing_behind(tmp_path: Path, size: int, is_known: bool) -> None:
    async with sqlite_spool(tmp_path) as spool:
        stays = await new_message(spool)
        await spool.accept(stays)
        messages = [await new_message(spool, "a@x.org", "b@y.org>two", body=b"x" * size) for _ in range(3)]
        for message in messages:
            await spool.accept(message)
        if not is_known:
            spool._lately.clear()
        for message in messages:
            await settle(spool, Settlement(message.id, gone(0, 1)))
        assert rows_of(spool) == [1, 1, 1]
    assert list(spool.layout.bodies.iterdir()) == []


@pytest.mark.parametrize(
    "parts",
    [
        [gone(0), gone(1)],
        [gone(1), gone(0, 1)],
        [(*gone(0), Settled(1, DEFERRED, START + 60)), gone(1)],
        [gone(0, 7), gone(1)],
    ],
)
@on_loop
async def test_a_message_stays_until_its_last_recipient_leaves(
    tmp_path: Path, parts: list[tuple[Settled, ...]]
) -> None:
    async with sqlite_spool(tmp_path) as spool:
        message = await new_message(spool, "a@x.org", "b@y.org>two")
        await spool.accept(message)
        await settle(spool, Settlement(message.id, parts[0]))
        assert rows_of(spool) == [1, 1, 1]
        await settle(spool, Settlement(message.id, parts[1]))
        assert rows_of(spool) == [0, 0, 0]


@on_loop
async def test_what_was_accepted_lately_is_remembered_within_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sams.spool.sqlite._LATELY", 3)
    async with sqlite_spool(tmp_path) as spool:
        messages = [await new_message(spool) for _ in range(8)]
        for message in messages:
            await spool.accept(message)
            assert len(spool._lately) <= 3
        for message in messages:
            await settle(spool, Settlement(message.id, gone(0)))
        assert rows_of(spool) == [0, 0, 0]
        assert spool._lately == {}


def test_an_array_of_no_rows_names_none() -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE message(id INTEGER PRIMARY KEY)")
    connection.execute("INSERT INTO message VALUES (1), (2)")
    found = "SELECT count(*) FROM message WHERE id IN carray(?)"
    assert connection.execute(found, (array_of([]),)).fetchall() == [(0,)]
    assert connection.execute(found, (array_of([2, 3]),)).fetchall() == [(1,)]
