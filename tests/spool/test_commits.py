"""Group commit: what shares one, and what its failures mean."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import msgspec
import pytest

from sams.core.errors import TemporaryFailure
from sams.core.ids import IdMaker
from sams.spool.failures import DiskFull, StorageFailed
from sams.spool.gathering import BUSY
from sams.spool.interface import NewMessage, Search, Settlement
from sams.spool.layout import Layout
from sams.spool.members import Accept
from sams.spool.opening import open_files
from sams.spool.sqlite import SqliteSpool
from tests.spool.faulty import Faults, FaultyVFS
from tests.spool.rig import SETTINGS, Clock, Told, accepted, gone, new_message, on_loop, settle, sqlite_spool


@pytest.fixture
def faults() -> Iterator[Faults]:
    found = Faults()
    with FaultyVFS("faulty", found):
        yield found


@on_loop
async def test_what_comes_while_a_commit_is_under_way_shares_the_next(tmp_path: Path, faults: Faults) -> None:
    told = Told()
    async with sqlite_spool(tmp_path, told=told, vfs="faulty") as spool:
        await accepted(spool)
        told.batches.clear()
        faults.entered.clear()
        faults.gate.clear()
        first = spool.accept(await new_message(spool))
        await asyncio.to_thread(faults.entered.wait)
        others = [spool.accept(await new_message(spool)) for _ in range(20)]
        await asyncio.sleep(0)
        assert not first.done()
        assert spool.claim("hub", 2e9, None, 10)[0][1:] == []
        faults.gate.set()
        await asyncio.gather(first, *others)
        assert told.batches == [1, 20]


@on_loop
async def test_what_comes_in_one_round_of_the_loop_is_one_commit(tmp_path: Path) -> None:
    told = Told()
    async with sqlite_spool(tmp_path, told=told) as spool:
        messages = [await new_message(spool) for _ in range(10)]
        await asyncio.gather(*map(spool.accept, messages))
        assert told.batches[-1] >= 10


@on_loop
async def test_while_the_loop_is_busy_a_batch_gathers_for_a_moment_and_no_longer(tmp_path: Path) -> None:
    told, clock = Told(), Clock()
    async with sqlite_spool(tmp_path, clock, told=told) as spool:
        await accepted(spool)
        messages = [await new_message(spool) for _ in range(6)]
        told.batches.clear()
        await _accept_in_rounds(spool, messages, clock, BUSY * 0.4)
        assert told.batches[0] == 3
        assert sum(told.batches) == 6


@on_loop
async def test_rounds_that_are_long_for_a_piece_of_a_large_body_keep_no_message_waiting(
    tmp_path: Path,
) -> None:
    told, clock = Told(), Clock()
    async with sqlite_spool(tmp_path, clock, told=told) as spool:
        await accepted(spool)
        message, large = await new_message(spool), spool.new_body(spool.next_id())
        large.write(b"x" * (SETTINGS.body_in_memory + 1))
        told.batches.clear()
        accepting = asyncio.ensure_future(spool.accept(message))
        while not accepting.done():
            large.write(b"x")
            await asyncio.sleep(0)
        assert told.batches == [1], "the clock stood still all along"
        large.discard()


@on_loop
async def test_beside_small_mail_a_large_message_joins_the_commit_of_a_small_one(tmp_path: Path) -> None:
    told = Told()
    async with sqlite_spool(tmp_path, told=told) as spool:
        await accepted(spool)
        large = await new_message(spool, body=b"x" * (SETTINGS.body_in_memory + 1))
        small = await new_message(spool)
        told.batches.clear()
        stored = spool.accept(large)
        await asyncio.sleep(0)
        await spool.accept(small)
        assert stored.done()
        assert told.batches == [2]


@on_loop
async def test_a_loop_that_has_nothing_else_to_do_begins_a_commit_at_once(tmp_path: Path) -> None:
    told, clock = Told(), Clock()
    async with sqlite_spool(tmp_path, clock, told=told) as spool:
        await accepted(spool)
        messages = [await new_message(spool) for _ in range(3)]
        told.batches.clear()
        await _accept_in_rounds(spool, messages, clock, 10e-6)
        assert told.batches[0] == 1


@on_loop
async def test_a_settlement_shares_the_commit_of_the_message_that_comes_next(tmp_path: Path) -> None:
    told = Told()
    async with sqlite_spool(tmp_path, told=told) as spool:
        old, new = await accepted(spool), await new_message(spool)
        told.batches.clear()
        settled = settle(spool, Settlement(old, gone(0)))
        await asyncio.sleep(0)
        await spool.accept(new)
        assert settled.done()
        assert told.batches == [2]


@on_loop
async def test_a_settlement_without_company_is_stored_alone(tmp_path: Path) -> None:
    told = Told()
    async with sqlite_spool(tmp_path, told=told) as spool:
        old = await accepted(spool)
        told.batches.clear()
        await settle(spool, Settlement(old, gone(0)))
        assert told.batches == [1]


@on_loop
async def test_a_bug_of_one_that_hears_of_its_settlement_is_told_and_the_others_hear_too(
    tmp_path: Path,
) -> None:
    told, bugs = Told(), list[str]()

    def stored(_: object) -> None:
        raise KeyError("a bug")

    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: bugs.append(repr(context["exception"]))
    )
    async with sqlite_spool(tmp_path, told=told) as spool:
        first, second = await accepted(spool), await accepted(spool)
        told.batches.clear()
        spool.settle(Settlement(first, gone(0)), stored, lambda _: None)
        assert await settle(spool, Settlement(second, gone(0))) == ()
        assert told.batches == [2]
        assert bugs == ["KeyError('a bug')"]


@on_loop
async def test_a_bug_of_one_that_hears_of_a_refusal_is_told_and_the_others_hear_too(
    tmp_path: Path, faults: Faults
) -> None:
    bugs = list[str]()

    def refused(_: object) -> None:
        raise KeyError("a bug")

    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: bugs.append(repr(context["exception"]))
    )
    async with sqlite_spool(tmp_path, vfs="faulty") as spool:
        first, second = await accepted(spool), await accepted(spool)
        faults.fail_sync("-wal")
        spool.settle(Settlement(first, gone(0)), lambda _: None, refused)
        with pytest.raises(StorageFailed):
            await asyncio.wait_for(settle(spool, Settlement(second, gone(0))), 30)
        faults.heal()
        assert bugs == ["KeyError('a bug')"]


@on_loop
async def test_a_bug_in_what_follows_a_commit_keeps_it_from_nobody_and_ends_no_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bugs, real = list[str](), Accept.committed
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: bugs.append(repr(context["exception"]))
    )
    async with sqlite_spool(tmp_path) as spool:
        messages = [await new_message(spool) for _ in range(3)]

        def committed(self: Accept) -> None:
            if self.message is messages[0]:
                raise KeyError("a bug")
            real(self)

        monkeypatch.setattr(Accept, "committed", committed)
        lost, *others = [spool.accept(message) for message in messages]
        await asyncio.wait_for(asyncio.gather(*others), 10)
        await asyncio.wait_for(accepted(spool), 10)
        assert not lost.done()
        monkeypatch.setattr(spool._housekeeper, "committed", lambda: 1 / 0)
        await asyncio.wait_for(accepted(spool), 10)
        await asyncio.wait_for(accepted(spool), 10)
    assert bugs[0] == "KeyError('a bug')"
    assert len(bugs) == 3


@on_loop
async def test_a_bug_in_what_follows_a_refusal_keeps_it_from_nobody(
    tmp_path: Path, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    bugs, real = list[str](), Accept.refused
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: bugs.append(repr(context["exception"]))
    )
    async with sqlite_spool(tmp_path, vfs="faulty") as spool:
        messages = [await new_message(spool) for _ in range(3)]

        def refused(self: Accept, failure: Exception) -> None:
            if self.message is messages[0]:
                raise KeyError("a bug")
            real(self, failure)

        monkeypatch.setattr(Accept, "refused", refused)
        faults.fail_writes("-wal")
        _, *others = [spool.accept(message) for message in messages]
        results = await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), 10)
        assert [type(result) for result in results] == [DiskFull, DiskFull]
        faults.heal()
        await asyncio.wait_for(accepted(spool), 10)
    assert bugs == ["KeyError('a bug')"]


@on_loop
async def test_a_batch_hears_of_whatever_its_commit_raises(tmp_path: Path, faults: Faults) -> None:
    told = Told()
    spool = SqliteSpool(open_files(Layout(tmp_path, 0), vfs="faulty"), Clock(), SETTINGS, told.hooks())
    await accepted(spool)
    faults.sync = lambda _: ValueError("no error of SQLite")
    with pytest.raises(StorageFailed):
        await asyncio.wait_for(accepted(spool), 10)
    faults.heal()
    await spool.close()
    assert [shard for shard, _ in told.failed] == [0]


@on_loop
async def test_a_full_batch_of_settlements_waits_for_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sams.spool.gathering.COMPANY", 3600)
    settings = replace(SETTINGS, batch_members=4)
    async with sqlite_spool(tmp_path, settings=settings) as spool:
        waiting = [await accepted(spool) for _ in range(4)]
        await asyncio.gather(*(settle(spool, Settlement(each, gone(0))) for each in waiting))


@on_loop
async def test_closing_stores_a_settlement_that_still_looks_for_company(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sams.spool.gathering.COMPANY", 3600)
    async with sqlite_spool(tmp_path) as spool:
        settled = settle(spool, Settlement(await accepted(spool), gone(0)))
    await settled


@on_loop
async def test_a_batch_is_bounded_in_members_and_octets(tmp_path: Path) -> None:
    told = Told()
    settings = replace(SETTINGS, batch_members=4, batch_octets=10_000)
    async with sqlite_spool(tmp_path, settings=settings, told=told) as spool:
        await accepted(spool)
        told.batches.clear()
        small = [await new_message(spool) for _ in range(10)]
        await asyncio.gather(*map(spool.accept, small))
        assert told.batches == [4, 4, 2]
        told.batches.clear()
        large = [await new_message(spool, body=b"x" * 6_000) for _ in range(3)]
        await asyncio.gather(*map(spool.accept, large))
        assert told.batches == [1, 1, 1]


@on_loop
async def test_an_error_of_one_member_leaves_the_others_alone(tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        messages = [await new_message(spool) for _ in range(3)]
        messages.insert(1, messages[0])
        foreign = msgspec.structs.replace(await new_message(spool), id=IdMaker(Clock(), 5).next())
        surrogate = await new_message(spool, envid="\udcff")
        results = await asyncio.gather(
            *map(spool.accept, [*messages, foreign, surrogate]), return_exceptions=True
        )
        kinds = [type(result) for result in results]
        assert kinds == [tuple, StorageFailed, tuple, tuple, StorageFailed, StorageFailed]
        found = await spool.search(Search(), None, 10)
        assert len(found) == 3


@on_loop
async def test_a_full_disk_refuses_new_mail_and_stores_nothing_of_it(tmp_path: Path, faults: Faults) -> None:
    async with sqlite_spool(tmp_path, vfs="faulty") as spool:
        waiting = await accepted(spool)
        faults.fail_writes("-wal")
        with pytest.raises(DiskFull) as caught:
            await accepted(spool)
        assert str(caught.value.reply).startswith("452 4.3.1 ")
        faults.heal()
        after = await accepted(spool)
        assert [entry.message.id for entry in await spool.search(Search(), None, 10)] == [waiting, after]


@on_loop
async def test_a_settlement_is_tried_again_after_the_ballast_was_given_up(
    tmp_path: Path, faults: Faults
) -> None:
    async with sqlite_spool(tmp_path, vfs="faulty") as spool:
        message = await accepted(spool)
        ballast = spool.layout.ballast
        await asyncio.to_thread(_appears, ballast)

        def full_as_long_as_it_is_there(name: str) -> Exception | None:
            return apsw.FullError("injected") if name.endswith("-wal") and ballast.exists() else None

        faults.write = full_as_long_as_it_is_there
        new = spool.accept(await new_message(spool))
        settled = settle(spool, Settlement(message, gone(0)))
        await settled
        with pytest.raises(DiskFull):
            await new
        assert await spool.search(Search(), None, 10) == []


@on_loop
async def test_a_settlement_without_room_leaves_the_queue_as_it_was(tmp_path: Path, faults: Faults) -> None:
    async with sqlite_spool(tmp_path, vfs="faulty") as spool:
        message = await accepted(spool)
        faults.fail_writes("-wal")
        with pytest.raises(DiskFull):
            await settle(spool, Settlement(message, gone(0)))
        faults.heal()
        assert len(spool.claim("hub", 2e9, None, 10)[0]) == 1


@on_loop
async def test_a_failed_sync_is_never_trusted(tmp_path: Path, faults: Faults) -> None:
    told = Told()
    async with sqlite_spool(tmp_path, vfs="faulty", told=told) as spool:
        message = await accepted(spool)
        faults.fail_sync("-wal")
        both = spool.accept(await new_message(spool)), settle(spool, Settlement(message, gone(0)))
        for result in await asyncio.gather(*both, return_exceptions=True):
            assert isinstance(result, StorageFailed)
            assert str(result.reply).startswith("451 4.3.0 ")
        faults.heal()
        faults.writes.clear()
        later = [spool.next_id() for _ in range(2)]
        for identifier in later:
            with pytest.raises(TemporaryFailure, match="takes no more"):
                spool.new_body(identifier)
        with pytest.raises(StorageFailed):
            await settle(spool, Settlement(message, gone(0)))
        assert [shard for shard, _ in told.failed] == [0]
        [work], _ = spool.claim("hub", 2e9, None, 10)
        assert work.message.id == message
        assert spool.load(message).head
    assert [name for name in faults.writes if not name.endswith("-shm")] == []


@on_loop
async def test_a_failed_checkpoint_fails_the_shard(tmp_path: Path, faults: Faults) -> None:
    told = Told()
    settings = replace(SETTINGS, checkpoint_pages=1)
    async with sqlite_spool(tmp_path, vfs="faulty", told=told, settings=settings) as spool:
        faults.fail_sync("queue.db")
        while not told.failed:
            try:
                await accepted(spool)
            except StorageFailed:
                break
        assert [shard for shard, _ in told.failed] == [0]


@on_loop
async def test_the_log_stays_short_under_endless_load(tmp_path: Path) -> None:
    settings = replace(SETTINGS, checkpoint_pages=50, log_limit_pages=100)
    async with sqlite_spool(tmp_path, settings=settings) as spool:
        for _ in range(300):
            messages = [await new_message(spool) for _ in range(4)]
            await asyncio.gather(*map(spool.accept, messages))
        assert _size(f"{spool.layout.database}-wal") < 800 * 4096


@on_loop
async def test_the_file_shrinks_after_a_burst(tmp_path: Path) -> None:
    settings = replace(SETTINGS, shrink_pages=16, shrink_step=64, checkpoint_pages=50, log_limit_pages=100)
    async with sqlite_spool(tmp_path, settings=settings) as spool:
        messages = [await new_message(spool, body=b"x" * 100_000) for _ in range(50)]
        await asyncio.gather(*map(spool.accept, messages))
        await asyncio.gather(*(settle(spool, Settlement(each.id, gone(0))) for each in messages))
        async with asyncio.timeout(60):
            while int(spool._reader.pragma("page_count")) > 400:
                await accepted(spool)
    assert spool.layout.database.stat().st_size < 2_000_000


@on_loop
async def test_closing_on_a_full_disk_ends(tmp_path: Path, faults: Faults) -> None:
    async with sqlite_spool(tmp_path, vfs="faulty") as spool:
        message = await accepted(spool)
        faults.fail_writes("-wal")
        settled = settle(spool, Settlement(message, gone(0)))
        await spool.close()
        with pytest.raises(DiskFull):
            await settled


@pytest.mark.parametrize("moment", ["asked for", "granted"])
@on_loop
async def test_a_pause_whose_owner_was_cancelled_ends_no_commits(
    moment: str, tmp_path: Path, faults: Faults
) -> None:
    async with sqlite_spool(tmp_path, vfs="faulty") as spool:
        committer = spool._committer
        begin = committer._begin

        async def pause() -> None:
            async with committer.paused():
                await asyncio.sleep(60)

        def begin_and_cancel() -> None:
            begin()
            if committer._is_paused:
                paused.cancel()

        faults.entered.clear()
        faults.gate.clear()
        first = asyncio.ensure_future(accepted(spool))
        await asyncio.to_thread(faults.entered.wait, 30)
        paused = asyncio.ensure_future(pause())
        await asyncio.sleep(0)
        if moment == "asked for":
            paused.cancel()
        else:
            committer._begin = begin_and_cancel  # type: ignore[method-assign]
        faults.gate.set()
        await asyncio.wait_for(first, 30)
        await asyncio.wait([paused])
        await asyncio.wait_for(accepted(spool), 30)


@on_loop
async def test_closing_commits_what_waits(tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        future = spool.accept(await new_message(spool))
        await spool.close()
        await future
        with pytest.raises(StorageFailed):
            await settle(spool, Settlement("0" * 15, ()))
    async with sqlite_spool(tmp_path) as spool:
        assert len(await spool.search(Search(), None, 10)) == 1


async def _accept_in_rounds(
    spool: SqliteSpool, messages: list[NewMessage], clock: Clock, seconds: float
) -> None:
    """Accept a message in each round of the loop, of which each takes some time."""
    accepting: list[asyncio.Future[object]] = []
    for message in messages:
        accepting.append(asyncio.ensure_future(spool.accept(message)))
        clock.time += seconds
        await asyncio.sleep(0)
    await asyncio.gather(*accepting)


def _appears(path: Path) -> None:
    while not path.exists():
        time.sleep(0.001)


def _size(path: str) -> int:
    return Path(path).stat().st_size
