"""Counting what waits: on the loop while that is quick, in a thread when it is not."""

from __future__ import annotations

from pathlib import Path

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
        if spool._depths._counting is not None:
            await spool._depths._counting
        before = spool.depth(START)
        await accepted(spool)
        assert spool.depth(START) == before
        assert spool._depths._counting is None
        clock.time += 60
        spool.depth(START)
        assert spool._depths._counting is not None
        await spool._depths._counting
        assert [depth.recipients for depth in spool.depth(START)] == [2]
