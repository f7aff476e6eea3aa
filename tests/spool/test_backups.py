"""Backups of a running shard, and their way back."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path
from typing import Never

import apsw
import pytest

from sams.core.errors import OperatorError
from sams.spool import backups
from sams.spool.backups import restore
from sams.spool.interface import Search, Settlement
from sams.spool.keys import row_of
from sams.spool.layout import Layout
from sams.spool.statements import Files
from tests.spool.rig import (
    SETTINGS,
    START,
    Told,
    accepted,
    gone,
    new_message,
    on_loop,
    read,
    settle,
    sqlite_spool,
)

LARGE = b"x" * (SETTINGS.body_in_memory + 1)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """The data, the backup (not yet there), and other data."""
    data, other = tmp_path / "data", tmp_path / "other"
    data.mkdir()
    other.mkdir()
    return data, tmp_path / "backup", other


@on_loop
async def test_a_backup_restores_what_waited_when_it_began(folders: tuple[Path, Path, Path]) -> None:
    data, backup, other = folders
    async with sqlite_spool(data) as spool:
        small, large, gone_later = [await accepted(spool, body=body) for body in (b"small", LARGE, LARGE)]
        await spool.backup(str(backup))
        await settle(spool, Settlement(gone_later, gone(0)))
        await accepted(spool)
        assert {path.stat().st_mode & 0o777 for path in backup.rglob("*")} == {0o600, 0o700}
    assert restore(backup, other) == 0
    told = Told()
    async with sqlite_spool(other, told=told) as spool:
        works, _ = spool.claim("hub", START, None, 10)
        assert [work.message.id for work in works] == [small, large, gone_later]
        assert spool.load(small).body.in_memory() == b"small"
        for message in (large, gone_later):
            assert await read(spool.load(message).body) == LARGE
        assert told.damaged == []


@on_loop
async def test_a_backup_under_load_is_consistent(folders: tuple[Path, Path, Path]) -> None:
    data, backup, other = folders
    async with sqlite_spool(data) as spool:

        async def load() -> None:
            while True:
                message = await new_message(spool, "a@x.org", "b@x.org", body=LARGE)
                await spool.accept(message)
                await settle(spool, Settlement(message.id, gone(0, 1)))

        for _ in range(200):
            await accepted(spool, "a@x.org", "b@x.org")
        tasks = [asyncio.ensure_future(load()) for _ in range(4)]
        await spool.backup(str(backup))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    restore(backup, other)
    told = Told()
    async with sqlite_spool(other, told=told) as spool:
        entries = await spool.search(Search(), None, 1000)
        assert len(entries) >= 200
        for entry in entries:
            assert len(entry.recipients) == 2
            body = await read(spool.load(entry.message.id).body)
            assert len(body) + len(spool.load(entry.message.id).head) == entry.message.size
        assert told.damaged == []


@on_loop
async def test_a_body_that_goes_while_it_is_copied_is_no_error(folders: tuple[Path, Path, Path]) -> None:
    data, backup, other = folders
    async with sqlite_spool(data) as spool:
        lost, kept = [await accepted(spool, body=LARGE) for _ in range(2)]
        (spool.layout.bodies / lost).unlink()
        await spool.backup(str(backup))
    restore(backup, other)
    async with sqlite_spool(other) as spool:
        assert [entry.message.id for entry in await spool.search(Search(), None, 10)] == [kept]


@on_loop
async def test_what_was_set_aside_is_in_a_backup_with_its_body_and_can_be_put_back_after_a_restore(
    folders: tuple[Path, Path, Path],
) -> None:
    data, backup, other = folders
    async with sqlite_spool(data) as spool:
        message = await accepted(spool, body=LARGE)
        lost = await accepted(spool, body=LARGE)
        for each in (message, lost):
            spool._claims.set_aside(row_of(each)[0], "the disk was sick")
        while len(await spool.damaged(None, 10)) < 2:  # noqa: ASYNC110 - what is set aside sets no event
            await asyncio.sleep(0.001)
        (spool.layout.bodies / lost).unlink()
        await spool.backup(str(backup))
    restore(backup, other)
    async with sqlite_spool(other) as spool:
        assert [shown.id for shown in await spool.damaged(None, 10)] == [message, lost]
        assert await spool.put_back(message) == 1
        assert await read(spool.load(message).body) == LARGE


@on_loop
async def test_an_error_of_the_disk_that_a_backup_goes_to_ends_no_shard(
    folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sick(*_: object) -> Never:
        raise apsw.IOError("disk I/O error")

    data, backup, _ = folders
    told = Told()
    async with sqlite_spool(data, told=told) as spool:
        monkeypatch.setattr(backups, "_copy_database", sick)
        with pytest.raises(apsw.IOError):
            await spool.backup(str(backup))
        await accepted(spool)
    assert told.failed == []


@on_loop
async def test_a_backup_needs_a_new_folder(folders: tuple[Path, Path, Path]) -> None:
    data, backup, other = folders
    async with sqlite_spool(data) as spool:
        with pytest.raises(OperatorError, match="is there already"):
            await spool.backup(str(other))
        with pytest.raises(OperatorError, match="does not exist"):
            await spool.backup(str(backup / "deeper"))


@on_loop
async def test_a_restore_never_overwrites(folders: tuple[Path, Path, Path]) -> None:
    data, backup, _ = folders
    async with sqlite_spool(data) as spool:
        await spool.backup(str(backup))
    with pytest.raises(OperatorError, match="move it away"):
        restore(backup, data)


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="is no backup"):
        restore(tmp_path, tmp_path)
    (tmp_path / "queue.db").write_bytes(b"rubbish" * 1000)
    with pytest.raises(OperatorError, match="is damaged"):
        restore(tmp_path, tmp_path)
    assert not Layout(tmp_path, 0).database.exists()


@on_loop
async def test_a_body_that_a_backup_meets_twice_stays_what_it_is(folders: tuple[Path, Path, Path]) -> None:
    data, backup, _ = folders
    async with sqlite_spool(data) as spool:
        message = await accepted(spool, body=LARGE)
        await spool._add_change(_both_waiting_and_aside)
        await spool.backup(str(backup))
        assert (backup / "bodies" / message).read_bytes() == LARGE
        assert await read(spool.load(message).body) == LARGE


def _both_waiting_and_aside(connection: apsw.Connection) -> tuple[int, Files]:
    connection.execute("INSERT INTO damaged SELECT id, shard, arrived, 'by mistake' FROM message")
    connection.execute("INSERT INTO damaged_content SELECT * FROM content")
    return 1, []


@pytest.mark.parametrize("has_links", [True, False])
@on_loop
async def test_a_restore_that_was_ended_is_done_again_and_leaves_the_backup_as_it_is(
    has_links: bool, folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> Never:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    def killed(*_: object) -> Never:
        raise KeyboardInterrupt

    data, backup, other = folders
    if not has_links:
        monkeypatch.setattr(os, "link", no_links)
    async with sqlite_spool(data) as spool:
        message = await accepted(spool, body=LARGE)
        await spool.backup(str(backup))
    with monkeypatch.context() as patch:
        patch.setattr(backups, "sync_folder", killed)
        with pytest.raises(KeyboardInterrupt):
            restore(backup, other)
    if not has_links:
        (Layout(other, 0).bodies / message).write_bytes(b"a par")
    Layout(other, 0).database.unlink()
    Layout(other, 0).database.with_name("queue.db.new").write_bytes(b"a part")
    assert restore(backup, other) == 0
    assert (backup / "bodies" / message).read_bytes() == LARGE
    async with sqlite_spool(other) as spool:
        assert await read(spool.load(message).body) == LARGE
