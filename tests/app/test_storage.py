"""Every shard has one owner, however the number of workers changes."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from sams.app import storage as storage_module
from sams.app.storage import Storage
from sams.core.clock import SystemClock
from sams.spool.failures import ShardInUse
from sams.spool.hooks import Hooks
from sams.spool.layout import Layout, discover
from sams.spool.lock import ShardLock, acquire
from sams.spool.settings import Settings

SETTINGS = Settings(min_free=1, ballast=1_048_576)


def opened(folder: Path, number: int, workers: int) -> Storage:
    storage = Storage(folder, number, workers, clock=SystemClock(), settings=SETTINGS, hooks=Hooks())
    storage.adopt()
    return storage


async def shards_of(folder: Path, workers: int) -> list[list[int]]:
    """Which shards each of so many workers owns, all running at once."""
    running = [opened(folder, number, workers) for number in range(workers)]
    owned = [sorted(spool.shard for spool in storage.spools) for storage in running]
    for storage in running:
        await storage.close()
    return owned


def test_each_worker_has_a_shard_and_fewer_workers_own_them_all(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)

    async def scene() -> None:
        assert await shards_of(folder, 4) == [[0], [1], [2], [3]]
        assert await shards_of(folder, 1) == [[0, 1, 2, 3]]
        assert await shards_of(folder, 2) == [[0, 2], [1, 3]]
        assert await shards_of(folder, 3) == [[0, 3], [1], [2]]

    asyncio.run(scene())
    assert discover(folder) == (0, 1, 2, 3)


def test_a_shard_that_lost_its_owner_is_found_by_looking_again(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)

    async def scene() -> None:
        await shards_of(folder, 2)
        first = opened(folder, 0, 1)
        await first.close()
        holder = opened(folder, 1, 2)
        only = opened(folder, 0, 1)
        assert [spool.shard for spool in only.spools] == [0]
        await holder.close()
        assert [spool.shard for spool in only.adopt()] == [1]
        assert only.adopt() == []
        await only.close()

    asyncio.run(scene())


def held(folder: Path) -> ShardLock:
    """The lock of the first shard, as a command holds it that found no service."""
    folder.mkdir(mode=0o700)
    layout = Layout(folder, 0)
    layout.make()
    return acquire(layout)


def test_a_start_waits_for_a_command_that_has_the_shard(tmp_path: Path) -> None:
    lock = held(tmp_path / "data")

    async def scene() -> None:
        command = threading.Timer(0.2, lock.release)
        command.start()
        only = opened(tmp_path / "data", 0, 1)
        command.join()
        assert only.primary.shard == 0
        await only.close()

    asyncio.run(scene())


def test_a_start_beside_another_service_ends_with_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "LOCK_PATIENCE", 0.1)
    lock = held(tmp_path / "data")

    async def scene() -> None:
        with pytest.raises(ShardInUse, match="is in use by process"):
            opened(tmp_path / "data", 0, 1)

    asyncio.run(scene())
    lock.release()
