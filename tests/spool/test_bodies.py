"""Bodies that arrive: in memory, in files, too fast, and on a disk that fails."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import threading
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sams.core.courtesy import Courtesy
from sams.core.errors import TemporaryFailure
from sams.core.turns import Turns
from sams.spool import bodies
from sams.spool.bodies import BodyStore, Entries, SpoolBodyWriter
from sams.spool.failures import DiskFull, StorageFailed, SyncFailed
from sams.spool.interface import DamagedEntry
from sams.spool.settings import KIB, MIB
from sams.spool.stored_body import BodyReading, FileBody
from tests.spool.rig import (
    SETTINGS,
    Told,
    accepted,
    new_message,
    on_loop,
    read,
    sqlite_spool,
    stored,
    written,
)

LIMIT = SETTINGS.body_in_memory


@on_loop
async def test_a_body_stays_in_memory_up_to_the_limit(tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        body = await written(spool, spool.next_id(), b"x" * LIMIT)
        assert body.in_memory() == b"x" * LIMIT
        assert _files(spool.layout.bodies) == []


@on_loop
async def test_a_larger_body_is_a_file_that_others_cannot_read(tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        identifier = spool.next_id()
        octets = os.urandom(3 * MIB + 1)
        body = await written(spool, identifier, octets)
        assert body.in_memory() is None
        assert _files(spool.layout.bodies) == [(identifier, 0o100600)]
        assert await read(body) == octets
        assert b"".join(body.blocking_chunks()) == octets


@on_loop
async def test_an_empty_body_is_a_body(tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        body = await written(spool, spool.next_id(), b"")
        assert (body.size, body.in_memory()) == (0, b"")


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(0, 90 * KIB), max_size=8), piece=st.integers(1, 300 * KIB))
def test_a_body_is_the_same_however_it_is_cut(
    sizes: list[int], piece: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async def run(folder: Path) -> None:
        store = BodyStore(folder, SETTINGS, lambda _: None)
        writer = SpoolBodyWriter(store, "body")
        pieces = [bytes([n]) * size for n, size in enumerate(sizes)]
        for chunk in pieces:
            writer.write(chunk)
        body = await stored(writer.finish())
        found = [chunk async for chunk in body.chunks(piece)]
        assert b"".join(found) == b"".join(pieces)
        assert all(len(chunk) <= piece for chunk in found)
        assert writer.size == body.size == sum(sizes)
        await store.close()

    asyncio.run(run(tmp_path_factory.mktemp("bodies")))


@on_loop
async def test_a_writer_that_is_ahead_of_the_disk_is_congested_until_it_caught_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sqlite_spool(tmp_path) as spool:
        gate = _Gate(os.pwrite)
        monkeypatch.setattr("sams.spool.bodies.os.pwrite", gate)
        writer = spool.new_body(spool.next_id())
        while not _is_congested(writer):
            writer.write(b"x" * 16 * KIB)
        assert writer.size == 3 * SETTINGS.body_write_most // 2 + 16 * KIB
        drained = writer.drained()
        assert not drained.done()
        gate.open()
        await drained
        assert not _is_congested(writer)
        assert (await stored(writer.finish())).size == writer.size


@on_loop
async def test_who_waits_goes_on_when_what_is_left_is_too_little_for_another_write(tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        writer = spool.new_body(spool.next_id())
        writer.write(b"x" * SETTINGS.body_write_most)
        writer.write(b"x" * (SETTINGS.body_write_most - 1))
        assert _is_congested(writer)
        await asyncio.wait_for(writer.drained(), 30)
        assert not _is_congested(writer)
        assert (await stored(writer.finish())).size == 2 * SETTINGS.body_write_most - 1


class _NoThreads(ThreadPoolExecutor):
    """A pool that must not be used."""

    def submit(self, *_: object, **__: object) -> NoReturn:
        raise AssertionError("a thread was asked for")


def _readers(pool: ThreadPoolExecutor) -> BodyReading:
    return BodyReading(pool, Turns(asyncio.get_running_loop(), Courtesy()))


@on_loop
async def test_a_body_that_is_still_in_memory_is_read_without_a_thread(tmp_path: Path) -> None:
    octets = b"".join(bytes([n % 256]) * KIB for n in range(600))
    (tmp_path / "body").write_bytes(octets)
    body = FileBody(tmp_path / "body", len(octets), zlib.crc32(octets), _readers(_NoThreads()))
    assert b"".join([chunk async for chunk in body.chunks(100_000)]) == octets


@on_loop
async def test_a_body_that_is_not_in_memory_is_read_by_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = b"".join(bytes([n % 256]) * KIB for n in range(1_200))
    (tmp_path / "body").write_bytes(octets)

    def would_block(*_: object) -> NoReturn:
        raise BlockingIOError

    monkeypatch.setattr("sams.spool.stored_body.os.preadv", would_block)
    with ThreadPoolExecutor(1) as pool:
        body = FileBody(tmp_path / "body", len(octets), zlib.crc32(octets), _readers(pool))
        found = [chunk async for chunk in body.chunks(100_000)]
    assert b"".join(found) == octets
    assert max(map(len, found)) == 100_000


@on_loop
async def test_a_reader_lets_others_have_their_turn(tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(bytes(MIB))
    body = FileBody(tmp_path / "body", MIB, zlib.crc32(bytes(MIB)), _readers(_NoThreads()))
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(turn)

    turn()
    assert len([chunk async for chunk in body.chunks(64 * KIB)]) == 16
    assert turns >= 16


@on_loop
async def test_many_writers_share_what_one_could_gather_alone_and_give_it_back(tmp_path: Path) -> None:
    store = BodyStore(tmp_path, SETTINGS, lambda _: None)
    assert store.share == SETTINGS.body_write_most
    writers = [SpoolBodyWriter(store, str(number)) for number in range(200)]
    for writer in writers:
        writer.write(b"x" * (LIMIT + 1))
    assert store.share * 200 <= SETTINGS.bodies_pending
    for writer in writers[:100]:
        writer.discard()
    for writer in writers[100:]:
        await stored(writer.finish())
        writer.discard()
    assert (store.files, store.share) == (0, SETTINGS.body_write_most)
    await store.close()


def test_a_sync_of_the_folder_covers_the_entries_made_before_it_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    monkeypatch.setattr("sams.spool.bodies.os.fsync", syncs.append)
    entries = Entries(tmp_path)
    first, second = entries.made(), entries.made()
    entries.sync(first)
    entries.sync(second)
    assert len(syncs) == 1
    third = entries.made()
    entries.sync(third)
    entries.sync(first)
    assert len(syncs) == 2
    entries.close()


def test_an_entry_made_while_the_folder_is_synced_needs_another_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries, made, syncs = Entries(tmp_path), list[int](), list[int]()

    def sync(descriptor: int) -> None:
        syncs.append(descriptor)
        made.append(entries.made())

    monkeypatch.setattr("sams.spool.bodies.os.fsync", sync)
    entries.sync(entries.made())
    entries.sync(made[0])
    assert len(syncs) == 2
    entries.close()


def test_after_a_sync_of_the_folder_that_failed_none_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([OSError(errno.EIO, "the disk is gone")])

    def fail_once(_: int) -> None:
        for error in answers:
            raise error

    entries = Entries(tmp_path)
    monkeypatch.setattr("sams.spool.bodies.os.fsync", lambda _: None)
    on_disk = entries.made()
    entries.sync(on_disk)
    monkeypatch.setattr("sams.spool.bodies.os.fsync", fail_once)
    lost = entries.made()
    for entry in (lost, lost, entries.made()):
        with pytest.raises(SyncFailed):
            entries.sync(entry)
    entries.sync(on_disk)
    entries.close()


@on_loop
async def test_a_file_that_takes_long_to_remove_keeps_no_body_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr("sams.spool.bodies._unlink", lambda _: gate.wait())
    store = BodyStore(tmp_path, SETTINGS, lambda _: None)
    store.remove([str(number) for number in range(2 * SETTINGS.body_threads)])
    writer = SpoolBodyWriter(store, "body")
    writer.write(b"x" * (LIMIT + 1))
    assert (await stored(writer.finish())).size == LIMIT + 1
    gate.set()
    await store.close()


@on_loop
async def test_two_hundred_writers_of_fifty_mebibytes_stay_within_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk takes nothing for a while, then all is waiting: what the spool keeps is bounded."""
    monkeypatch.setattr("sams.spool.bodies.os.fsync", lambda _: None)
    async with sqlite_spool(tmp_path) as spool:
        tracemalloc.start()
        try:
            writers = [_Sender(spool.new_body(spool.next_id())) for _ in range(200)]
            await asyncio.gather(*(sender.send(256 * KIB) for sender in writers))
            gate = _Gate(os.pwrite)
            monkeypatch.setattr("sams.spool.bodies.os.pwrite", gate)
            tasks = [asyncio.ensure_future(sender.send(50 * MIB)) for sender in writers]
            await asyncio.gather(*(sender.stopped.wait() for sender in writers))
            _, peak = tracemalloc.get_traced_memory()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for sender in writers:
                sender.writer.discard()
            gate.open()
        finally:
            tracemalloc.stop()
    assert peak < 2 * SETTINGS.bodies_pending + 200 * LIMIT < 100 * MIB


@on_loop
async def test_a_discarded_body_leaves_no_file(tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        for _ in range(5):
            early, late, done = (spool.new_body(spool.next_id()) for _ in range(3))
            early.write(b"x" * (LIMIT + 1))
            early.discard()
            late.write(b"x" * (LIMIT + 1))
            finishing = late.finish()
            late.discard()
            with pytest.raises(StorageFailed):
                await stored(finishing)
            done.write(b"x" * (LIMIT + 1))
            await stored(done.finish())
            done.discard()
            spool.new_body(spool.next_id()).discard()
    assert _files(spool.layout.bodies) == []


@on_loop
async def test_discarding_an_accepted_body_does_not_remove_it(tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        message = await new_message(spool)
        writer = spool.new_body(message.id)
        writer.write(b"x" * (LIMIT + 1))
        body = await stored(writer.finish())
        await spool.accept(replace(message, body=body))
        writer.discard()
        assert await read(spool.load(message.id).body) == b"x" * (LIMIT + 1)


@dataclass(frozen=True)
class Failing:
    """A system call that fails, what the peer is told, and how many shards have failed by it."""

    call: str
    code: int
    kind: type[TemporaryFailure]
    shards_failed: int


FAILURES = [
    Failing("pwrite", errno.ENOSPC, DiskFull, 0),
    Failing("pwrite", errno.EDQUOT, DiskFull, 0),
    Failing("pwrite", errno.EIO, StorageFailed, 1),
    Failing("fsync", errno.EIO, StorageFailed, 1),
    Failing("fsync", errno.ENOSPC, DiskFull, 0),
    Failing("open", errno.ENOSPC, DiskFull, 0),
    Failing("open", errno.EIO, StorageFailed, 1),
    Failing("open", errno.EMFILE, StorageFailed, 0),
]


@pytest.mark.parametrize("case", FAILURES)
@on_loop
async def test_a_body_that_cannot_be_stored_is_refused(
    case: Failing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(case.code, os.strerror(case.code))

    told = Told()
    async with sqlite_spool(tmp_path, told=told) as spool:
        with monkeypatch.context() as patch:
            patch.setattr(f"sams.spool.bodies.os.{case.call}", fail)
            writer = spool.new_body(spool.next_id())
            writer.write(b"x" * (LIMIT + 1))
            with pytest.raises(case.kind):
                await stored(writer.finish())
            writer.write(b"more is taken and dropped")
            assert not writer.is_congested
            with pytest.raises(case.kind):
                writer.finish()
    assert _files(spool.layout.bodies) == []
    assert len(told.failed) == case.shards_failed


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM])
@on_loop
async def test_a_folder_whose_sync_failed_is_never_trusted_again(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry of another body may be lost with it, though the sync of that one succeeds."""
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    told = Told()
    async with sqlite_spool(tmp_path, told=told) as spool:
        with monkeypatch.context() as patch:
            patch.setattr("sams.spool.bodies.os.fsync", fail)
            writer = spool.new_body(spool.next_id())
            writer.write(b"x" * (LIMIT + 1))
            with pytest.raises(StorageFailed):
                await stored(writer.finish())
        with pytest.raises(StorageFailed):
            await accepted(spool)
    assert len(told.failed) == 1


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.unlink(), "missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "octets"),
        (lambda path: path.write_bytes(b"y" + path.read_bytes()[1:]), "checksum"),
    ],
)
@on_loop
async def test_a_damaged_file_is_found_while_it_is_read(damage: Any, words: str, tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        body = await written(spool, spool.next_id(), b"x" * (LIMIT + 1))
        assert isinstance(body, FileBody)
        damage(body.path)
        with pytest.raises(DamagedEntry, match=words):
            await read(body)


@on_loop
async def test_reading_may_end_early_and_leaves_no_descriptor(tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        body = await written(spool, spool.next_id(), b"x" * MIB)
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count of names
        for _ in range(20):
            chunks = body.chunks(1000)
            await anext(chunks)
            await chunks.aclose()  # type: ignore[attr-defined]  # an async generator
            task = asyncio.ensure_future(read(body))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        await asyncio.get_running_loop().run_in_executor(spool._bodies.pool, lambda: None)
        await asyncio.get_running_loop().run_in_executor(spool._bodies.pool, lambda: None)
        assert len(os.listdir("/proc/self/fd")) <= before + 1  # noqa: PTH208 - a count of names


def test_write_back_works_with_and_without_its_system_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10_000)
    descriptor = os.open(path, os.O_WRONLY)
    bodies.begin_write_back(descriptor, 0, 10_000)
    monkeypatch.setattr(bodies, "_sync_file_range", None)
    bodies.begin_write_back(descriptor, 0, 10_000)
    os.close(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        bodies.begin_write_back(descriptor, 0, 1)


def _is_congested(writer: SpoolBodyWriter) -> bool:
    return writer.is_congested


class _Gate:
    """A system call that waits until it is opened."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._event = threading.Event()

    def open(self) -> None:
        self._event.set()

    def __call__(self, *arguments: Any) -> Any:
        self._event.wait()
        return self._call(*arguments)


class _Sender:
    """A peer that is read unless its writer is congested."""

    def __init__(self, writer: SpoolBodyWriter) -> None:
        self.writer = writer
        self.stopped = asyncio.Event()

    async def send(self, octets: int) -> None:
        for _ in range(octets // (32 * KIB)):
            self.writer.write(bytes(32 * KIB))
            if self.writer.is_congested:
                self.stopped.set()
                await self.writer.drained()
                self.stopped.clear()


def _files(folder: Path) -> list[tuple[str, int]]:
    return sorted((entry.name, entry.stat().st_mode) for entry in folder.iterdir())
