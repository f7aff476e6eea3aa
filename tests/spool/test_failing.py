"""A disk that goes on failing: no new shard can be made, or the old one cannot be read; and what is told of it."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sams.app.storage import Storage
from sams.core.clock import SystemClock
from sams.spool import failed_shard, take_overs
from sams.spool import shelf as shelf_module
from sams.spool.backups import restore
from sams.spool.failures import ShardInUse, StorageFailed
from sams.spool.interface import Search, Settlement
from sams.spool.keys import row_of
from sams.spool.layout import Layout, discover, make_new_shard, mark_failed, note_replaced, replaced, strays
from sams.spool.lock import acquire
from sams.spool.opening import Opened, open_files
from sams.spool.shelf import Shelf, open_shelf
from sams.spool.standings import Standing
from sams.spool.statements import Files
from tests.spool.faulty import READ_EIO, Fault, Faults, FaultyVFS
from tests.spool.rig import (
    HEAD,
    SETTINGS,
    START,
    Clock,
    Told,
    accepted,
    gone,
    new_message,
    on_loop,
    read,
    settle,
)

LARGE = b"x" * (SETTINGS.body_in_memory + 1)


@pytest.fixture
def faults() -> Iterator[Faults]:
    found = Faults()
    with FaultyVFS("faulty", found):
        yield found


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses keep their proportions; a test need not sit them out."""
    for module, name in (
        (shelf_module, "FIRST_PAUSE"),
        (shelf_module, "LONGEST_PAUSE"),
        (take_overs, "FIRST_PAUSE"),
        (take_overs, "LONGEST_PAUSE"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name) / 500)


@asynccontextmanager
async def shelf(data_dir: Path, told: Told, failed_vfs: str | None = None) -> AsyncIterator[Shelf]:
    spool = Shelf(open_files(Layout(data_dir, 0)), Clock(), SETTINGS, told.hooks(), failed_vfs)
    try:
        yield spool
    finally:
        await spool.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110 - what it waits for is a thread's work
            await asyncio.sleep(0.001)


def _is_free(layout: Layout) -> bool:
    try:
        acquire(layout).release()
    except ShardInUse:
        return False
    return True


async def taken_over(spool: Shelf, shard: int = 1) -> None:
    await until(lambda: spool.shard == shard)
    await until(lambda: not spool._active._take_overs.is_under_way)


@on_loop
async def test_while_no_new_shard_can_be_made_mail_is_refused_and_it_is_tried_again_without_a_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, tries = Told(), list[int]()

    def no_disk(layout: Layout, *_: Any) -> Opened:
        tries.append(layout.shard)
        raise OSError(5, "Input/output error")

    async with shelf(tmp_path, told) as spool:
        old = await accepted(spool)
        monkeypatch.setattr(shelf_module, "open_files", no_disk)
        spool._active.fail("the disk is gone")
        await until(lambda: len(tries) >= 4)
        with pytest.raises(StorageFailed) as refused:
            await accepted(spool)
        assert str(refused.value.reply).startswith("451 4.3.0")
        [standing] = await spool.standings()
        assert (standing.shard, standing.reason) == (0, "the disk is gone")
        assert "no new shard can be made" in standing.trouble
        assert len(told.troubled) == 1
        assert set(tries) == {1}
        monkeypatch.setattr(shelf_module, "open_files", open_files)
        await taken_over(spool)
        new = await accepted(spool)
        found = await spool.search(Search(), None, 10)
        assert [entry.message.id for entry in found] == [old, new]
        assert sorted(path.name for path in (tmp_path / "spool").iterdir()) == ["shard-0000", "shard-0001"]


@on_loop
async def test_whatever_keeps_a_new_shard_from_being_made_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, tries, traces = Told(), list[int](), list[object]()

    def unexpected(layout: Layout, *_: Any) -> Opened:
        tries.append(layout.shard)
        raise RuntimeError("nobody thought of it")

    asyncio.get_running_loop().set_exception_handler(lambda _, about: traces.append(about["exception"]))
    async with shelf(tmp_path, told) as spool:
        monkeypatch.setattr(shelf_module, "open_files", unexpected)
        spool._active.fail("the disk is sick")
        await until(lambda: len(tries) >= 3)
        assert len(told.troubled) == len(traces) == 1
        monkeypatch.setattr(shelf_module, "open_files", open_files)
        await taken_over(spool)
        await accepted(spool)


@on_loop
async def test_a_close_while_the_next_shard_is_being_made_waits_for_nobody_who_waits_for_that_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at SIGTERM, with `sams queue delete` under way, on a disk that takes its time."""
    may_go_on, begun = threading.Event(), threading.Event()

    def slow(layout: Layout, *_: Any) -> Opened:
        begun.set()
        may_go_on.wait(30)
        return open_files(layout)

    monkeypatch.setattr(shelf_module, "open_files", slow)
    spool = Shelf(open_files(Layout(tmp_path, 0)), Clock(), SETTINGS, Told().hooks())
    message = await accepted(spool)
    spool._active._committer.pause()
    deleted = spool.delete(Search())
    await until(lambda: bool(spool._active._committer._waiting))
    settled = settle(spool, Settlement(message, gone(0)))
    spool._active.fail("the disk is sick")
    await until(begun.is_set)
    await asyncio.wait_for(spool.close(), 15)
    for waited_for in (deleted, settled):
        assert isinstance(waited_for.exception(), StorageFailed)
    may_go_on.set()
    await until(Layout(tmp_path, 1).replaces.exists)
    await until(lambda: _is_free(Layout(tmp_path, 1)))
    monkeypatch.undo()
    again = open_shelf(tmp_path, 1, Clock(), SETTINGS)
    await taken_over(again)
    assert again.load(message).head == HEAD
    await again.close()


@on_loop
async def test_the_pauses_between_tries_grow_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses, real = list[float](), asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    monkeypatch.setattr(shelf_module, "FIRST_PAUSE", 5.0)
    monkeypatch.setattr(shelf_module, "LONGEST_PAUSE", 60.0)
    async with shelf(tmp_path, Told()) as spool:
        monkeypatch.setattr(
            shelf_module, "make_new_shard", lambda _: (_ for _ in ()).throw(OSError(30, "RO"))
        )
        monkeypatch.setattr(asyncio, "sleep", sleep)
        spool._active.fail("the disk is gone")
        async with asyncio.timeout(30):
            while len(pauses) < 6:
                await real(0.001)
        monkeypatch.setattr(asyncio, "sleep", real)
    assert pauses[:6] == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


@on_loop
async def test_a_failed_shard_is_told_of_until_nothing_waits_there(tmp_path: Path) -> None:
    told = Told()
    async with shelf(tmp_path, told) as spool:
        small, large = await accepted(spool), await accepted(spool, body=LARGE)
        assert await spool.standings() == []
        spool._active.fail("the disk is sick")
        await taken_over(spool)
        [standing] = await spool.standings()
        assert (standing.shard, standing.reason, standing.waiting) == (0, "the disk is sick", 2)
        await settle(spool, Settlement(small, gone(0)))
        new = await accepted(spool)
        [standing] = await spool.standings()
        assert standing.waiting == 1
        assert told.drained == []
        await settle(spool, Settlement(large, gone(0)))
        assert await spool.standings() == []
        assert told.drained == [(0, str(tmp_path / "spool/shard-0000"))]
        assert spool._active._take_overs.sources == {}
        shutil.rmtree(tmp_path / "spool/shard-0000")
        assert spool.load(new).head == HEAD
        assert await spool.standings() == []
        assert len(told.drained) == 1


@on_loop
async def test_a_failed_shard_without_its_mark_is_not_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk that failed did not take the mark, nor any other file."""
    monkeypatch.setattr(shelf_module, "mark_failed", lambda *_: None)
    async with shelf(tmp_path, Told()) as spool:
        message = await accepted(spool)
        spool._active.fail("the disk is sick")
        await taken_over(spool)
    assert not Layout(tmp_path, 0).failed.exists()
    assert discover(tmp_path) == (1,)
    assert strays(tmp_path) == ()
    monkeypatch.setattr(shelf_module, "mark_failed", mark_failed)
    again = open_shelf(tmp_path, 1, Clock(), SETTINGS)
    assert Layout(tmp_path, 0).failed.exists()
    assert again.load(message).head == HEAD
    await again.close()


@on_loop
async def test_a_shard_that_cannot_note_whose_place_it_takes_takes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = list[int]()

    def full(layout: Layout, _: int) -> None:
        tries.append(layout.shard)
        raise OSError(28, "No space left on device")

    async with shelf(tmp_path, Told()) as spool:
        message = await accepted(spool)
        monkeypatch.setattr(shelf_module, "note_replaced", full)
        spool._active.fail("the disk is sick")
        await until(lambda: len(tries) > 1)
        assert spool.shard == 0
        monkeypatch.setattr(shelf_module, "note_replaced", note_replaced)
        await taken_over(spool)
        assert replaced(tmp_path) == {0}
        assert spool.load(message).head == HEAD


@on_loop
async def test_a_failed_shard_that_cannot_be_read_now_is_taken_over_later(
    tmp_path: Path, faults: Faults
) -> None:
    told = Told()
    async with shelf(tmp_path, told, failed_vfs="faulty") as spool:
        old = await accepted(spool)
        faults.fault = Fault("read", ".db", READ_EIO, many=2**60)
        spool._active.fail("the disk is gone")
        await until(lambda: spool.shard == 1)
        new = await asyncio.wait_for(accepted(spool), 30)
        await until(lambda: bool(told.troubled))
        [standing] = await spool.standings()
        assert standing.shard == 0
        with pytest.raises(StorageFailed):
            await settle(spool, Settlement(old, gone(0)))
        faults.heal()
        await until(lambda: 0 in spool._active._take_overs.sources)
        await taken_over(spool)
        found = await spool.search(Search(), None, 10)
        assert [entry.message.id for entry in found] == [old, new]
        await settle(spool, Settlement(old, gone(0)))
        assert await spool.standings() == []


@on_loop
async def test_who_asks_while_a_shard_fails_lets_nobody_take_it_for_drained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told()
    async with shelf(tmp_path, told) as spool:
        message, old, may_end = await accepted(spool), spool._active, asyncio.Event()
        real = old.standing_of_failed

        async def slow() -> list[Standing]:
            found = await real()
            await may_end.wait()
            return found

        monkeypatch.setattr(old, "standing_of_failed", slow)
        asked = asyncio.ensure_future(spool.standings())
        await asyncio.sleep(0)
        old.fail("the disk is sick")
        await taken_over(spool)
        may_end.set()
        assert [standing.shard for standing in await asked] == [0]
        assert told.drained == []
        assert spool.load(message).head == HEAD


@on_loop
async def test_a_failed_shard_whose_take_over_is_not_noted_yet_is_not_taken_for_drained(
    tmp_path: Path, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could not be read at first, and then the disk of its successor is full for a while."""
    told, real, tries, is_full = Told(), failed_shard.begin, list[int](), True

    def begin(*values: Any) -> tuple[int, Files]:
        tries.append(1)
        return real(*values) if not is_full else (1 // 0, [])

    monkeypatch.setattr(failed_shard, "begin", begin)
    async with shelf(tmp_path, told, failed_vfs="faulty") as spool:
        message = await accepted(spool)
        faults.fault = Fault("read", ".db", READ_EIO, many=2**60)
        spool._active.fail("the disk is gone")
        await until(lambda: spool.shard == 1 and bool(told.troubled))
        assert len(await spool.standings()) == 1
        faults.heal()
        await until(lambda: bool(tries))
        assert [standing.shard for standing in await spool.standings()] == [0]
        assert (told.drained, list(spool._active._take_overs.sources)) == ([], [0])
        is_full = False
        await taken_over(spool)
        await until(lambda: not spool._active._take_overs.is_under_way)
        assert spool.load(message).head == HEAD


@pytest.mark.parametrize("is_restarted", [False, True], ids=["runs on", "restarted"])
@on_loop
async def test_a_queue_whose_successor_failed_before_it_noted_it_goes_on_in_the_next(
    is_restarted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, is_full = failed_shard.begin, True
    monkeypatch.setattr(failed_shard, "begin", lambda *all_: (1 // 0, []) if is_full else real(*all_))
    spool = open_shelf(tmp_path, 0, Clock(), SETTINGS)
    first = await accepted(spool)
    spool._active.fail("the disk is sick")
    await until(lambda: spool.shard == 1)
    second = await accepted(spool)
    spool._active.fail("the next one is sick")
    await until(lambda: spool.shard == 2)
    if is_restarted:
        await spool.close()
        spool = open_shelf(tmp_path, 2, Clock(), SETTINGS)
    is_full = False
    await until(lambda: {0, 1} <= spool._active.known_failures() and not spool._active.is_taking_over)
    assert [entry.message.id for entry in await spool.search(Search(), None, 9)] == [first, second]
    assert spool.load(first).head == HEAD
    assert [standing.shard for standing in await spool.standings()] == [0, 1]
    await spool.close()


@on_loop
async def test_what_stands_in_the_way_of_a_take_over_is_met_again_until_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, tries = Told(), list[int]()
    real = take_overs._taking
    async with shelf(tmp_path, told) as spool:
        messages = [await accepted(spool) for _ in range(3)]

        def taking(*values: Any) -> Any:
            tries.append(1)
            return real(*values) if len(tries) > 3 else lambda _: 1 / 0

        monkeypatch.setattr(take_overs, "_taking", taking)
        spool._active.fail("the disk is sick")
        await until(lambda: spool.shard == 1)
        settled = asyncio.ensure_future(settle(spool, Settlement(messages[0], gone(0))))
        await taken_over(spool)
        await asyncio.wait_for(settled, 30)
        found = await spool.search(Search(), None, 10)
        assert [entry.message.id for entry in found] == messages[1:]
        assert len(told.troubled) == 1


@on_loop
async def test_a_stray_that_cannot_be_read_stops_no_start(tmp_path: Path) -> None:
    for name in ("garbage", "folder", "nothing"):
        layout = make_new_shard(tmp_path)
        mark_failed(layout, name)
    Layout(tmp_path, 0).database.write_bytes(b"garbage " * 10_000)
    Layout(tmp_path, 1).database.mkdir()
    told = Told()
    storage = Storage(tmp_path, 0, 1, clock=SystemClock(), settings=SETTINGS, hooks=told.hooks())
    storage.adopt()
    await accepted(storage.primary)
    assert [standing.shard for standing in await storage.standings()] == [0, 1, 2]
    assert len(told.troubled) == 3
    assert sorted(path.name for path in (tmp_path / "spool").iterdir()) == [
        f"shard-{number:04}" for number in range(4)
    ]
    await storage.close()


def test_numbers_of_shards_that_were_removed_are_used_when_there_are_no_others(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    for shard in (0, 2, 1023):
        (tmp_path / f"spool/shard-{shard:04}").mkdir()
    assert make_new_shard(tmp_path).shard == 1


@on_loop
async def test_contents_in_a_failed_shard_that_cannot_be_read_are_set_aside(tmp_path: Path) -> None:
    told = Told()
    async with shelf(tmp_path, told) as spool:
        message = await accepted(spool, body=LARGE)
        spool._active.fail("the disk is sick")
        await taken_over(spool)
        body = spool.load(message).body
        assert await read(body) == LARGE


@pytest.mark.parametrize("body", [b"Not delivered.\r\n", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("moment", ["before", "after"])
@on_loop
async def test_a_report_that_was_written_in_a_shard_that_failed_is_stored_with_its_settlement_in_the_next(
    moment: str, body: bytes, tmp_path: Path
) -> None:
    """Whether the settlement meets the failure, or was kept and is offered when the next shard is there."""
    async with shelf(tmp_path, Told()) as spool:
        message = await accepted(spool, "a@example.org", "b@example.org")
        report = await new_message(spool, "ann@example.org", login="", body=body, reverse_path=None)
        settlement = Settlement(message, gone(0, 1), (report,))
        if moment == "before":
            spool._active._committer.pause()
            settled = settle(spool, settlement)
            spool._active.fail("the disk is sick")
            await taken_over(spool)
        else:
            spool._active.fail("the disk is sick")
            await taken_over(spool)
            settled = settle(spool, settlement)
        [work] = await asyncio.wait_for(settled, 30)
        assert row_of(work.message.id)[1] == 1
        assert [entry.message.id for entry in await spool.search(Search(), None, 10)] == [work.message.id]
        assert await read(spool.load(work.message.id).body) == body


@on_loop
async def test_a_settlement_whose_report_cannot_be_read_any_more_is_refused_and_may_be_offered_again(
    tmp_path: Path,
) -> None:
    async with shelf(tmp_path, Told()) as spool:
        message = await accepted(spool)
        report = await new_message(spool, login="", body=LARGE, reverse_path=None)
        spool._active.fail("the disk is sick")
        await taken_over(spool)
        file = Layout(tmp_path, 0).bodies / report.id
        file.rename(tmp_path / "kept")
        with pytest.raises(StorageFailed, match=r"report .* cannot be read"):
            await settle(spool, Settlement(message, gone(0), (report,)))
        (tmp_path / "kept").rename(file)
        assert await settle(spool, Settlement(message, gone(0), (report,)))


@on_loop
async def test_a_backup_says_what_it_could_not_read_in_a_failed_shard(tmp_path: Path, faults: Faults) -> None:
    async with shelf(tmp_path, Told(), failed_vfs="faulty") as spool:
        await accepted(spool)
        faults.fault = Fault("read", ".db", READ_EIO, many=2**60)
        spool._active.fail("the disk is gone")
        await until(lambda: spool.shard == 1)
        await spool.backup(str(tmp_path / "copy"))
        told = (tmp_path / "copy/lacks").read_text()
        assert told == "what waits in shard 0, which failed, could not all be read yet\n"
        faults.heal()
        await until(lambda: 0 in spool._active._take_overs.sources)
        await taken_over(spool)
        source = spool._active._take_overs.sources[0]
        faults.fault = Fault("read", "", READ_EIO, many=2**60)
        source._in_thread.pragma("shrink_memory")
        await spool.backup(str(tmp_path / "another"))
        told = (tmp_path / "another/lacks").read_text()
        assert told == "messages in shard 0, which failed, whose contents could not be read: 1\n"


@on_loop
async def test_what_a_backup_during_a_take_over_that_stands_still_has_is_delivered_once_after_a_restore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    for folder in (data, other):
        folder.mkdir()
    real = failed_shard.FailedShard.page

    def first_alone(self: failed_shard.FailedShard, start: int) -> failed_shard.Page:
        if start != failed_shard.FIRST_PLACE:
            raise OSError(5, "Input/output error")
        return real(self, start)

    monkeypatch.setattr(failed_shard, "STEP", 2)
    monkeypatch.setattr(failed_shard.FailedShard, "page", first_alone)
    async with shelf(data, Told()) as spool:
        messages = [await accepted(spool, body=LARGE) for _ in range(3)]
        spool._active.fail("the disk is sick")
        await until(lambda: spool.shard == 1)
        await spool.backup(str(tmp_path / "copy"))
        assert "shard 0" in (tmp_path / "copy/lacks").read_text()
    told = Told()
    assert restore(tmp_path / "copy", other) == 1
    again = open_shelf(other, 1, Clock(), SETTINGS, told.hooks())
    works, _ = again.claim("hub", START, None, 10)
    assert [work.message.id for work in works] == messages[:2]
    for message in messages[:2]:
        assert await read(again.load(message).body) == LARGE
        await settle(again, Settlement(message, gone(0)))
    assert (await again.standings(), told.troubled) == ([], [])
    await again.close()


@on_loop
async def test_what_is_here_is_settled_though_more_is_to_come_from_a_failed_shard(tmp_path: Path) -> None:
    async with shelf(tmp_path, Told()) as spool:
        message, other = await accepted(spool), await accepted(spool)
        spool._active.fail("the disk is sick")
        await taken_over(spool)
        await spool.delete(Search(ids=(other,)))
        spool._active.expect(0)
        await settle(spool, Settlement(message, gone(0)))
        with pytest.raises(StorageFailed):
            await settle(spool, Settlement(other, gone(0)))
