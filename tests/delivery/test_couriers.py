"""Jobs that go out in groups, with a hop that lands them by script, in virtual time."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from sams.activity.events import Attempted, ServiceEvent
from sams.core.outcome import Outcome
from sams.delivery.couriers import _Group
from sams.delivery.group_size import PATIENCE
from sams.delivery.interface import AttemptResult, GroupUnderWay, Hop, Landed, Unfinished
from sams.spool.interface import Content, Search, Work
from tests.delivery.rig import (
    DEFERRED,
    DELIVERED,
    DOWN,
    FAILED,
    REFUSED,
    Rig,
    ScriptedHop,
    rig,
    table,
    virtual,
)

Landing = AttemptResult | Unfinished


@dataclass
class Begun:
    """An attempt that goes on by `more`, or has brought `stops`."""

    more: Callable[[], Awaitable[AttemptResult]]
    stops: AttemptResult = DOWN
    is_untouched: bool = False

    async def run(self) -> AttemptResult:
        return await self.more()

    def stopped(self) -> AttemptResult:
        return self.stops


@dataclass
class UnderWay:
    size: int
    timer: asyncio.TimerHandle | None = None
    is_cut: bool = False

    def cut(self) -> None:
        assert self.timer is not None
        self.timer.cancel()
        self.is_cut = True


@dataclass
class GroupHop(ScriptedHop):
    """Lands a group after `seconds`, by `land` or as delivered; takes at most `takes` of it."""

    seconds: float = 0.01
    size: int = 4
    takes: int = 4
    groups: list[list[str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    land: dict[str, Callable[[], Landing]] = field(default_factory=dict)
    bug: Exception | None = None
    under_ways: list[UnderWay] = field(default_factory=list)

    @property
    def group_size(self) -> int:  # type: ignore[override]
        return self.size

    @property
    def has_idle_connection(self) -> bool:  # type: ignore[override]
        return True

    def deliver_group(  # type: ignore[override]
        self,
        parcels: Sequence[tuple[Work, Content]],
        landed: Landed,
        over: Callable[[Exception | None], None],
    ) -> GroupUnderWay | None:
        works = [work for work, _ in parcels[: self.takes]]
        if not works:
            return None
        under_way = UnderWay(len(works))
        self.groups.append([work.message.id for work in works])
        self.times.append(asyncio.get_running_loop().time())
        self.under_ways.append(under_way)

        def arrive() -> None:
            for work in works:
                if self.bug is not None and work.message.id in self.land:
                    over(self.bug)
                    return
                landed(self.land.get(work.message.id, lambda: all_of(DELIVERED))())
            over(None)

        under_way.timer = asyncio.get_running_loop().call_later(self.seconds, arrive)
        return under_way


def all_of(outcome: Outcome) -> AttemptResult:
    return AttemptResult((), Hop.WORKS, None, outcome.remote, "", outcome)


def one_of(outcome: Outcome, hop: Hop = Hop.WORKS) -> AttemptResult:
    return AttemptResult([(0, outcome)], hop, outcome if hop is not Hop.WORKS else None)


def grouping(**how: Any) -> tuple[Rig, GroupHop]:
    hop = GroupHop(**how)
    return rig(hops={"hub": hop}), hop


async def submit(made: Rig, count: int) -> list[str]:
    """Commit so many at one moment; their ids."""
    works = [await made.spool.accept(made.message(login=f"u{number}")) for number in range(count)]
    for work in works:
        made.scheduler.submit(work, made.spool)
    return [work[0].message.id for work in works]


@virtual
async def test_what_comes_at_one_moment_goes_in_groups() -> None:
    made, hop = grouping()
    ids = await submit(made, 10)
    await asyncio.sleep(1)
    assert hop.groups == [ids[:4], ids[4:8], ids[8:]]
    assert not made.spool.messages
    assert made.scheduler.status()[0].sending == 0


@virtual
async def test_what_comes_while_a_quick_hop_works_waits_for_its_end_and_goes_together() -> None:
    made, hop = grouping()
    first = await submit(made, 1)
    await asyncio.sleep(0.001)
    later = await submit(made, 1) + await submit(made, 1)
    await asyncio.sleep(1)
    assert hop.groups == [first, later]


@virtual
async def test_nothing_waits_longer_than_a_quick_hop_takes() -> None:
    made, hop = grouping(seconds=60.0)
    await submit(made, 1)
    await asyncio.sleep(0.001)
    await submit(made, 1)
    await asyncio.sleep(1)
    assert len(hop.groups) == 2
    assert PATIENCE / 2 < hop.times[1] - hop.times[0] <= PATIENCE + 0.01


@virtual
async def test_a_full_group_does_not_wait_for_another() -> None:
    made, hop = grouping(seconds=60.0)
    await submit(made, 1)
    await asyncio.sleep(0.001)
    full = await submit(made, 4)
    await asyncio.sleep(0.001)
    assert hop.groups[1:] == [full]


@virtual
async def test_what_a_hop_leaves_of_a_group_comes_next_in_its_order() -> None:
    made, hop = grouping(takes=2)
    ids = await submit(made, 4)
    await asyncio.sleep(1)
    assert sorted(each for group in hop.groups for each in group) == ids
    assert hop.groups[0] == ids[:2]
    assert not made.spool.messages


@virtual
async def test_large_messages_are_not_read_for_a_group_that_has_no_room_for_them() -> None:
    made = rig(hops={"hub": GroupHop()}, started=False)
    hop = cast("GroupHop", made.hub)
    ids = [await made.store(body=b"x" * 60_000) for _ in range(4)]
    made.begin()
    await asyncio.sleep(1)
    assert hop.groups == [ids[:2], ids[2:]]
    assert made.spool.loads == 4


@virtual
async def test_while_a_hop_is_down_a_single_message_probes() -> None:
    made, hop = grouping()
    works = [await made.spool.accept(made.message(login=f"u{number}")) for number in range(4)]
    ids = [work[0].message.id for work in works]
    hop.land = dict.fromkeys(ids, lambda: DOWN)
    for work in works:
        made.scheduler.submit(work, made.spool)
    await asyncio.sleep(5)
    hop.land = {}
    await asyncio.sleep(100)
    assert [len(group) for group in hop.groups[:2]] == [4, 1]
    assert not made.spool.messages


@virtual
async def test_a_hop_that_takes_nothing_of_a_group_is_given_each_by_itself() -> None:
    made, hop = grouping(takes=0)
    ids = await submit(made, 6)
    await asyncio.sleep(1)
    assert sorted(hop.ids) == ids
    assert not made.spool.messages


@virtual
async def test_each_of_a_group_has_its_own_end() -> None:
    made, hop = grouping()
    works = [await made.spool.accept(made.message(login=f"u{number}")) for number in range(4)]
    ids = [work[0].message.id for work in works]
    hop.land = {ids[1]: lambda: one_of(FAILED), ids[2]: lambda: one_of(DEFERRED)}
    for work in works:
        made.scheduler.submit(work, made.spool)
    await asyncio.sleep(1)
    assert hop.groups == [ids]
    assert list(made.spool.recipients) == [ids[2]]
    assert [(what, message) for what, message, _ in made.reporter.told] == [("failed", ids[1])]


@virtual
async def test_one_that_needs_more_than_the_groups_connection_goes_on_as_an_attempt() -> None:
    made, hop = grouping()

    async def more() -> AttemptResult:
        await asyncio.sleep(30)
        return one_of(DELIVERED)

    works = [await made.spool.accept(made.message(login=f"u{number}")) for number in range(3)]
    ids = [work[0].message.id for work in works]
    hop.land = {ids[0]: lambda: Begun(more)}
    for work in works:
        made.scheduler.submit(work, made.spool)
    await asyncio.sleep(1)
    assert list(made.spool.messages) == ids[:1]
    assert made.scheduler.status()[0].sending == 1
    await asyncio.sleep(30)
    assert not made.spool.messages
    assert made.scheduler.status()[0].sending == 0


@virtual
async def test_one_that_is_held_meanwhile_does_not_go_on_and_what_it_brought_is_settled() -> None:
    made, hop = grouping()
    tried: list[str] = []

    async def more() -> AttemptResult:
        tried.append("again")
        return one_of(DELIVERED)

    works = [
        await made.spool.accept(made.message("a@x.example", "b@x.example", login=f"u{number}"))
        for number in range(3)
    ]
    ids = [work[0].message.id for work in works]
    hop.land = {
        ids[0]: lambda: Begun(more),
        ids[1]: lambda: Begun(more, AttemptResult([(1, DELIVERED)], Hop.DOWN, REFUSED)),
    }
    for work in works:
        made.scheduler.submit(work, made.spool)
    await asyncio.sleep(0.005)
    await made.spool.hold(Search(ids=(ids[0], ids[1])))
    made.scheduler.forget(ids[:2])
    await asyncio.sleep(300)
    assert tried == []
    assert hop.groups == [ids]
    assert {key: list(left) for key, left in made.spool.recipients.items()} == {ids[0]: [0, 1], ids[1]: [0]}
    assert made.told("route down") == []
    assert not len(made.window)


@virtual
async def test_what_a_hop_had_not_said_a_word_of_waits_for_its_turn_again() -> None:
    made, hop = grouping()
    tried: list[str] = []

    async def more() -> AttemptResult:
        tried.append("at once")
        return one_of(DELIVERED)

    works = [await made.spool.accept(made.message(login=f"u{number}")) for number in range(4)]
    ids = [work[0].message.id for work in works]
    hop.land = {
        ids[0]: lambda: one_of(REFUSED, Hop.SUSPECT),
        **dict.fromkeys(ids[1:], lambda: Begun(more, is_untouched=True)),
    }
    for work in works:
        made.scheduler.submit(work, made.spool)
    await asyncio.sleep(0.015)
    assert sorted(made.spool.messages) == ids
    assert made.scheduler.status()[0].sending == 3
    hop.land = {}
    await asyncio.sleep(1)
    assert tried == []
    assert list(made.spool.messages) == ids[:1]
    assert hop.groups == [ids, ids[1:]]


@pytest.mark.parametrize("how", [DELIVERED, FAILED])
@virtual
async def test_a_bug_while_a_group_lands_neither_forgets_nor_repeats_what_the_hop_said(how: Outcome) -> None:
    made, hop = grouping()
    works = [await made.spool.accept(made.message(login=f"u{number}")) for number in range(3)]
    ids = [work[0].message.id for work in works]
    hop.land = {ids[1]: lambda: one_of(how)}
    for work in works:
        made.scheduler.submit(work, made.spool)

    def tell(event: ServiceEvent) -> None:
        if isinstance(event, Attempted) and event.message == ids[1]:
            raise KeyError("a bug")
        made.events.append(event)

    made.scheduler._conclusions._tell = tell
    await asyncio.sleep(1)
    made.scheduler._conclusions._tell = made.events.append
    assert [type(each) for each in made.faults] == [KeyError]
    assert made.alarms() == ["fault"]
    assert list(made.spool.messages) == ([] if how is DELIVERED else [ids[1]])
    assert not len(made.window)
    hop.land = {}
    await asyncio.sleep(2_000)
    assert not made.spool.messages
    assert [len(group) for group in hop.groups] == ([3] if how is DELIVERED else [3, 1])


@virtual
async def test_a_bug_in_a_group_defers_those_that_had_not_landed_and_is_told() -> None:
    made, hop = grouping(bug=KeyError("a bug"))
    works = [await made.spool.accept(made.message(login=f"u{number}")) for number in range(3)]
    ids = [work[0].message.id for work in works]
    hop.land = {ids[1]: lambda: one_of(DELIVERED)}
    for work in works:
        made.scheduler.submit(work, made.spool)
    await asyncio.sleep(1)
    assert sorted(made.spool.messages) == ids[1:]
    assert [type(each) for each in made.faults] == [KeyError, KeyError]
    hop.bug = None
    await asyncio.sleep(200)
    assert not made.spool.messages


@virtual
async def test_one_break_in_a_group_is_one_strike() -> None:
    made, hop = grouping()
    works = [await made.spool.accept(made.message(login=f"u{number}")) for number in range(4)]
    ids = [work[0].message.id for work in works]
    hop.land = {ids[1]: lambda: one_of(DEFERRED, Hop.SUSPECT)}
    for work in works:
        made.scheduler.submit(work, made.spool)
    await asyncio.sleep(1)
    assert made.told("route down") == []
    assert list(made.spool.messages) == [ids[1]]


@virtual
async def test_a_message_deleted_meanwhile_is_left_out_of_its_group() -> None:
    made = rig(hops={"hub": GroupHop()}, started=False)
    hop = cast("GroupHop", made.hub)
    ids = [await made.store() for _ in range(3)]
    del made.spool.contents[ids[1]]
    made.begin()
    await asyncio.sleep(0.001)
    assert hop.groups == [[ids[0], ids[2]]]


@virtual
async def test_at_the_end_a_group_is_cut_and_its_messages_stay() -> None:
    made, hop = grouping(seconds=500.0)
    ids = await submit(made, 3)
    await asyncio.sleep(0.1)
    began = asyncio.get_running_loop().time()
    await made.scheduler.drain(10.0)
    assert round(asyncio.get_running_loop().time() - began) == 10
    assert [each.is_cut for each in hop.under_ways] == [True]
    assert sorted(made.spool.messages) == ids
    assert not made.spool.settlements
    assert not len(made.window)


@virtual
async def test_a_hop_that_is_replaced_is_closed_after_its_last_group() -> None:
    made, hop = grouping(seconds=20.0)
    other = ScriptedHop()
    await submit(made, 2)
    await asyncio.sleep(0.1)
    made.scheduler.set_routes(table(made.hops), {**made.hops, "hub": other})
    seen = []
    for _ in range(2):
        await asyncio.sleep(12)
        seen.append(hop.is_closed)
    assert seen == [False, True]
    assert not made.spool.messages


@virtual
async def test_a_group_that_is_over_is_gone_with_its_octets_and_not_when_the_collector_comes_by() -> None:
    made, hop = grouping()
    gc.collect()
    gc.disable()
    try:
        await submit(made, 4)
        await asyncio.sleep(1)
        assert len(hop.groups) == 1
        hop.under_ways.clear()
        assert not [one for one in gc.get_objects() if type(one) is _Group]
    finally:
        gc.enable()
