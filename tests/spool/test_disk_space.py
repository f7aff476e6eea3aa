"""Room on the disk: `min_free`, the ballast, and a disk that is really full."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sams.core.errors import TemporaryFailure
from sams.spool.disk_space import DiskSpace
from sams.spool.failures import DiskFull
from sams.spool.interface import Settlement
from sams.spool.settings import KIB, MIB
from sams.spool.sqlite import SqliteSpool
from tests.spool.rig import SETTINGS, Clock, accepted, gone, on_loop, read, settle, sqlite_spool


class _Disk:
    """A disk whose free space the test sets; counts how often it was looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
        self.free = free
        self.looks = 0
        monkeypatch.setattr("sams.spool.disk_space.os.statvfs", self._look)

    def _look(self, _: object) -> SimpleNamespace:
        self.looks += 1
        return SimpleNamespace(f_bavail=self.free, f_frsize=1)


def _room(
    folder: Path,
    clock: Clock,
    pool: ThreadPoolExecutor,
    *,
    unused: int = 0,
    log: int = 0,
    min_free: int = 1000,
    low: list[str] | None = None,
) -> DiskSpace:
    told: list[str] = [] if low is None else low
    return DiskSpace(
        folder / "ballast",
        min_free=min_free,
        ballast_size=100,
        clock=clock,
        unused=lambda: unused,
        log=lambda: log,
        on_low=lambda: told.append("low"),
        pool=pool,
    )


def test_room_is_looked_at_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    disk = _Disk(monkeypatch, 1050)
    with ThreadPoolExecutor(1) as pool:
        room = _room(tmp_path, clock, pool)
        for _ in range(10):
            room.check()
        disk.free = 999
        room.check()
        assert disk.looks == 1
        clock.time += 1
        with pytest.raises(DiskFull, match="999 octets are free, 1000 are wanted") as caught:
            room.check()
        assert str(caught.value.reply).startswith("452 4.3.1 ")
        disk.free = 1000
        clock.time += 1
        room.check()


def test_unused_pages_of_the_database_count_as_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _Disk(monkeypatch, 600)
    with ThreadPoolExecutor(1) as pool:
        _room(tmp_path, Clock(), pool, unused=400).check()
        with pytest.raises(DiskFull):
            _room(tmp_path, Clock(), pool, unused=399).check()


def test_the_ballast_is_made_where_there_is_room_and_given_up_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    disk = _Disk(monkeypatch, 1100)
    ballast = tmp_path / "ballast"
    with ThreadPoolExecutor(1) as pool:
        room = _room(tmp_path, clock, pool)
        room.check()
        pool.submit(lambda: None).result()
        assert not ballast.exists()
        disk.free, clock.time = 1101, clock.time + 1
        room.check()
        pool.submit(lambda: None).result()
        assert (ballast.stat().st_size, ballast.stat().st_mode & 0o777) == (100, 0o600)
        room.give_up_ballast()
        assert not ballast.exists()
        disk.free = 1099
        with pytest.raises(DiskFull, match="1100 are wanted"):
            room.check()
        disk.free, clock.time = 1101, clock.time + 1
        room.check()
        pool.submit(lambda: None).result()
        assert ballast.exists()


def test_without_a_ballast_the_room_to_copy_the_log_is_kept_and_the_log_is_copied_while_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    disk = _Disk(monkeypatch, 1040)
    low: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        room = _room(tmp_path, clock, pool, log=40, low=low)
        room.check()
        disk.free = 1039
        for _ in range(3):
            clock.time += 1
            with pytest.raises(DiskFull, match="1040 are wanted"):
                room.check()
        assert low == ["low"]
        disk.free, clock.time = 1040, clock.time + 1
        room.check()


def test_a_ballast_that_never_was_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _Disk(monkeypatch, 1050)
    with ThreadPoolExecutor(1) as pool:
        room = _room(tmp_path, Clock(), pool)
        room.check()
        room.give_up_ballast()
        room.check()


def test_what_was_let_in_since_the_last_look_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = _Disk(monkeypatch, 5 * MIB)
    with ThreadPoolExecutor(1) as pool:
        room = _room(tmp_path, Clock(), pool, min_free=3 * MIB)
        room.check(900 * KIB)
        disk.free = 3 * MIB - 1
        with pytest.raises(DiskFull):
            room.check(900 * KIB)


@on_loop
async def test_below_min_free_new_mail_is_refused_and_queued_mail_leaves(tmp_path: Path) -> None:
    async with sqlite_spool(tmp_path) as spool:
        message = await accepted(spool)
    async with sqlite_spool(tmp_path, settings=replace(SETTINGS, min_free=1 << 60)) as spool:
        with pytest.raises(DiskFull):
            spool.new_body(spool.next_id())
        await settle(spool, Settlement(message, gone(0)))
        assert spool.depth(2e9) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.faults
@on_loop
async def test_queued_mail_leaves_a_disk_that_is_too_small_for_a_ballast(small_disk: Path) -> None:
    clock = Clock()
    stored: list[str] = []
    settings = replace(SETTINGS, min_free=128 * KIB, ballast=64 * MIB, checkpoint_pages=100_000)
    async with sqlite_spool(small_disk, clock, settings) as spool:
        with suppress(DiskFull):
            while len(stored) < 1_000:
                stored.append(await accepted(spool, body=bytes(20 * KIB)))
        assert len(stored) < 1_000
        await _filled(small_disk, spool)
        for message in stored:
            await settle(spool, Settlement(message, gone(0)))
        assert spool.depth(2e9) == []


async def _filled(disk: Path, spool: SqliteSpool) -> None:
    """Somebody else takes all the rest, once the log was copied."""
    while spool._housekeeper._task is not None:
        await spool._housekeeper._task
    with suppress(OSError), (disk / "other").open("wb", buffering=0) as other:
        while True:
            other.write(bytes(4096))


@pytest.mark.faults
@pytest.mark.parametrize("size", [20 * KIB, 300 * KIB])
@on_loop
async def test_a_disk_that_is_full_is_a_temporary_state(size: int, small_disk: Path) -> None:
    settings = replace(SETTINGS, ballast=2 * MIB, checkpoint_pages=100, log_limit_pages=200)
    clock = Clock()
    stored: list[str] = []
    octets = os.urandom(size)
    async with sqlite_spool(small_disk, clock, settings) as spool:
        refused: list[TemporaryFailure] = []
        while len(refused) < 5:
            try:
                stored.append(await accepted(spool, body=octets))
            except TemporaryFailure as failure:
                refused.append(failure)
        assert {str(failure.reply)[:9] for failure in refused} == {"452 4.3.1"}
        assert len(stored) > 5
        for message in stored[::2]:
            await settle(spool, Settlement(message, gone(0)))
        await asyncio.get_running_loop().run_in_executor(spool._bodies.pool, lambda: None)
        left = stored[1::2]
        works, _ = spool.claim("hub", 2e9, None, 1000)
        assert [work.message.id for work in works] == left
        for message in left:
            assert await read(spool.load(message).body) == octets
        clock.time += 2
        left.append(await accepted(spool, body=octets))
    async with sqlite_spool(small_disk, clock, settings) as spool:
        works, _ = spool.claim("hub", 2e9, None, 1000)
        assert [work.message.id for work in works] == left
