"""Pages of what is overdue on a dead route."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sams.delivery.backoff import RetryPolicy
from sams.delivery.judge import Judge
from sams.delivery.sweep import Sweep, View
from tests.delivery.rig import REFUSED, Rig, rig, virtual

AGE = 4 * 3_600.0
POLICY = RetryPolicy()


def sweep(made: Rig, size: int = 3) -> Sweep:
    return Sweep("hub", made.spool, POLICY, Judge(POLICY, lambda: 0.5), size)


def view(ended: Callable[[], int] = lambda: 0, busy: str = "") -> View:
    return View(REFUSED, ended, lambda message: message == busy)


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
async def test_a_page_ends_before_a_message_in_hand_and_goes_on_there() -> None:
    made = rig(started=False)
    ids = [await made.store(age=AGE + 1) for _ in range(3)]
    one = sweep(made)
    assert await read(made, one, view(busy=ids[1])) == (ids[:1], False)
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
