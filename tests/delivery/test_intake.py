"""What comes into the window, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from tests.delivery.rig import DEFERRED, rig, virtual

DAY = 86_400.0
YEAR = 365.25 * DAY


@pytest.mark.parametrize("years", [1, 12, 5_000])
@virtual
async def test_mail_that_was_put_off_by_a_clock_years_ahead_is_tried_as_soon_as_the_clock_is_right(
    years: int,
) -> None:
    made = rig()
    made.hub.script.append(DEFERRED)
    made.clock.offset += years * YEAR
    message = await made.accept()
    await asyncio.sleep(30)
    made.clock.offset -= years * YEAR
    made.restart()
    await asyncio.sleep(60)
    assert made.hub.ids == [message] * 2
    assert not made.spool.messages


@virtual
async def test_a_spool_that_cannot_be_read_for_what_lies_in_the_future_is_paused_for_half_a_minute() -> None:
    made = rig(started=False)
    made.begin()
    await asyncio.sleep(1)
    made.spool.read_failures.extend([OSError("input/output error")] * 4)
    await asyncio.sleep(40)
    passes = [one for lane in made.scheduler._lanes.values() for one in lane.passes.values()]
    assert all(one.next_due is None or one.next_due <= made.clock.now() + 30 for one in passes)
