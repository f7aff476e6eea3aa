"""The files of a shard: who may see them, who owns them, and which version wrote them."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.synchronize import Event
from pathlib import Path

import apsw
import pytest

from sams.core.errors import OperatorError
from sams.spool import schema
from sams.spool.failures import ShardInUse
from sams.spool.interface import Search, Settlement
from sams.spool.keys import row_of
from sams.spool.layout import Layout, discover, make_new_shard
from sams.spool.lock import acquire, lock_orphans
from sams.spool.opening import open_files
from sams.spool.sqlite import open_shard
from tests.spool.rig import SETTINGS, START, Clock, accepted, gone, on_loop, settle, sqlite_spool


@on_loop
async def test_nobody_else_may_look_at_a_shard_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with sqlite_spool(tmp_path) as spool:
            await accepted(spool, body=b"x" * (SETTINGS.body_in_memory + 1))
            found = {path.name: path.stat().st_mode & 0o777 for path in spool.layout.folder.rglob("*")}
    finally:
        os.umask(before)
    assert found["bodies"] == 0o700
    assert {"queue.db", "queue.db-wal", "lock"} <= found.keys()
    assert {mode for name, mode in found.items() if name != "bodies"} == {0o600}
    assert spool.layout.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("path", [".", "spool", "spool/shard-0000", "spool/shard-0000/queue.db"])
@pytest.mark.parametrize("bit", [0o020, 0o002])
def test_a_shard_that_others_may_write_is_refused(path: str, bit: int, tmp_path: Path) -> None:
    opened = open_files(Layout(tmp_path, 0))
    opened.close()
    spoilt = tmp_path / path
    spoilt.chmod(spoilt.stat().st_mode | bit)
    with pytest.raises(OperatorError, match="chmod go-w"):
        open_files(Layout(tmp_path, 0))


def test_a_missing_data_dir_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="nowhere does not exist"):
        open_files(Layout(tmp_path / "nowhere", 0))


def test_shards_are_discovered_and_new_ones_get_the_next_number(tmp_path: Path) -> None:
    assert discover(tmp_path) == ()
    assert make_new_shard(tmp_path).shard == 0
    Layout(tmp_path, 7).folder.mkdir()
    (tmp_path / "spool/shard-x").mkdir()
    (tmp_path / "spool/shard-9999").mkdir()
    assert make_new_shard(tmp_path).shard == 8
    assert discover(tmp_path) == (0, 7, 8)


def _own(data_dir: Path, is_owned: Event, may_end: Event) -> None:
    lock = acquire(Layout(data_dir, 0))
    is_owned.set()
    may_end.wait()
    lock.release()


def test_a_shard_has_one_owner_and_the_other_is_told_who(tmp_path: Path) -> None:
    for shard in (0, 1):
        Layout(tmp_path, shard).make()
    context = multiprocessing.get_context("spawn")
    is_owned, may_end = context.Event(), context.Event()
    owner = context.Process(target=_own, args=(tmp_path, is_owned, may_end))
    owner.start()
    is_owned.wait()
    with pytest.raises(ShardInUse, match=f"in use by process {owner.pid}"):
        open_files(Layout(tmp_path, 0))
    orphans = list(lock_orphans(tmp_path, ()))
    assert [shard for shard, _ in orphans] == [1]
    assert list(lock_orphans(tmp_path, ())) == []
    owner.kill()
    owner.join()
    assert [shard for shard, _ in lock_orphans(tmp_path, {1})] == [0]
    for _, lock in orphans:
        lock.release()


@on_loop
async def test_the_lock_goes_with_the_spool(tmp_path: Path) -> None:
    spool = open_shard(tmp_path, 0, Clock(), SETTINGS)
    with pytest.raises(ShardInUse, match=f"process {os.getpid()}"):
        open_shard(tmp_path, 0, Clock(), SETTINGS)
    await spool.close()
    await open_shard(tmp_path, 0, Clock(), SETTINGS, lock=acquire(Layout(tmp_path, 0))).close()


def _changed(data_dir: Path, *statements: str) -> Layout:
    layout = Layout(data_dir, 0)
    open_files(layout).close()
    connection = apsw.Connection(str(layout.database))
    for statement in statements:
        connection.execute(statement)
    connection.close()
    return layout


@on_loop
async def test_a_version_further_on_that_only_added_can_be_worked_with(tmp_path: Path) -> None:
    added = [
        f"ALTER TABLE {table} ADD COLUMN something_new TEXT"
        for table in ("message", "content", "recipient", "use_of_login", "damaged", "failed_shard")
    ]
    _changed(tmp_path, f"PRAGMA user_version = {schema.VERSION + 1}", *added)
    async with sqlite_spool(tmp_path) as spool:
        first, second = await accepted(spool), await accepted(spool)
        assert spool.load(first).head
        await settle(spool, Settlement(first, gone(0)))
        assert [work.message.id for work in spool.claim("hub", START, None, 10)[0]] == [second]
        spool._claims.set_aside(row_of(second)[0], "for the test")
        third = await accepted(spool)
        assert [entry.message.id for entry in await spool.search(Search(), None, 10)] == [third]


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE shard_info SET value = value + 1 WHERE key = 'readable_from'", "newer SAMS"),
        ("UPDATE shard_info SET value = 5 WHERE key = 'shard'", "is shard 5, but its folder says 0"),
        ("PRAGMA application_id = 1", "is no queue of SAMS"),
    ],
)
def test_tables_that_are_not_ours_are_refused_with_the_reason(
    statement: str, words: str, tmp_path: Path
) -> None:
    layout = _changed(tmp_path, statement)
    with pytest.raises(OperatorError, match=words):
        open_files(layout)
    lock = acquire(layout)
    lock.release()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path, 0)
    layout.make()
    layout.database.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(OperatorError, match="is no queue of SAMS"):
        open_files(layout)
