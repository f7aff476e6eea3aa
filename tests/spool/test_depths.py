"""Counting what waits: on the loop while little does, in a thread when much does."""

from __future__ import annotations

from pathlib import Path

import pytest

from sams.spool.depths import Depths
from tests.spool.rig import START, Clock, accepted, on_loop, sqlite_spool


@on_loop
async def test_a_long_count_is_made_in_a_thread_and_not_too_often(tmp_path: Path) -> None:
    clock = Clock()
    async with sqlite_spool(tmp_path, clock) as spool:
        await accepted(spool)
        depths = Depths(spool._reader, clock, spool._readers.read_in_thread, few=1)
        assert await _counted(depths)
        before = list(depths.now(START))
        assert [depth.recipients for depth in before] == [1]
        await accepted(spool)
        assert list(depths.now(START)) == before
        assert not await _counted(depths)
        clock.time += 60
        depths.now(START)
        assert await _counted(depths)
        assert [depth.recipients for depth in depths.now(START)] == [2]


@pytest.mark.parametrize(("few", "is_exact"), [(3, True), (2, False)])
@on_loop
async def test_few_are_counted_at_once(few: int, is_exact: bool, tmp_path: Path) -> None:
    clock = Clock()
    async with sqlite_spool(tmp_path, clock) as spool:
        depths = Depths(spool._reader, clock, spool._readers.read_in_thread, few=few)
        await _counted(depths)
        await accepted(spool, "a@x.org", "b@x.org")
        assert bool(depths.now(START)) is is_exact


async def _counted(depths: Depths) -> bool:
    """Wait for the count under way; whether there was one."""
    counting = depths._counting
    if counting is not None:
        await counting
    return counting is not None
