"""Back-pressure: who waits before the next message, for how long, and who does not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from sams.activity.events import ServiceChanged, ServiceEvent
from sams.delivery.inflow import LONGEST, Inflow
from sams.delivery.window import Job, Window
from tests.delivery.rig import virtual
from tests.delivery.test_window import SPOOL, work

SIZE = 80
OPEN = SIZE * 3 // 4
MANY, FEW = "many", "few"


@dataclass
class Hall:
    """A window, and who waits in it."""

    window: Window = field(default_factory=lambda: Window(SIZE))
    told: list[ServiceEvent] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    inflow: Inflow = field(init=False)

    def __post_init__(self) -> None:
        self.inflow = Inflow(self.window, {MANY: OPEN, FEW: 1}.__getitem__, self.told.append)

    def fill(self, count: int) -> None:
        self.jobs += [self.window.add(work(), SPOOL) for _ in range(count)]

    def leave(self, count: int = 1) -> None:
        for _ in range(count):
            self.window.remove(self.jobs.pop())

    def wait(self, login: str = MANY) -> asyncio.Future[None]:
        turn = self.inflow.admit(login)
        assert turn is not None
        return turn

    @property
    def changes(self) -> list[str]:
        return [one.what for one in self.told if isinstance(one, ServiceChanged)]


def test_with_room_in_the_window_nobody_waits() -> None:
    hall = Hall()
    hall.fill(OPEN - 1)
    assert hall.inflow.admit(MANY) is None
    assert hall.told == []


@virtual
async def test_when_it_is_full_each_message_that_leaves_lets_one_begin_in_the_order_of_asking() -> None:
    hall = Hall()
    hall.fill(OPEN)
    turns = [hall.wait() for _ in range(3)]
    for let_go in range(1, 4):
        hall.leave()
        assert [turn.done() for turn in turns] == [place < let_go for place in range(3)]


@virtual
async def test_nobody_waits_longer_than_some_seconds() -> None:
    hall = Hall()
    hall.fill(OPEN)
    turn = hall.wait()
    await asyncio.wait_for(turn, LONGEST + 1)
    assert turn.done()


@virtual
async def test_who_waited_the_full_time_takes_nobodys_turn() -> None:
    hall = Hall()
    hall.fill(OPEN)
    late = hall.wait()
    await asyncio.sleep(LONGEST)
    turn = hall.wait()
    hall.leave()
    assert (late.done(), turn.done()) == (True, True)


@virtual
async def test_a_member_with_little_in_the_window_does_not_wait_until_all_of_it_is_full() -> None:
    hall = Hall()
    hall.fill(OPEN)
    hall.wait()
    assert hall.inflow.admit(FEW) is None
    hall.fill(SIZE - OPEN)
    assert not hall.wait(FEW).done()


@virtual
async def test_it_is_over_when_half_is_free_again_and_told_once_each_way() -> None:
    hall = Hall()
    hall.fill(OPEN)
    turns = [hall.wait() for _ in range(OPEN)]
    hall.leave(OPEN // 2)
    assert sum(turn.done() for turn in turns) == OPEN // 2
    assert hall.changes == ["accepting slows"]
    hall.leave()
    assert all(turn.done() for turn in turns)
    assert hall.inflow.admit(MANY) is None
    assert hall.changes == ["accepting slows", "accepting at full speed"]


@virtual
async def test_a_peer_that_went_meanwhile_does_not_disturb_those_behind() -> None:
    hall = Hall()
    hall.fill(OPEN)
    gone, turn = hall.wait(), hall.wait()
    gone.cancel()
    hall.leave()
    assert turn.done()
    with pytest.raises(asyncio.CancelledError):
        gone.result()
