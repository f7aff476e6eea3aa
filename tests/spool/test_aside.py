"""R8: what was set aside can be seen, put back and removed; and files that are none stop no start."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import apsw
import pytest

from sams.app.storage import Storage
from sams.core.clock import SystemClock
from sams.core.errors import OperatorError
from sams.core.ids import shard_of
from sams.spool import damage, failed_shard, take_overs
from sams.spool.backups import restore
from sams.spool.failed_shard import FailedShard, Page, take
from sams.spool.failures import StorageFailed
from sams.spool.interface import DamagedEntry, Search, Settlement
from sams.spool.keys import id_of, row_of
from sams.spool.layout import Layout, discover
from sams.spool.opening import open_files
from sams.spool.salvage import salvage
from sams.spool.schema import prepare
from sams.spool.shelf import open_shelf
from sams.spool.statements import Files
from tests.spool.rig import (
    HEAD,
    SETTINGS,
    START,
    Clock,
    Told,
    accepted,
    gone,
    on_loop,
    read,
    settle,
    sqlite_spool,
)

LARGE = b"x" * (SETTINGS.body_in_memory + 1)


@on_loop
async def test_a_message_set_aside_is_shown_and_put_back_when_its_file_is_there_again(tmp_path: Path) -> None:
    told = Told()
    async with sqlite_spool(tmp_path, told=told) as spool:
        lost, other = await accepted(spool, "bob@example.org", body=LARGE), await accepted(spool)
        file = spool.layout.bodies / lost
        file.rename(tmp_path / "kept")
        with pytest.raises(DamagedEntry):
            spool.load(lost)
        await spool._add_change(lambda _: (0, []))
        assert await spool.put_back("0" * 15) == 0
        [shown] = await spool.damaged(None, 10)
        assert (shown.id, shown.login, shown.sender) == (lost, "ann", "ann@example.ac.uk")
        assert shown.recipients == ("bob@example.org",)
        assert shown.body_file == str(file)
        assert "missing" in shown.reason
        with pytest.raises(OperatorError, match="still cannot be read"):
            await spool.put_back(lost)
        (tmp_path / "kept").rename(file)
        assert await spool.put_back(lost) == 1
        assert await spool.damaged(None, 10) == []
        works, _ = spool.claim("hub", START, None, 10)
        assert [work.message.id for work in works] == [lost, other]
        assert await read(spool.load(lost).body) == LARGE
        await settle(spool, Settlement(lost, gone(0)))
    assert list(spool.layout.bodies.iterdir()) == []


@on_loop
async def test_a_message_set_aside_can_be_removed_with_its_file(tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        cut = await accepted(spool, body=LARGE)
        (spool.layout.bodies / cut).write_bytes(b"cut")
        with pytest.raises(DamagedEntry):
            spool.load(cut)
        await spool._add_change(lambda _: (0, []))
        assert await spool.discard(cut) == 1
        assert await spool.discard(cut) == 0
        assert await spool.damaged(None, 10) == []
    assert list(spool.layout.bodies.iterdir()) == []


@pytest.mark.parametrize("moment", ["accepted", "restarted", "failed"])
@on_loop
async def test_who_got_a_message_that_was_set_aside_meanwhile_does_not_get_it_again(
    moment: str, tmp_path: Path
) -> None:
    """A message for two routes: one sends it, with its octets at hand, while the other cannot read them."""
    spool = open_shelf(tmp_path, 0, Clock(), SETTINGS)
    message = await accepted(spool, "a@example.org>one", "b@example.org>two", body=LARGE)
    if moment == "restarted":
        await spool.close()
        spool = open_shelf(tmp_path, 0, Clock(), SETTINGS)
    [work], _ = spool.claim("one", START, None, 9)
    file = Layout(tmp_path, 0).bodies / message
    file.rename(tmp_path / "kept")
    with pytest.raises(DamagedEntry):
        spool.load(message)
    await spool.hold(Search(login="nobody"))
    if moment == "failed":
        spool._active.fail("the disk is sick")
        async with asyncio.timeout(30):
            while spool.shard == 0:  # noqa: ASYNC110 - what it waits for is a thread's work
                await asyncio.sleep(0.001)
    await settle(spool, Settlement(message, gone(*(one.number for one in work.recipients))))
    (tmp_path / "kept").rename(file)
    assert await spool.put_back(message) == 1
    [entry] = await spool.search(Search(), None, 9)
    assert [str(one.recipient.mailbox) for one in entry.recipients] == ["b@example.org"]
    await settle(spool, Settlement(message, gone(1)))
    assert await spool.search(Search(), None, 9) == []
    await spool.close()


@on_loop
async def test_a_result_that_comes_with_the_order_to_put_its_message_back_is_not_lost(tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        message = await accepted(spool, "a@example.org>one", "b@example.org>two")
        spool._claims.set_aside(row_of(message)[0], "it was damaged for a moment")
        await spool.hold(Search(login="nobody"))
        await spool._committer.pause()
        back = spool._add_change(lambda connection: damage.put_back(connection, [row_of(message)[0]]))
        settled = settle(spool, Settlement(message, gone(0)))
        spool._committer.resume()
        await asyncio.gather(back, settled)
        [entry] = await spool.search(Search(), None, 9)
        assert [one.number for one in entry.recipients] == [1]


@on_loop
async def test_what_was_set_aside_goes_along_when_the_shard_fails(tmp_path: Path) -> None:
    spool = open_shelf(tmp_path, 0, Clock(), SETTINGS)
    large, small = await accepted(spool, body=LARGE), await accepted(spool)
    file = Layout(tmp_path, 0).bodies / large
    file.rename(tmp_path / "kept")
    with pytest.raises(DamagedEntry):
        spool.load(large)
    await spool._active._add_change(lambda _: (0, []))
    spool._active.fail("the disk is sick")
    async with asyncio.timeout(30):
        while spool.shard == 0:  # noqa: ASYNC110 - what it waits for is a thread's work
            await asyncio.sleep(0.001)
    await spool._active._take_overs.done()
    [shown] = await spool.damaged(None, 10)
    assert (shown.id, shown.body_file) == (large, str(file))
    (tmp_path / "kept").rename(file)
    assert await spool.put_back(large) == 1
    assert await read(spool.load(large).body) == LARGE
    assert {entry.message.id for entry in await spool.search(Search(), None, 10)} == {large, small}
    await spool.close()


@on_loop
async def test_what_a_page_hid_is_seen_by_who_asks(tmp_path: Path) -> None:
    """Nothing is left of the message but its recipients: it is told of, shown and not delivered."""
    async with sqlite_spool(tmp_path) as spool:
        lost, whole = await accepted(spool, "bob@example.org"), await accepted(spool)
    connection = apsw.Connection(str(Layout(tmp_path, 0).database))
    connection.execute("DELETE FROM message WHERE id = (SELECT min(id) FROM message)")
    connection.close()
    source = FailedShard(Layout(tmp_path, 0))
    found = salvage(source._in_thread, -(2**63), 10)
    source.close()
    connection = apsw.Connection(":memory:")
    prepare(connection, 1, ":memory:")
    page = Page(found.messages, found.recipients, found.last, found.is_end, found.damaged)
    take(connection, 0, page, START)
    [shown] = damage.page(connection, -(2**63), 10, lambda message, _: tmp_path / message)
    assert (shown.id, shown.recipients) == (lost, ("bob@example.org",))
    assert "not in the database any more" in shown.reason
    [(waiting,)] = connection.execute("SELECT id FROM message").fetchall()
    assert id_of(int(waiting), 0) == whole  # type: ignore[arg-type]
    assert connection.execute("SELECT count(DISTINCT message) FROM recipient").get == 1


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
@on_loop
async def test_what_is_no_body_file_is_set_aside(kind: str, tmp_path: Path) -> None:
    told = Told()
    async with sqlite_spool(tmp_path, told=told) as spool:
        message = await accepted(spool, body=LARGE)
        file = spool.layout.bodies / message
        file.unlink()
        if kind == "folder":
            file.mkdir()
        elif kind == "pipe":
            os.mkfifo(file)
        else:
            file.symlink_to("/dev/zero")
        with pytest.raises(DamagedEntry):
            spool.load(message)
        assert [each for each, _ in told.damaged] == [message]


@on_loop
async def test_a_body_that_the_disk_does_not_give_now_is_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    async with sqlite_spool(tmp_path, told=told) as spool:
        message = await accepted(spool, body=LARGE)
        body = spool.load(message).body
        monkeypatch.setattr("os.preadv", _sick)
        monkeypatch.setattr("os.pread", _sick)
        with pytest.raises(StorageFailed) as refused:
            await read(body)
        assert str(refused.value.reply).startswith("451 4.3.0")
        monkeypatch.undo()
        assert await read(spool.load(message).body) == LARGE
    assert told.damaged == []


SPOILT = ["garbage", "truncated", "empty", "folder", "bodies are a file", "no tables", "no facts"]


def _spoil(layout: Layout, how: str) -> None:
    database = layout.database
    octets = database.read_bytes()
    if how == "garbage":
        database.write_bytes(b"\xa5" * len(octets))
    elif how == "truncated":
        database.write_bytes(octets[: len(octets) // 2])
    elif how == "empty":
        database.write_bytes(b"")
    elif how == "folder":
        database.unlink()
        database.mkdir()
    elif how == "bodies are a file":
        for file in layout.bodies.iterdir():
            file.unlink()
        layout.bodies.rmdir()
        layout.bodies.write_bytes(b"")
    else:
        connection = apsw.Connection(str(database))
        connection.execute("DROP TABLE shard_info" if how == "no tables" else "DELETE FROM shard_info")
        connection.close()


@pytest.mark.parametrize("how", SPOILT)
@on_loop
async def test_a_shard_whose_files_are_damaged_stops_no_start_and_costs_nobody_elses_mail(
    how: str, tmp_path: Path
) -> None:
    async with sqlite_spool(tmp_path) as spool:
        for _ in range(20):
            await accepted(spool)
        large = await accepted(spool, body=LARGE)
    async with sqlite_spool(tmp_path, shard=1) as spool:
        healthy = await accepted(spool)
    _spoil(Layout(tmp_path, 0), how)
    told = Told()
    storage = Storage(tmp_path, 0, 1, clock=SystemClock(), settings=SETTINGS, hooks=told.hooks())
    storage.adopt()
    new = await accepted(storage.primary)
    for each in (storage.primary, *storage.further):
        await each._active._take_overs.done()
    if how != "truncated":  # which may be met later, when a page behind the cut is wanted
        assert shard_of(new) != 0
        assert [shard for shard, _ in told.failed] == [0]
    found = [
        entry.message.id for spool in storage.spools for entry in await spool.search(Search(), None, 100)
    ]
    assert {healthy, new} <= set(found)
    for message in (healthy, new):
        [content] = [
            each.load(message)
            for each in storage.spools
            if await each.search(Search(ids=(message,)), None, 1)
        ]
        assert content.head == HEAD
    if how in {"no tables", "no facts"}:
        assert len(found) == 23
    elif how not in {"truncated", "bodies are a file"}:
        assert [standing.shard for standing in await storage.standings()] == [0]
        assert large in {path.name for path in Layout(tmp_path, 0).bodies.iterdir()}
    await storage.close()


def test_what_is_no_shard_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool/shard-0003").write_bytes(b"")
    assert discover(tmp_path) == ()


@on_loop
async def test_the_entry_of_a_new_log_is_on_disk_before_anything_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite syncs it, too, but does not mind when that fails."""

    def sick(folder: Path) -> None:
        if folder.name == "shard-0000" and (folder / "queue.db-wal").exists():
            raise OSError(5, "Input/output error")

    monkeypatch.setattr("sams.spool.opening.sync_folder", sick)
    with pytest.raises(OSError, match="Input/output"):
        open_files(Layout(tmp_path, 0))
    monkeypatch.undo()
    opened = open_files(Layout(tmp_path, 0))
    opened.close()


def _sick(*_: object) -> bytes:
    raise OSError(5, "Input/output error")


@on_loop
async def test_a_failed_shard_is_told_of_while_what_was_set_aside_lies_there(tmp_path: Path) -> None:
    told = Told()
    spool = open_shelf(tmp_path, 0, Clock(), SETTINGS, told.hooks())
    small, large, other, last = [
        await accepted(spool, body=body) for body in (b"small", LARGE, LARGE, b"the last of all")
    ]
    for message in (small, large, other, last):
        spool._active._claims.set_aside(row_of(message)[0], "the disk was sick")
    await spool._active._add_change(lambda _: (0, []))
    spool._active.fail("the disk is sick")
    async with asyncio.timeout(30):
        while spool.shard == 0:  # noqa: ASYNC110 - what it waits for is a thread's work
            await asyncio.sleep(0.001)
    await spool._active._take_overs.done()
    [standing] = await spool.standings()
    assert (standing.waiting, standing.set_aside) == (0, 2)
    assert await spool.put_back(large) == 1
    [standing] = await spool.standings()
    assert (standing.waiting, standing.set_aside) == (1, 1)
    await spool.close()
    spool = open_shelf(tmp_path, 1, Clock(), SETTINGS, told.hooks())
    assert await read(spool.load(large).body) == LARGE
    assert len(await spool.standings()) == 1
    await settle(spool, Settlement(large, gone(0)))
    assert len(await spool.standings()) == 1
    assert told.drained == []
    assert await spool.discard(other) == 1
    assert await spool.standings() == []
    assert told.drained == [(0, str(tmp_path / "spool/shard-0000"))]
    assert await spool.put_back(small) == await spool.put_back(last) == 1
    assert await read(spool.load(last).body) == b"the last of all"
    await spool.close()


@on_loop
async def test_all_that_was_set_aside_goes_along_and_each_once_however_often_it_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(damage, "CARRIED", 2)
    monkeypatch.setattr(take_overs, "FIRST_PAUSE", 0.001)
    tries, real = list[int](), failed_shard.begin

    def begin(*values: Any) -> tuple[int, Files]:
        tries.append(1)
        return real(*values) if len(tries) > 2 else (1 // 0, [])

    monkeypatch.setattr(failed_shard, "begin", begin)
    spool = open_shelf(tmp_path, 0, Clock(), SETTINGS)
    messages = [await accepted(spool, "a@example.org", "b@example.org") for _ in range(5)]
    for message in messages:
        spool._active._claims.set_aside(row_of(message)[0], "the disk was sick")
    await spool._active._add_change(lambda _: (0, []))
    spool._active.fail("the disk is sick")
    async with asyncio.timeout(30):
        while len(tries) < 3 or spool._active._take_overs.is_under_way:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)
    shown = await spool.damaged(None, 10)
    assert [each.id for each in shown] == messages
    assert {len(each.recipients) for each in shown} == {2}
    await spool.close()


async def _set_aside_after_the_failure(data_dir: Path, body: bytes) -> str:
    """A message of shard 0, whose octets are only there, set aside in shard 1; nobody has either open any more."""
    spool = open_shelf(data_dir, 0, Clock(), SETTINGS)
    message = await accepted(spool, body=body)
    spool._active.fail("the disk is sick")
    async with asyncio.timeout(30):
        while spool.shard == 0:  # noqa: ASYNC110 - what it waits for is a thread's work
            await asyncio.sleep(0.001)
    await spool._active._take_overs.done()
    spool._active._claims.set_aside(row_of(message)[0], "it was damaged for a moment")
    await spool.hold(Search(login="nobody"))
    await spool.close()
    return message


@pytest.mark.parametrize("body", [b"small", LARGE], ids=["row", "file"])
@on_loop
async def test_what_was_set_aside_and_lies_in_a_failed_shard_is_read_and_backed_up_after_a_restart(
    body: bytes, tmp_path: Path
) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    for folder in (data, other):
        folder.mkdir()
    message = await _set_aside_after_the_failure(data, body)
    spool = open_shelf(data, 1, Clock(), SETTINGS)
    await spool.backup(str(tmp_path / "copy"))
    assert not (tmp_path / "copy/lacks").exists()
    assert await spool.put_back(message) == 1
    assert await read(spool.load(message).body) == body
    await spool.close()
    assert restore(tmp_path / "copy", other) == 1
    async with sqlite_spool(other, shard=1) as restored:
        assert await restored.put_back(message) == 1
        assert await read(restored.load(message).body) == body


@pytest.mark.parametrize("lost", ["database", "file"])
@on_loop
async def test_a_backup_says_that_it_lacks_what_was_set_aside_and_cannot_be_read_in_a_failed_shard(
    lost: str, tmp_path: Path
) -> None:
    message = await _set_aside_after_the_failure(tmp_path, LARGE)
    layout = Layout(tmp_path, 0)
    (layout.database if lost == "database" else layout.bodies / message).unlink()
    spool = open_shelf(tmp_path, 1, Clock(), SETTINGS)
    await spool.backup(str(tmp_path / "copy"))
    await spool.close()
    told = (tmp_path / "copy/lacks").read_text()
    assert told == "messages in shard 0, which failed, whose contents could not be read: 1\n"


@on_loop
async def test_a_failed_shard_may_go_when_what_was_set_aside_has_its_octets_here(tmp_path: Path) -> None:
    told = Told()
    spool = open_shelf(tmp_path, 0, Clock(), SETTINGS)
    message = await accepted(spool)
    spool._active._claims.set_aside(row_of(message)[0], "it was damaged for a moment")
    await spool.hold(Search(login="nobody"))
    spool._active.fail("the disk is sick")
    async with asyncio.timeout(30):
        while spool.shard == 0:  # noqa: ASYNC110 - what it waits for is a thread's work
            await asyncio.sleep(0.001)
    await spool._active._take_overs.done()
    assert await spool.standings() == []
    await spool.close()
    shutil.rmtree(Layout(tmp_path, 0).folder)
    spool = open_shelf(tmp_path, 1, Clock(), SETTINGS, told.hooks())
    assert [shown.id for shown in await spool.damaged(None, 9)] == [message]
    await spool.close()
    assert told.troubled == []


@pytest.mark.parametrize("is_restarted", [False, True], ids=["tried again", "restarted"])
@on_loop
async def test_what_was_dealt_with_while_a_take_over_stood_still_is_not_set_aside_again(
    is_restarted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take_overs, "FIRST_PAUSE", 0.001)
    real, tries, is_full = failed_shard.begin, list[int](), True

    def begin(*values: Any) -> tuple[int, Files]:
        tries.append(1)
        return real(*values) if not is_full else (1 // 0, [])

    monkeypatch.setattr(failed_shard, "begin", begin)
    spool = open_shelf(tmp_path, 0, Clock(), SETTINGS)
    back, removed, left = [await accepted(spool) for _ in range(3)]
    for message in (back, removed, left):
        spool._active._claims.set_aside(row_of(message)[0], "the disk was sick")
    await spool.hold(Search(login="nobody"))
    spool._active.fail("the disk is sick")
    async with asyncio.timeout(30):
        while not tries:  # noqa: ASYNC110 - what it waits for is a thread's work
            await asyncio.sleep(0.001)
    assert await spool.put_back(back) == await spool.discard(removed) == 1
    if is_restarted:
        await spool.close()
        spool = open_shelf(tmp_path, 1, Clock(), SETTINGS)
    is_full = False
    async with asyncio.timeout(30):
        while spool._active._take_overs.is_under_way:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)
    assert [entry.message.id for entry in await spool.search(Search(), None, 9)] == [back]
    assert [shown.id for shown in await spool.damaged(None, 9)] == [left]
    facts = spool._active._reader.execute("SELECT key FROM shard_info ORDER BY key").fetchall()
    assert facts == [("readable_from",), ("shard",)]
    await spool.close()


def test_what_waits_here_by_way_of_another_shard_is_not_set_aside_as_well() -> None:
    connection = apsw.Connection(":memory:")
    prepare(connection, 2, ":memory:")
    message = (7, 0, "ann", "S", None, None, START, 1, 0, 1, "7BIT", None, None, 0)
    connection.execute(f"INSERT INTO message VALUES ({','.join('?' * len(message))})", message)  # noqa: S608 - marks
    damaged = [(7, 0, START, b"sick"), (8, 0, START, b"sick")]
    assert damage.carry(connection, 0, [damaged, [message], [], []]) == (1, [])
    assert connection.execute("SELECT message FROM damaged").fetchall() == [(8,)]
    assert connection.execute("SELECT count(*) FROM damaged_message").fetchall() == [(0,)]
