"""What people hear of storage that failed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sams.activity.metrics import Board
from sams.app.storage_watch import StorageWatch
from sams.spool.standings import Standing


class FakeStorage:
    troubles = ()
    shortage = ""

    def __init__(self, *standings: Standing) -> None:
        self._standings = list(standings)

    async def standings(self) -> list[Standing]:
        return self._standings

    async def damaged(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        (Standing(3, "EIO", 0.0, waiting=2, is_taken_over=True), "2 messages are still to be delivered from"),
        (
            Standing(3, "EIO", 0.0, is_taken_over=True, set_aside=4),
            "/spool/shard-0003, and 4 set aside (`sams queue damaged list`): leave it there",
        ),
    ],
)
def test_a_failed_shard_is_named_with_all_that_lies_there_alone(
    standing: Standing, words: str, tmp_path: Path
) -> None:
    watch = StorageWatch(FakeStorage(standing), Board(1).slot(0), lambda: (), tmp_path)  # type: ignore[arg-type]
    [line] = asyncio.run(watch.problems())
    assert words in line
    [shown] = asyncio.run(watch.failed_shards())
    assert (shown.waiting, shown.set_aside) == (standing.waiting, standing.set_aside)


def test_a_full_disk_is_a_problem_while_new_mail_is_refused(tmp_path: Path) -> None:
    storage = FakeStorage()
    watch = StorageWatch(storage, Board(1).slot(0), lambda: (), tmp_path)  # type: ignore[arg-type]
    assert asyncio.run(watch.problems()) == ()
    storage.shortage = "5 octets are free, 1048576 are wanted (min_free)"
    [line] = asyncio.run(watch.problems())
    assert "new mail is refused" in line
    assert "5 octets are free" in line
