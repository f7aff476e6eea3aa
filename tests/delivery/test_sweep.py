"""Pages of what is overdue on a dead route, and who waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType

from msgspec.structs import replace

from sams.delivery.backoff import RetryPolicy
from sams.delivery.judge import Judge
from sams.delivery.routes import Route, RouteTable
from sams.delivery.scheduler import RECHECK, SWEEP_ANEW, SWEEP_EVERY
from sams.delivery.sweep import Sweep, View
from sams.delivery.window import Step
from sams.spool.interface import OnRefused, OnStored, Settlement
from tests.delivery.rig import DOWN, REFUSED, Rig, ScriptedHop, rig, virtual

AGE = 4 * 3_600.0
DAY = 86_400.0
POLICY = RetryPolicy()


def sweep(made: Rig, size: int = 3) -> Sweep:
    return Sweep("hub", made.spool, POLICY, Judge(POLICY, lambda: 0.5), size)


def view(ended: Callable[[], int] = lambda: 0, steps: Mapping[str, Step] = MappingProxyType({})) -> View:
    return View(REFUSED, ended, steps.get)


async def read(made: Rig, one: Sweep, seen: View) -> tuple[list[str], bool]:
    found, has_more = await one.page(AGE, made.clock.now(), seen)
    return [overdue.work.message.id for overdue in found], has_more


@virtual
async def test_each_message_is_read_once_however_often_the_sweep_runs() -> None:
    made = rig(started=False)
    ids = [await made.store(age=AGE + 1) for _ in range(7)]
    await made.store(age=AGE - 60)
    one = sweep(made)
    pages = [await read(made, one, view()) for _ in range(4)]
    assert pages == [(ids[:3], True), (ids[3:6], True), (ids[6:], False), ([], False)]


@virtual
async def test_a_page_ends_before_a_message_that_is_sent_and_goes_on_there() -> None:
    made = rig(started=False)
    ids = [await made.store(age=AGE + 1) for _ in range(3)]
    one = sweep(made)
    assert await read(made, one, view(steps={ids[0]: Step.WAITING, ids[1]: Step.SENDING})) == (ids[:1], False)
    assert await read(made, one, view()) == (ids[1:], False)


@virtual
async def test_a_page_leaves_out_a_message_that_is_settled_and_goes_on_behind_it() -> None:
    made = rig(started=False)
    ids = [await made.store(age=AGE + 1) for _ in range(4)]
    one = sweep(made)
    assert await read(made, one, view(steps={ids[1]: Step.SETTLING})) == ([ids[0], ids[2]], True)
    assert await read(made, one, view()) == (ids[3:], False)


@virtual
async def test_a_page_is_as_much_smaller_as_results_of_those_before_it_are_not_stored() -> None:
    made = rig(started=False)
    ids = [await made.store(age=AGE + 1) for _ in range(3)]
    one = sweep(made)
    one.unstored.update(asyncio.get_running_loop().create_future() for _ in range(2))
    assert await read(made, one, view()) == (ids[:1], True)
    one.unstored.add(asyncio.get_running_loop().create_future())
    assert await read(made, one, view()) == ([], False)
    one.unstored.clear()
    assert await read(made, one, view()) == (ids[1:], False)


@virtual
async def test_a_page_that_was_read_while_an_attempt_ended_does_not_count() -> None:
    made = rig(started=False)
    message = await made.store(age=AGE + 1)
    one = sweep(made)
    began = asyncio.get_running_loop().time()

    def ended() -> int:
        return int(asyncio.get_running_loop().time() > began)

    assert await read(made, one, view(ended)) == ([], False)
    assert await read(made, one, view()) == ([message], False)


@virtual
async def test_only_the_recipients_of_the_route_are_touched_and_nobody_who_is_told() -> None:
    made = rig(started=False)
    await made.store("a@x.example", "b@local.example", routes={"b@local.example": "local"}, age=AGE + 1)
    found, _ = await sweep(made).page(AGE, made.clock.now(), view())
    assert [one.number for one in found[0].work.recipients] == [0]
    assert [one.number for one in found[0].judgement.settled] == [0]


@virtual
async def test_who_arrived_slowly_hears_of_delay_and_expiry_though_later_ids_were_told_before() -> None:
    made = rig()
    made.hub.usual = DOWN
    slow = made.message()  # its id is given when DATA begins
    await asyncio.sleep(1_800)
    quick = await made.accept()
    await asyncio.sleep(300)
    arrived = made.clock.now()
    made.scheduler.submit(await made.spool.accept(replace(slow, arrived=arrived)), made.spool)
    for age, told in ((AGE, ["delayed"]), (POLICY.expire, ["delayed", "failed"])):
        await asyncio.sleep(arrived + age + SWEEP_ANEW + SWEEP_EVERY + RECHECK - made.clock.now())
        for message in (slow.id, quick):
            assert [what for what, about, _ in made.reporter.told if about == message] == told
    assert not made.spool.messages


@virtual
async def test_a_result_that_is_not_stored_keeps_nobody_else_from_being_told() -> None:
    made = rig(hops={"two": ScriptedHop(usual=DOWN)})
    made.hub.usual = DOWN
    settle, held = made.spool.settle, list[Callable[[], None]]()

    def settle_others(settlement: Settlement, stored: OnStored, refused: OnRefused) -> None:
        if settlement.message_id == stuck and not held:
            held.append(lambda: settle(settlement, stored, refused))
        else:
            settle(settlement, stored, refused)

    made.spool.settle = settle_others  # type: ignore[method-assign]
    stuck = await made.accept()
    await asyncio.sleep(60)
    mine = await made.accept()
    other = await made.accept("x@two.example", routes={"x@two.example": "two"})
    await asyncio.sleep(AGE + 600)
    assert {about for _, about, _ in made.reporter.told} == {stuck, mine, other}
    assert stuck not in {one.message_id for one in made.spool.settlements}
    held[0]()
    await asyncio.sleep(POLICY.expire)
    failed = [about for what, about, _ in made.reporter.told if what == "failed"]
    assert sorted(failed) == sorted([stuck, mine, other])


@virtual
async def test_a_hop_that_was_replaced_and_does_not_end_its_last_attempt_keeps_nobody_from_being_told() -> (
    None
):
    slow = ScriptedHop(seconds=DAY)
    made = rig(hops={"two": slow})
    made.hub.usual = DOWN
    await made.accept("x@two.example", routes={"x@two.example": "two"})
    await asyncio.sleep(1)
    made.hops["two"] = ScriptedHop()
    routes = RouteTable(
        [Route("two", ("two.example",)), Route("hub", ("*",)), Route("local", ("l.example",))]
    )
    made.scheduler.set_routes(routes, made.hops)
    message = await made.accept()
    await asyncio.sleep(AGE + 600)
    assert not slow.is_closed
    assert [(what, about) for what, about, _ in made.reporter.told] == [("delayed", message)]
