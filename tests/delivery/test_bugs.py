"""A bug of ours, wherever it strikes: it may end an attempt, but the job goes back and is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from sams.activity.events import Alarmed
from sams.core.outcome import Outcome
from sams.delivery.interface import GroupUnderWay, Landed
from sams.protocol.smtp.client_group import Group
from sams.spool.interface import Content, Work
from tests.delivery.rig import DEFERRED, DELIVERED, FAILED, Rig, ScriptedHop, rig, virtual
from tests.delivery.test_group import BDAT, delivered, relaying, smarthost
from tests.support.next_hop import NextHop
from tests.support.wire import WireLoop, on_wires

Break = Callable[[Rig], object]


def bug(*_: object, **__: object) -> Any:
    raise KeyError("a bug")


class Unable(ScriptedHop):
    """Takes groups, and breaks where it is handed one."""

    is_sound = False

    @property
    def has_idle_connection(self) -> bool:  # type: ignore[override]
        return not self.is_sound

    def deliver_group(  # type: ignore[override]
        self, parcels: Sequence[tuple[Work, Content]], landed: Landed, over: object
    ) -> GroupUnderWay | None:
        raise KeyError("a bug")


def in_health(made: Rig) -> object:
    lane = made.scheduler._lanes["hub"]
    lane.health.note = bug  # type: ignore[method-assign]
    return lane.health


def in_judge(made: Rig) -> object:
    judge = made.scheduler._conclusions._judge
    judge.judge = judge.all_delivered = bug  # type: ignore[method-assign]
    return judge


def in_telling(made: Rig) -> object:
    made.scheduler._conclusions._tell = bug
    return None


def mended(made: Rig, what: object) -> None:
    for name in ("note", "judge", "all_delivered"):
        if what is not None:
            vars(what).pop(name, None)
    made.scheduler._conclusions._tell = made.events.append


@pytest.mark.parametrize("how", [DELIVERED, FAILED, DEFERRED], ids=lambda how: how.result.value)
@pytest.mark.parametrize("where", [in_health, in_judge, in_telling])
@virtual
async def test_wherever_a_bug_strikes_the_job_goes_back_with_a_time_of_its_own(
    where: Break, how: Outcome
) -> None:
    made = rig()
    unheard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: unheard.append(about))
    made.hub.usual = how
    what = where(made)
    message = await made.accept()
    await asyncio.sleep(10)
    assert not len(made.window)
    assert made.faults
    assert made.hub.ids == [message]
    is_over = how is DELIVERED or (how is FAILED and where is in_health)
    assert (message in made.spool.messages) != is_over
    assert all(one.due > made.clock.now() for one in made.spool.recipients.get(message, {}).values())
    assert bool(unheard) == (where is in_telling)
    assert made.scheduler.status()[0].sending == made.scheduler.status()[0].settling == 0
    mended(made, what)
    made.hub.usual = DELIVERED
    await asyncio.sleep(600)
    assert message not in made.spool.messages
    assert made.hub.ids == [message] * (1 if is_over else 2)


@virtual
async def test_a_bug_is_told_with_the_reference_of_its_trace() -> None:
    made = rig()
    traces: dict[str, BaseException] = {}
    made.scheduler._conclusions._faulted = traces.__setitem__
    in_health(made)
    message = await made.accept()
    await asyncio.sleep(10)
    (alarm,) = [each for each in made.events if isinstance(each, Alarmed)]
    ((reference, trace),) = traces.items()
    assert alarm.text.startswith(f"delivery of {message} met an unexpected error")
    assert reference in alarm.text
    assert isinstance(trace, KeyError)


@virtual
async def test_a_group_that_could_not_be_begun_is_tried_again_later_and_holds_no_attempt() -> None:
    hop = Unable()
    made = rig(hops={"hub": hop})
    messages = [await made.accept(login=f"u{number}") for number in range(5)]
    await asyncio.sleep(10)
    assert not len(made.window)
    status = made.scheduler.status()[0]
    assert (status.sending, status.settling) == (0, 0)
    assert sorted(made.spool.messages) == sorted(messages)
    assert len(made.faults) == len(messages)
    hop.is_sound = True
    await asyncio.sleep(600)
    assert sorted(hop.ids) == sorted(messages)


@virtual
async def test_a_bug_behind_a_report_gives_nobody_up_unheard() -> None:
    made = rig()
    made.hub.usual = FAILED

    async def nothing(*_: object, **__: object) -> tuple[()]:
        return ()

    write = made.reporter.write
    made.reporter.write = nothing  # type: ignore[method-assign]
    made.scheduler._conclusions._tell_dropped = bug  # type: ignore[method-assign]
    message = await made.accept()
    await asyncio.sleep(10)
    assert list(made.spool.messages) == [message]
    assert not len(made.window)
    assert [type(each) for each in made.faults] == [KeyError]
    made.reporter.write = write  # type: ignore[method-assign]
    await asyncio.sleep(600)
    assert message not in made.spool.messages
    assert [(what, about) for what, about, _ in made.reporter.told] == [("failed", message)]


def test_a_group_whose_dialogue_breaks_as_it_begins_is_over_after_it_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main(loop: WireLoop) -> None:
        hop = NextHop(extensions=BDAT)
        hop.port = 25
        loop.peers[25] = hop.session
        one = smarthost(hop)
        made = relaying(one)
        await made.accept("warm@x.example")
        await asyncio.sleep(1)
        with monkeypatch.context() as patch:
            patch.setattr(Group, "hear", bug)
            await made.accept("a@x.example")
            await asyncio.sleep(1)
        status = made.scheduler.status()[0]
        assert (status.sending, status.settling, one.open_connections) == (0, 0, 0)
        assert len(made.faults) == 1
        await asyncio.sleep(600)
        assert delivered(hop) == {b"a@x.example": 1}
        await made.scheduler.drain(1)

    on_wires(main)
