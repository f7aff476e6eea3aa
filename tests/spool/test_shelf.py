"""A shard that fails: the next one takes its queue over, and nothing that was accepted is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest

from sams.app.storage import Storage
from sams.core.errors import OperatorError
from sams.core.ids import shard_of
from sams.spool.backups import restore
from sams.spool.failed_shard import Page, take
from sams.spool.failures import StorageFailed
from sams.spool.interface import Search, Settled, Settlement
from sams.spool.layout import Layout, discover, make_new_shard, mark_failed, strays
from sams.spool.opening import open_files
from sams.spool.shelf import Shelf, open_shelf
from tests.spool.faulty import Faults, FaultyVFS
from tests.spool.rig import (
    DEFERRED,
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
    sqlite_spool,
)

LARGE = b"x" * (SETTINGS.body_in_memory + 1)


@pytest.fixture
def faults() -> Iterator[Faults]:
    found = Faults()
    with FaultyVFS("faulty", found):
        yield found


@asynccontextmanager
async def shelf(data_dir: Path, told: Told, vfs: str | None = "faulty") -> AsyncIterator[Shelf]:
    spool = Shelf(open_files(Layout(data_dir, 0), vfs=vfs), Clock(), SETTINGS, told.hooks())
    try:
        yield spool
    finally:
        await spool.close()


async def replaced(spool: Shelf, shard: int = 1) -> None:
    """Wait until the next shard is there and has taken all over."""
    async with asyncio.timeout(30):
        while spool.shard != shard:  # noqa: ASYNC110 - what it waits for is a thread's work
            await asyncio.sleep(0.001)
        await spool._active._take_overs.done()


@on_loop
async def test_mail_goes_on_in_a_new_shard(tmp_path: Path, faults: Faults) -> None:
    told = Told()
    async with shelf(tmp_path, told) as spool:
        old = [
            await accepted(spool, "a@x.org", "b@y.org>two"),
            await accepted(spool, body=LARGE, login="eve"),
        ]
        faults.fail_sync("-wal")
        with pytest.raises(StorageFailed):
            await accepted(spool)
        await replaced(spool)
        new = await accepted(spool)
        assert (shard_of(new), [shard for shard, _ in told.failed]) == (1, [0])
        found = await spool.search(Search(), None, 10)
        assert [entry.message.id for entry in found] == [*old, new]
        assert [use.recipients for use in sorted(spool.usage(0), key=lambda use: use.login)] == [3, 1]
        content = spool.load(old[1])
        assert (content.head, await read(content.body)) == (HEAD, LARGE)
        assert spool.load(old[0]).head == HEAD
        for message in (*old, new):
            await settle(spool, Settlement(message, gone(0, 1)))
        assert await spool.search(Search(), None, 10) == []
        with pytest.raises(KeyError):
            spool.load(old[1])


@on_loop
async def test_a_settlement_that_met_the_failure_is_kept_in_the_new_shard(
    tmp_path: Path, faults: Faults
) -> None:
    told = Told()
    async with shelf(tmp_path, told) as spool:
        message = await accepted(spool, "a@x.org", "b@x.org")
        faults.fail_sync("-wal")
        report = await new_message(spool, "ann@example.ac.uk", reverse_path=None)
        deferred = Settled(1, DEFERRED, START + 60)
        [work] = await settle(spool, Settlement(message, (*gone(0), deferred), (report,)))
        assert shard_of(work.message.id) == spool.shard == 1
        works, _ = spool.claim("hub", START + 60, None, 10)
        assert {each.message.id: [one.number for one in each.recipients] for each in works} == {
            work.message.id: [0],
            message: [1],
        }


@on_loop
async def test_the_failed_shard_is_not_written_and_not_opened_again(tmp_path: Path, faults: Faults) -> None:
    told = Told()
    async with shelf(tmp_path, told) as spool:
        message = await accepted(spool)
        faults.fail_sync("-wal")
        with pytest.raises(StorageFailed):
            await accepted(spool)
        faults.heal()
        await replaced(spool)
        before = _octets(tmp_path)
        await settle(spool, Settlement(message, (Settled(0, DEFERRED, START + 60),)))
        await spool.hold(Search())
    assert _octets(tmp_path) == before
    with pytest.raises(OperatorError, match="failed before and is only read"):
        open_files(Layout(tmp_path, 0))


@on_loop
async def test_after_a_restart_the_failed_shard_is_read_on(tmp_path: Path, faults: Faults) -> None:
    told = Told()
    async with shelf(tmp_path, told) as spool:
        messages = [await accepted(spool), await accepted(spool, body=LARGE)]
        faults.fail_sync("-wal")
        with pytest.raises(StorageFailed):
            await accepted(spool)
        await replaced(spool)
    before = _octets(tmp_path)
    again = open_shelf(tmp_path, 1, Clock(), SETTINGS)
    assert again.load(messages[0]).head == HEAD
    assert await read(again.load(messages[1]).body) == LARGE
    for message in messages:
        await settle(again, Settlement(message, gone(0)))
    await again.close()
    assert _octets(tmp_path) == before
    last = open_shelf(tmp_path, 1, Clock(), SETTINGS)
    assert last._active._take_overs.sources == {}
    await last.close()
    assert discover(tmp_path) == (1,)
    assert make_new_shard(tmp_path).shard == 2


@on_loop
async def test_a_shard_that_took_over_may_fail_itself(tmp_path: Path, faults: Faults) -> None:
    told, clock = Told(), Clock()
    spool = Shelf(open_files(Layout(tmp_path, 0), vfs="faulty"), clock, SETTINGS, told.hooks())
    first = await accepted(spool)
    spool._active.fail("the disk is sick")
    await replaced(spool)
    second = await accepted(spool, body=LARGE)
    clock.time += 10
    spool._active.fail("and again")
    await replaced(spool, 2)
    assert [entry.message.id for entry in await spool.search(Search(), None, 10)] == [first, second]
    assert spool.load(first).head == HEAD
    assert await read(spool.load(second).body) == LARGE
    for message in (first, second):
        await settle(spool, Settlement(message, gone(0)))
    assert spool.depth(START) == []
    await spool.close()


@on_loop
async def test_a_body_that_began_in_the_failed_shard_is_refused(tmp_path: Path, faults: Faults) -> None:
    async with shelf(tmp_path, Told()) as spool:
        message = await new_message(spool)
        spool._active.fail("the disk is sick")
        await replaced(spool)
        with pytest.raises(StorageFailed):
            await spool.accept(message)


@on_loop
async def test_a_shard_that_failed_without_a_successor_is_found_at_the_next_start(tmp_path: Path) -> None:
    messages: list[str] = []
    for shard in (0, 1):
        async with sqlite_spool(tmp_path, Clock(START + shard), shard=shard) as spool:
            messages.append(await accepted(spool))
        mark_failed(Layout(tmp_path, shard), "the disk was sick")
    for _ in range(2):
        told = Told()
        storage = Storage(tmp_path, 0, 1, clock=Clock(START + 10), settings=SETTINGS, hooks=told.hooks())
        storage.adopt()
        found: dict[str, Shelf] = {}
        for each in (storage.primary, *storage.further):
            await each._active._take_overs.done()
            found |= {entry.message.id: each for entry in await each.search(Search(), None, 10)}
        assert sorted(found) == sorted(messages)
        assert [found[message].load(message).head for message in messages] == [HEAD, HEAD]
        assert (told.failed, told.troubled) == ([], [])
        await storage.close()
    assert strays(tmp_path) == ()


@on_loop
async def test_messages_of_the_same_moment_in_two_shards_are_never_taken_for_one(tmp_path: Path) -> None:
    """Row numbers are times: two shards that serve at once may give the same."""
    messages: list[str] = []
    for shard in (0, 1, 2):
        async with sqlite_spool(tmp_path, Clock(), shard=shard) as spool:
            messages.append(await accepted(spool))
    for shard in (0, 1):
        mark_failed(Layout(tmp_path, shard), "the disk was sick")
    storage = Storage(tmp_path, 0, 1, clock=Clock(), settings=SETTINGS, hooks=Told().hooks())
    storage.adopt()
    found: list[str] = []
    for shelf_ in (storage.primary, *storage.further):
        await shelf_._active._take_overs.done()
        found += [entry.message.id for entry in await shelf_.search(Search(), None, 10)]
    assert sorted(found) == sorted(messages)
    await storage.close()


def test_two_messages_of_one_row_are_not_made_one() -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE message(id INTEGER PRIMARY KEY, shard INTEGER)")
    connection.execute("INSERT INTO message VALUES (7, 1)")
    with pytest.raises(ValueError, match="row 7 is a message of shard 1 here, and of 0 there"):
        take(connection, 0, Page([(7, 0)], [], 7, is_end=True), START)


@on_loop
async def test_a_backup_stands_without_the_failed_shard(tmp_path: Path) -> None:
    data, target, other, third = (tmp_path / name for name in ("data", "backup", "other", "third"))
    for folder in (data, other, third):
        folder.mkdir()
    async with shelf(data, Told(), vfs=None) as spool:
        messages = [await accepted(spool), await accepted(spool, body=LARGE)]
        spool._active.fail("the disk is sick")
        await replaced(spool)
        await spool.backup(str(target))
    assert not (target / "lacks").exists()
    assert restore(target, other) == 1
    async with sqlite_spool(other, shard=1) as spool_again:
        await spool_again.backup(str(tmp_path / "another"))
    assert restore(tmp_path / "another", third) == 1
    async with sqlite_spool(third, shard=1) as spool_again:
        assert spool_again.load(messages[0]).head == HEAD
        assert await read(spool_again.load(messages[1]).body) == LARGE
        for message in messages:
            await settle(spool_again, Settlement(message, gone(0)))
    assert list((third / "spool/shard-0001/bodies").iterdir()) == []


def _octets(data_dir: Path) -> dict[str, bytes]:
    folder = data_dir / "spool/shard-0000"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in {"queue.db-shm", "lock", "ballast", "taken-over"}
    }
