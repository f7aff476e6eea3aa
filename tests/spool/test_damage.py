"""A bad entry harms itself only: it is set aside with an alarm, and the others go on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import apsw
import pytest

from sams.core.errors import OperatorError
from sams.core.outcome import Outcome, Result
from sams.core.reply import Reply
from sams.spool.interface import DamagedEntry, Search, Settled, Settlement
from sams.spool.sqlite import SqliteSpool
from tests.spool.rig import (
    SECOND,
    SETTINGS,
    START,
    Clock,
    Told,
    accepted,
    closed_database,
    flip,
    on_loop,
    opened,
    read,
    settle,
    sqlite_spool,
)

LARGE = b"x" * (SETTINGS.body_in_memory + 1)

SPOILT = [
    "UPDATE message SET declared = 'WHATEVER' WHERE id = ?",
    "UPDATE message SET ret = 'ALL' WHERE id = ?",
    "UPDATE message SET sender_domain = NULL, sender_local = NULL, flags = -1, ret = '' WHERE id = ?",
    "UPDATE recipient SET last = '{not json' WHERE message = ?",
    "UPDATE recipient SET last = '{}' WHERE message = ?",
    "UPDATE recipient SET notify = 4096 WHERE message = ?",
    "DELETE FROM message WHERE id = ?",
]
TEXTS = [
    *(
        ("message", "id", column)
        for column in ("login", "session", "sender_local", "sender_domain", "declared", "ret", "envid")
    ),
    *(
        ("recipient", "message", column)
        for column in ("local", "domain", "domain_key", "original_kind", "original_address", "route", "last")
    ),
]
SPOILT_CONTENT = [
    ("UPDATE content SET head = x'00' WHERE message = ?", "header does not have its checksum"),
    ("UPDATE content SET body = x'00' WHERE message = ?", "body does not have its size"),
    ("DELETE FROM content WHERE message = ?", "its content is not"),
]


def _spoil(data_dir: Path, statement: str, number: int = 1) -> None:
    """Spoil one message of a shard that is closed."""
    connection = apsw.Connection(str(data_dir / "spool/shard-0000/queue.db"))
    rows = connection.execute("SELECT DISTINCT message FROM recipient ORDER BY message").fetchall()
    connection.execute(statement, rows[number])
    connection.close()


async def _aside(spool: SqliteSpool) -> list[str]:
    """The tables of what was set aside that have something in them."""
    await spool.hold(Search(login="nobody at all"))
    await accepted(spool)
    tables = ("damaged", "damaged_message", "damaged_content", "damaged_recipient")
    return [table for table in tables if spool._reader.execute(f"SELECT 1 FROM {table}").fetchall()]  # noqa: S608 - constants


@pytest.mark.parametrize("statement", SPOILT)
@on_loop
async def test_a_row_that_cannot_be_read_is_set_aside(statement: str, tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        ids = [await accepted(spool) for _ in range(3)]
    _spoil(tmp_path, statement)
    told = Told()
    async with sqlite_spool(tmp_path, told=told) as spool:
        works, _ = spool.claim("hub", START, None, 10)
        assert [work.message.id for work in works] == [ids[0], ids[2]]
        assert [message for message, _ in told.damaged] == [ids[1]]
        assert "damaged_recipient" in await _aside(spool)
        with pytest.raises(KeyError):
            spool.load(ids[1])
    told.damaged.clear()
    async with sqlite_spool(tmp_path, told=told) as spool:
        assert len(spool.claim("hub", START, None, 10)[0]) == 3
        assert told.damaged == []


@pytest.mark.parametrize(("statement", "words"), SPOILT_CONTENT)
@on_loop
async def test_content_that_cannot_be_read_is_set_aside(statement: str, words: str, tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        ids = [await accepted(spool) for _ in range(3)]
    _spoil(tmp_path, statement)
    told = Told()
    async with sqlite_spool(tmp_path, told=told) as spool:
        with pytest.raises(DamagedEntry, match=words):
            spool.load(ids[1])
        with pytest.raises(DamagedEntry):
            spool.load(ids[1])
        assert [message for message, _ in told.damaged] == [ids[1]]
        works, _ = spool.claim("hub", START, None, 10)
        assert [work.message.id for work in works] == [ids[0], ids[2]]
        assert "damaged_message" in await _aside(spool)
        assert spool.load(ids[0]).head


@on_loop
async def test_a_missing_or_cut_body_file_is_set_aside_and_kept(tmp_path: Path) -> None:
    told = Told()
    async with sqlite_spool(tmp_path, told=told) as spool:
        gone, cut, whole = [await accepted(spool, body=LARGE) for _ in range(3)]
        (spool.layout.bodies / gone).unlink()
        (spool.layout.bodies / cut).write_bytes(LARGE[:-1])
        for message in (gone, cut):
            with pytest.raises(DamagedEntry):
                spool.load(message)
        assert [message for message, _ in told.damaged] == [gone, cut]
        assert await read(spool.load(whole).body) == LARGE
        assert await _aside(spool) == ["damaged", "damaged_message", "damaged_content", "damaged_recipient"]
    async with sqlite_spool(tmp_path, told=told):
        pass
    assert sorted(path.name for path in spool.layout.bodies.iterdir()) == [cut, whole]


@on_loop
async def test_a_changed_body_file_is_set_aside_when_its_end_was_read(tmp_path: Path) -> None:
    told = Told()
    async with sqlite_spool(tmp_path, told=told) as spool:
        message = await accepted(spool, body=LARGE)
        (spool.layout.bodies / message).write_bytes(b"y" + LARGE[1:])
        body = spool.load(message).body
        with pytest.raises(DamagedEntry, match="checksum"):
            await read(body)
        await asyncio.sleep(0)
        assert [each for each, _ in told.damaged] == [message]
        assert "damaged" in await _aside(spool)


@on_loop
async def test_body_files_that_no_message_names_are_removed_at_the_next_start(tmp_path: Path) -> None:
    clock = Clock()
    async with sqlite_spool(tmp_path, clock) as spool:
        kept, orphan = await accepted(spool, body=LARGE), spool.next_id()
        bodies = spool.layout.bodies
        for name in (orphan, "README"):
            (bodies / name).write_bytes(b"x")
    clock.time += 1
    told = Told()
    async with sqlite_spool(tmp_path, clock, told=told):
        async with asyncio.timeout(30):
            while not told.orphans:  # noqa: ASYNC110 - what it waits for is a thread's work
                await asyncio.sleep(0.001)
    assert told.orphans == [1]
    assert sorted(path.name for path in bodies.iterdir()) == sorted([kept, "README"])


@on_loop
async def test_outcomes_with_octets_that_are_no_text_are_stored_readable(tmp_path: Path) -> None:
    async with opened("sqlite", tmp_path, Clock()) as spool:
        message = await accepted(spool)
        outcome = Outcome(Result.DEFERRED, Reply(451, ("caf\udce9",)), "hub:25", START)
        await settle(spool, Settlement(message, (Settled(0, outcome, START),)))
        [work], _ = spool.claim("hub", START, None, 1)
        assert work.recipients[0].last is not None
        assert work.recipients[0].last.reply.lines == ("caf\\udce9",)


@pytest.mark.parametrize(("table", "key", "column"), TEXTS)
@on_loop
async def test_a_flipped_bit_in_a_text_sets_its_message_aside_and_nobody_else_hears_of_it(
    table: str, key: str, column: str, tmp_path: Path
) -> None:
    async with sqlite_spool(tmp_path) as spool:
        ids = [await accepted(spool, "bob@example.org", "eve@example.org") for _ in range(3)]
    with closed_database(tmp_path) as database:
        flip(database, table, column, f"{key} = {SECOND}")
    told = Told()
    async with sqlite_spool(tmp_path, told=told) as spool:
        assert list(spool.waiting_domains()) == [("example.org", "hub")]
        spool.reroute([("example.org", "hub")])
        works, _ = spool.claim("hub", START, None, 10)
        assert [(work.message.id, len(work.recipients)) for work in works] == [(ids[0], 2), (ids[2], 2)]
        assert [depth.route for depth in spool.depth(START)] == ["hub"]
        entries = await spool.search(Search(), None, 10)
        assert [entry.message.id for entry in entries] == [ids[0], ids[2]]
        assert [message for message, _ in told.damaged] == [ids[1]]
        assert "damaged_recipient" in await _aside(spool)
        [shown] = await spool.damaged(None, 10)
        assert shown.id == ids[1]
        assert "cannot be read" in shown.reason
        with pytest.raises(OperatorError, match="still cannot be read"):
            await spool.put_back(ids[1])
        assert await spool.discard(ids[1]) == 1
        assert told.failed == []


@on_loop
async def test_a_claim_that_met_a_text_which_is_none_still_stops_at_its_limit_and_goes_on(
    tmp_path: Path,
) -> None:
    async with sqlite_spool(tmp_path) as spool:
        ids = [await accepted(spool) for _ in range(5)]
    with closed_database(tmp_path) as database:
        flip(database, "recipient", "local", f"message = {SECOND}")
    async with sqlite_spool(tmp_path) as spool:
        works, cursor = spool.claim("hub", START, None, 2)
        more, end = spool.claim("hub", START, cursor, 10)
        assert [work.message.id for work in (*works, *more)] == [ids[0], *ids[2:]]
        assert end is None


@on_loop
async def test_the_use_of_a_login_that_is_no_text_any_more_counts_for_nobody(tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        await accepted(spool, login="ann")
        await accepted(spool, login="bob")
    with closed_database(tmp_path) as database:
        flip(database, "use_of_login", "login", "login = 'ann'")
    async with sqlite_spool(tmp_path) as spool:
        assert [use.login for use in spool.usage(0)] == ["bob"]
        assert len(spool.claim("hub", START, None, 10)[0]) == 2


@on_loop
async def test_waiting_mail_whose_route_changed_by_a_bit_gets_its_route_again(tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        message = await accepted(spool)
    _spoil(tmp_path, "UPDATE recipient SET route = 'hu\u00e2' WHERE message = ?", 0)
    async with sqlite_spool(tmp_path) as spool:
        spool.reroute([(domain, "hub") for domain, _ in spool.waiting_domains()])
        await _aside(spool)
        assert spool.claim("hub", START, None, 1)[0][0].message.id == message
