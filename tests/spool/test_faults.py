"""R3 and R4, one call of the storage after the other: whatever fails, what was acknowledged stays, and mail goes on.

The same story is told again and again, each time with another call failing. A layer below SQLite does it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import pytest

from sams.core.errors import TemporaryFailure
from sams.spool.failures import DiskFull, StorageFailed
from sams.spool.interface import Search, Settlement
from sams.spool.layout import Layout, discover
from sams.spool.opening import open_files
from sams.spool.schema import PAGE_SIZE
from sams.spool.shelf import Shelf, open_shelf
from tests.spool.faulty import (
    READ_EIO,
    SIZE_EIO,
    SYNC_EIO,
    SYNC_ENOSPC,
    TRUNCATE_EIO,
    WRITE_EDQUOT,
    WRITE_EIO,
    WRITE_ENOSPC,
    Fault,
    Faults,
    FaultyVFS,
    Kind,
)
from tests.spool.rig import (
    HEAD,
    SETTINGS,
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

PASSES = [("write", WRITE_ENOSPC), ("write", WRITE_EDQUOT)]
"""What is over when there is room again: the shard is written on."""
ENDS = [
    ("sync", SYNC_EIO),
    ("sync", SYNC_ENOSPC),
    ("write", WRITE_EIO),
    ("read", READ_EIO),
    ("size", SIZE_EIO),
    ("truncate", TRUNCATE_EIO),
]
"""After what a shard is never written again."""
FILES = ["-wal", ".db"]


@pytest.fixture
def faults() -> Iterator[Faults]:
    found = Faults()
    with FaultyVFS("faulty", found):
        yield found


@dataclass
class Story:
    """What was said to the peers, by message."""

    acknowledged: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)
    refusals: list[TemporaryFailure] = field(default_factory=list)

    async def tell(self, spool: Shelf) -> None:
        """Three rounds of: some mail, small and large; most of it leaves; housekeeping."""
        for round_ in range(3):
            for body in (b"small\r\n", LARGE, b"also small\r\n"):
                await self._accept(spool, body)
            for message in sorted(self.acknowledged - self.left)[: 2 + round_]:
                await self._settle(spool, message)
            spool._active._housekeeper.free_log()
            await asyncio.sleep(0)

    async def _accept(self, spool: Shelf, body: bytes) -> None:
        try:
            message = await new_message(spool, body=body)
            await asyncio.wait_for(spool.accept(message), 30)
        except TemporaryFailure as failure:
            self.refusals.append(failure)
        else:
            self.acknowledged.add(message.id)

    async def _settle(self, spool: Shelf, message: str) -> None:
        try:
            await asyncio.wait_for(settle(spool, Settlement(message, gone(0))), 30)
        except TemporaryFailure as failure:
            self.refusals.append(failure)
        else:
            self.left.add(message)


async def _ends(spool: Shelf) -> None:
    async with asyncio.timeout(30):
        await spool._active._take_overs.done()
        await spool.close()


async def _waiting_after_restart(data_dir: Path) -> tuple[set[str], set[str]]:
    """What waits after a start, whose contents can be read, and all that waits."""
    whole, waits = set(), set()
    for shard in discover(data_dir):
        spool = open_shelf(data_dir, shard, Clock(), SETTINGS)
        await spool._active._take_overs.done()
        for entry in await spool.search(Search(), None, 100):
            waits.add(entry.message.id)
            content = spool.load(entry.message.id)
            if content.head == HEAD and await read(content.body):
                whole.add(entry.message.id)
        await spool.close()
    return whole, waits


def _cases() -> list[tuple[str, str, Kind, int]]:
    return [
        (call, ending, kind, first)
        for call, kind in (*PASSES, *ENDS)
        for ending in FILES
        for first in (0, 1, 4)
    ]


@pytest.mark.parametrize("case", _cases(), ids=lambda case: f"{case[0]}{case[1]}-{case[2].number}-{case[3]}")
@on_loop
async def test_whatever_call_fails_what_was_acknowledged_stays_and_mail_goes_on(
    case: tuple[str, str, Kind, int], tmp_path: Path, faults: Faults
) -> None:
    call, ending, kind, first = case
    told, story = Told(), Story()
    spool = Shelf(open_files(Layout(tmp_path, 0), vfs="faulty"), Clock(), SETTINGS, told.hooks())
    faults.fault = fault = Fault(call, ending, kind, first)
    await story.tell(spool)
    struck = fault.has_struck
    faults.heal()
    async with asyncio.timeout(30):
        while struck and told.failed and spool.shard == 0:  # noqa: ASYNC110 - what it waits for is a thread's work
            await asyncio.sleep(0.001)
    story.acknowledged.add(await accepted(spool))
    await _ends(spool)
    whole, waits = await _waiting_after_restart(tmp_path)
    lost = story.acknowledged - story.left - whole
    assert not lost, f"{fault}: {lost} of {waits}"
    assert bool(told.failed) == (struck and (call, kind) in ENDS)


@pytest.mark.parametrize(("call", "kind"), [("write", WRITE_ENOSPC), ("write", WRITE_EDQUOT)])
@on_loop
async def test_without_room_new_mail_gets_452_and_the_shard_goes_on_when_there_is_some(
    call: str, kind: Kind, tmp_path: Path, faults: Faults
) -> None:
    told = Told()
    async with sqlite_spool(tmp_path, told=told, vfs="faulty") as spool:
        faults.fault = Fault(call, "-wal", kind, many=1_000)
        with pytest.raises(DiskFull) as refused:
            await accepted(spool)
        assert str(refused.value.reply).startswith("452 4.3.1")
        faults.heal()
        await accepted(spool)
    assert told.failed == []


@pytest.mark.parametrize("kind", [SYNC_EIO, SYNC_ENOSPC])
@on_loop
async def test_a_sync_that_failed_is_not_tried_again_whatever_it_said(
    kind: Kind, tmp_path: Path, faults: Faults
) -> None:
    told = Told()
    async with sqlite_spool(tmp_path, told=told, vfs="faulty") as spool:
        kept = await accepted(spool)
        faults.fault = Fault("sync", "-wal", kind)
        with pytest.raises(StorageFailed) as refused:
            await accepted(spool)
        assert str(refused.value.reply).startswith("451 4.3.0")
        faults.writes.clear()
        with pytest.raises(StorageFailed):
            await accepted(spool)
        with pytest.raises(StorageFailed):
            await settle(spool, Settlement(kept, gone(0)))
        assert faults.writes == []
        assert [shard for shard, _ in told.failed] == [0]


@on_loop
async def test_a_quota_that_was_used_up_once_makes_no_full_disk_of_damage_that_comes_later(
    tmp_path: Path, faults: Faults
) -> None:
    """SQLite keeps the number of the system's last error beside errors that the system has no part in."""
    told = Told()
    spool = Shelf(open_files(Layout(tmp_path, 0), vfs="faulty"), Clock(), SETTINGS, told.hooks())
    for _ in range(100):
        await accepted(spool)
    faults.fault = Fault("write", "-wal", WRITE_EDQUOT)
    with pytest.raises(DiskFull):
        await accepted(spool)
    faults.heal()
    opened = spool._active._opened
    opened.checkpointer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    opened.writer.pragma("shrink_memory")
    size = opened.layout.database.stat().st_size
    with opened.layout.database.open("r+b") as file:
        file.seek(PAGE_SIZE * 2)
        file.write(b"\xee" * (size - PAGE_SIZE * 2))
    with pytest.raises(StorageFailed) as refused:
        await accepted(spool)
    assert "quota" not in refused.value.detail
    assert [shard for shard, _ in told.failed] == [0]
    async with asyncio.timeout(15):
        while spool.shard == 0:  # noqa: ASYNC110 - what it waits for is a thread's work
            await asyncio.sleep(0.001)
    await accepted(spool)
    await spool.close()
