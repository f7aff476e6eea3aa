"""Counting what waits: on the loop while that is quick, in a thread when it is not."""

from __future__ import annotations

from pathlib import Path

from sams.spool.sqlite import SqliteSpool
from tests.spool.rig import START, Clock, accepted, on_loop, sqlite_spool


class _SlowClock(Clock):
    """Every count seems to take a tenth of a second."""

    def monotonic(self) -> float:
        self.time += 0.1
        return self.time


@on_loop
async def test_a_slow_count_is_made_in_a_thread_and_not_too_often(tmp_path: Path) -> None:
    clock = _SlowClock()
    async with sqlite_spool(tmp_path, clock) as spool:
        await accepted(spool)
        await _counted(spool)
        before = spool.depth(START)
        await accepted(spool)
        assert spool.depth(START) == before
        assert not await _counted(spool)
        clock.time += 60
        spool.depth(START)
        assert await _counted(spool)
        assert [depth.recipients for depth in spool.depth(START)] == [2]


async def _counted(spool: SqliteSpool) -> bool:
    """Wait for the count under way; whether there was one."""
    counting = spool._depths._counting
    if counting is not None:
        await counting
    return counting is not None
