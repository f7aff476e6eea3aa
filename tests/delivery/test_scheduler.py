"""The scheduler with scripted hops, in virtual time."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from sams.activity.events import Attempted, Reported
from sams.core.envelope import Notify
from sams.core.errors import TemporaryFailure
from sams.core.outcome import Result
from sams.core.reply import reply
from sams.delivery.backoff import RetryPolicy
from sams.delivery.interface import AttemptResult, Hop
from sams.delivery.routes import Route, RouteTable
from sams.delivery.window import Window
from sams.spool.interface import Search, Work
from tests.delivery.fake_spool import FakeSpool
from tests.delivery.rig import (
    DEFERRED,
    DELIVERED,
    DOWN,
    FAILED,
    REFUSED,
    Rig,
    ScriptedHop,
    answer,
    rig,
    virtual,
)

HOUR = 3_600.0
DAY = 24 * HOUR
DISK_FULL = TemporaryFailure(reply(452, "4.3.1", "no room"))


def reports(made: Rig) -> list[str]:
    return [what for what, _, _ in made.reporter.told]


@virtual
async def test_a_committed_message_is_sent_at_once_from_memory() -> None:
    made = rig()
    await asyncio.sleep(1)
    claims = made.spool.claims
    message = await made.accept()
    await asyncio.sleep(0.1)
    assert made.hub.ids == [message]
    assert (made.spool.loads, made.spool.claims, made.spool.messages) == (0, claims, {})
    assert len(made.window) == made.window.octets == 0


@virtual
async def test_what_waits_from_before_the_start_is_claimed() -> None:
    made = rig(started=False)
    stored = [await made.store() for _ in range(3)]
    made.begin()
    await asyncio.sleep(0.1)
    assert sorted(made.hub.ids) == stored
    assert not made.spool.messages


@virtual
async def test_a_deferred_recipient_is_tried_again_at_growing_intervals() -> None:
    made = rig()
    made.hub.script.extend([DEFERRED] * 8)
    await made.accept()
    await asyncio.sleep(6 * HOUR)
    times = [one.at for one in made.hub.sent]
    waits = [round(later - earlier) for earlier, later in itertools.pairwise(times)]
    assert waits == [60, 120, 240, 480, 960, 1_920, 3_600, 3_600]
    assert not made.spool.messages


@virtual
async def test_a_deferral_is_kept_to_the_second_though_nothing_else_wakes_the_scheduler() -> None:
    made = rig(policy=RetryPolicy(first=7, longest=7, probe_first=7))
    made.hub.script.append(DEFERRED)
    await made.accept()
    await asyncio.sleep(25)
    first, second = [one.at for one in made.hub.sent]
    assert round(second - first) == 7


@virtual
async def test_only_deferred_recipients_are_tried_again() -> None:
    made = rig()

    async def mixed(work: Work) -> AttemptResult:
        return AttemptResult(list(zip((0, 1, 2), (DELIVERED, DEFERRED, FAILED), strict=True)))

    made.hub.script.append(mixed)
    await made.accept("a@x.example", "b@x.example", "c@x.example")
    await asyncio.sleep(120)
    assert [one.recipients for one in made.hub.sent] == [
        ("a@x.example", "b@x.example", "c@x.example"),
        ("b@x.example",),
    ]
    assert [(what, numbers) for what, _, numbers in made.reporter.told] == [("failed", (2,))]


@virtual
async def test_a_dead_route_leaves_rows_alone_and_probes_with_one_message() -> None:
    made = rig()
    made.hub.usual = DOWN
    for _ in range(50):
        await made.accept()
    await asyncio.sleep(600)
    assert not made.spool.settlements
    assert [round(one.at) - 1_000 for one in made.hub.sent] == [0, 10, 30, 70, 150, 310, 610][
        : len(made.hub.sent)
    ]
    assert len(made.hub.sent) >= 6
    assert len(made.window) == 1
    made.hub.usual = DELIVERED
    await asyncio.sleep(400)
    assert not made.spool.messages
    assert len(made.told("route down")) == len(made.told("route up")) == 1


@virtual
async def test_a_dead_route_does_not_hold_up_another() -> None:
    made = rig(window=Window(8))
    made.hub.usual = DOWN
    for _ in range(40):
        await made.accept()
    await made.accept("bob@local.example", routes={"bob@local.example": "local"})
    await asyncio.sleep(0.1)
    assert len(made.hops["local"].sent) == 1


@virtual
async def test_a_slow_route_that_fills_the_window_does_not_hold_up_another() -> None:
    made = rig(window=Window(40))
    made.hub.seconds = 1_000.0
    for _ in range(100):
        await made.accept()
    assert len(made.window) <= 40
    await made.accept("bob@local.example", routes={"bob@local.example": "local"}, login="ben")
    await asyncio.sleep(0.1)
    assert len(made.hops["local"].sent) == 1


@virtual
async def test_a_member_with_many_messages_delays_another_by_a_turn() -> None:
    made = rig(window=Window(100))
    made.hub.seconds = 1.0
    made.hub.connections = 1
    for _ in range(1_000):
        await made.accept(login="busy")
    quiet = await made.accept(login="quiet")
    began = asyncio.get_running_loop().time()
    await asyncio.sleep(10)
    sent = {one.message_id: one.at for one in made.hub.sent}
    assert sent[quiet] - began <= 3.0
    assert len(made.window) <= 100


@virtual
async def test_the_window_holds_no_more_messages_than_it_may_and_everything_is_sent() -> None:
    made = rig(window=Window(20))
    made.hub.seconds = 0.01
    for _ in range(500):
        await made.accept()
        assert len(made.window) <= 20
    await asyncio.sleep(60)
    assert len(set(made.hub.ids)) == len(made.hub.ids) == 500
    assert not made.spool.messages


@virtual
async def test_content_beyond_the_window_is_loaded_when_the_attempt_begins() -> None:
    made = rig(window=Window(100, octets=3_000))
    made.hub.seconds = 1.0
    for _ in range(10):
        await made.accept(body=b"x" * 1_000)
    assert made.window.octets <= 3_000
    await asyncio.sleep(20)
    assert len(made.hub.sent) == 10
    assert made.spool.loads == 8
    assert made.window.octets == 0


@virtual
async def test_attempts_at_once_grow_to_the_connections_of_the_route_and_not_beyond() -> None:
    made = rig(hops={"hub": ScriptedHop(connections=10, seconds=1.0)})
    for _ in range(100):
        await made.accept()
    await asyncio.sleep(0.5)
    assert made.hub.most == 4
    await asyncio.sleep(60)
    assert made.hub.most == 10


@virtual
async def test_after_an_outage_the_route_is_ramped_up_from_one() -> None:
    made = rig(hops={"hub": ScriptedHop(connections=10)})
    made.hub.script.append(DOWN)
    for _ in range(100):
        await made.accept()
    made.hub.seconds = 1.0
    await asyncio.sleep(10.5)
    assert made.hub.under_way == 1
    await asyncio.sleep(1)
    assert made.hub.under_way == 2
    await asyncio.sleep(30)
    assert made.hub.most == 10


@virtual
async def test_a_hop_that_refuses_a_further_connection_is_not_down() -> None:
    made = rig(hops={"hub": ScriptedHop(connections=4, seconds=1.0)})

    async def crowded(work: Work) -> AttemptResult:
        await asyncio.sleep(0)
        if made.hub.under_way > 2:
            return DOWN
        return AttemptResult([(one.number, DELIVERED) for one in work.recipients])

    made.hub.usual = crowded
    for _ in range(50):
        await made.accept()
    await asyncio.sleep(60)
    assert not made.spool.messages
    assert not made.told("route down")


@virtual
async def test_a_message_that_makes_the_hop_hang_up_waits_alone() -> None:
    made = rig(hops={"hub": ScriptedHop(connections=1)})
    poison = await made.store()

    async def hang_up(work: Work) -> AttemptResult:
        if work.message.id == poison:
            return AttemptResult([(one.number, REFUSED) for one in work.recipients], Hop.SUSPECT, REFUSED)
        return AttemptResult([(one.number, DELIVERED) for one in work.recipients])

    made.hub.usual = hang_up
    made.scheduler.wake()
    others = [await made.accept() for _ in range(20)]
    await asyncio.sleep(1)
    assert set(made.hub.ids) == {poison, *others}
    assert set(made.spool.messages) == {poison}
    assert not made.told("route down")


@virtual
async def test_a_hop_that_hangs_up_on_every_message_is_down() -> None:
    made = rig(hops={"hub": ScriptedHop(connections=1)})

    async def hang_up(work: Work) -> AttemptResult:
        return AttemptResult([(one.number, REFUSED) for one in work.recipients], Hop.SUSPECT, REFUSED)

    made.hub.usual = hang_up
    for _ in range(20):
        await made.accept()
    await asyncio.sleep(5)
    assert len(made.hub.sent) == 3
    assert len(made.told("route down")) == 1


@virtual
async def test_a_failed_recipient_is_reported_in_the_same_commit_and_the_report_is_sent() -> None:
    made = rig()
    made.hub.script.append(FAILED)
    message = await made.accept()
    await asyncio.sleep(1)
    assert reports(made) == ["failed"]
    settlement = made.spool.settlements[0]
    assert len(settlement.reports) == 1
    assert made.hops["local"].ids == [settlement.reports[0].id]
    assert not made.spool.messages
    told = [one for one in made.events if isinstance(one, Reported)]
    assert told == [Reported(message=message, report=settlement.reports[0].id, what="failed", login="ann")]


@virtual
async def test_mail_without_a_reverse_path_is_never_reported() -> None:
    made = rig()
    made.hub.usual = FAILED
    await made.accept(sender=None, notify=Notify.SUCCESS | Notify.FAILURE)
    await asyncio.sleep(1)
    assert not made.reporter.told
    assert not made.spool.messages
    assert len(made.told("undeliverable report dropped")) == 1


@virtual
async def test_a_message_that_expires_is_reported_with_the_last_words_of_the_hop() -> None:
    made = rig()
    made.hub.usual = DEFERRED
    await made.accept()
    await asyncio.sleep(5 * DAY + HOUR)
    assert reports(made) == ["delayed", "failed"]
    last = made.spool.settlements[-2].recipients[0].outcome
    assert (str(last.reply.status), last.result, last.remote) == ("5.4.7", Result.FAILED, "hub.example:25")
    assert last.reply.lines == ("not deliverable within 5 days; the last reply was: 450 4.2.1 busy",)
    assert not made.spool.messages


@virtual
async def test_on_a_dead_route_senders_hear_of_delay_and_expiry_in_time() -> None:
    made = rig(window=Window(40))
    made.hub.usual = DOWN
    ids = {await made.accept() for _ in range(30)}
    await made.accept(notify=Notify.NEVER)
    await asyncio.sleep(4 * HOUR - 60)
    assert not made.reporter.told
    await asyncio.sleep(240)
    assert {one for what, one, _ in made.reporter.told if what == "delayed"} == ids
    assert len(made.reporter.told) == 30
    await asyncio.sleep(DAY)
    assert len(made.reporter.told) == 30
    await asyncio.sleep(4 * DAY)
    assert {one for what, one, _ in made.reporter.told if what == "failed"} == ids
    assert len(made.reporter.told) == 60
    assert not made.spool.messages


@virtual
async def test_on_a_dead_route_the_sweep_changes_no_due_time_and_counts_no_attempt() -> None:
    made = rig()
    made.hub.usual = DOWN
    ids = [await made.accept() for _ in range(3)]
    before = {one: made.spool.recipients[one][0].due for one in ids}
    await asyncio.sleep(5 * HOUR)
    for one in ids:
        recipient = made.spool.recipients[one][0]
        assert (recipient.due, recipient.attempts, recipient.delay_told) == (before[one], 0, True)


@virtual
async def test_a_route_that_is_gone_keeps_its_mail_until_it_expires() -> None:
    made = rig(started=False)
    await made.store(routes={"bob@example.org": "old"})
    made.scheduler.adopt(made.spool)
    made.scheduler.set_routes(RouteTable([Route("local", ("local.example",))]), {"local": made.hops["local"]})
    made.scheduler.start()
    await asyncio.sleep(5 * DAY + HOUR)
    assert reports(made) == ["delayed", "failed"]


@virtual
async def test_success_is_reported_when_asked_for_and_the_hop_did_not_take_it_over() -> None:
    made = rig()
    await made.accept(notify=Notify.SUCCESS)
    made.hub.script.extend([DELIVERED, answer(Result.DELIVERED, DELIVERED.reply, dsn=True)])
    await made.accept(notify=Notify.SUCCESS)
    await asyncio.sleep(1)
    assert reports(made) == ["delivered"]


@virtual
async def test_a_result_that_cannot_be_stored_is_stored_later_and_nothing_is_sent_twice() -> None:
    made = rig()
    made.spool.settle_failures.extend([DISK_FULL, DISK_FULL])
    await made.accept()
    await asyncio.sleep(1)
    assert len(made.window) == 1
    await asyncio.sleep(60)
    assert len(made.hub.sent) == 1
    assert not made.spool.messages
    assert made.alarms() == ["spool"]


@virtual
async def test_a_disk_that_takes_nothing_stops_delivery_after_one_window() -> None:
    made = rig(window=Window(10))
    made.spool.settle_failures.extend([DISK_FULL] * 1_000)
    for _ in range(50):
        await made.accept()
    await asyncio.sleep(HOUR)
    assert len(made.hub.sent) <= 10
    assert made.spool.claims < 2_000
    made.spool.settle_failures.clear()
    await asyncio.sleep(HOUR)
    assert len(made.hub.sent) == len(set(made.hub.ids)) == 50
    assert not made.spool.messages


@virtual
async def test_a_report_that_cannot_be_written_keeps_the_message_until_it_can() -> None:
    made = rig()
    made.hub.usual = FAILED
    made.reporter.failures.extend([DISK_FULL, DISK_FULL])
    await made.accept()
    await asyncio.sleep(1)
    assert len(made.spool.messages) == 1
    await asyncio.sleep(60)
    assert not made.spool.messages
    assert len(made.hub.sent) == 1
    assert reports(made) == ["failed"]


@virtual
async def test_a_spool_that_cannot_be_read_is_tried_again() -> None:
    made = rig(started=False)
    await made.store()
    made.spool.read_failures.extend([OSError("input/output error")] * 2)
    made.begin()
    await asyncio.sleep(120)
    assert not made.spool.messages
    assert made.alarms().count("spool") == 2


@virtual
async def test_an_error_of_ours_defers_the_message_and_stops_no_other() -> None:
    made = rig()
    made.hub.script.append(ValueError("a bug"))
    broken = await made.accept()
    await made.accept()
    await asyncio.sleep(1)
    assert set(made.spool.messages) == {broken}
    assert [str(error) for error in made.faults] == ["a bug"]
    assert made.alarms() == ["fault"]
    await asyncio.sleep(120)
    assert not made.spool.messages


@virtual
async def test_a_held_message_in_the_window_is_not_sent_and_goes_when_it_is_released() -> None:
    made = rig(hops={"hub": ScriptedHop(connections=1, seconds=1.0)})
    first, second = await made.accept(), await made.accept()
    await made.spool.hold(Search(ids=(first, second)))
    made.scheduler.forget([first, second])
    await asyncio.sleep(10)
    assert made.hub.ids == [first]
    assert set(made.spool.messages) == {second}
    await made.spool.release(Search(ids=(second,)))
    made.scheduler.wake()
    await asyncio.sleep(10)
    assert made.hub.ids == [first, second]


@virtual
async def test_after_a_hold_by_any_search_the_window_is_read_anew() -> None:
    made = rig(hops={"hub": ScriptedHop(connections=1, seconds=1.0)})
    ids = [await made.accept(login=login) for login in ("ann", "bad", "ann")]
    await made.spool.hold(Search(login="bad"))
    made.scheduler.reread()
    await asyncio.sleep(10)
    assert made.hub.ids == [ids[0], ids[2]]
    assert set(made.spool.messages) == {ids[1]}


@virtual
async def test_a_deleted_message_is_not_sent_again() -> None:
    made = rig(hops={"hub": ScriptedHop(connections=1, seconds=1.0, usual=DEFERRED)})
    message = await made.accept()
    await made.spool.delete(Search(ids=(message,)))
    made.scheduler.forget([message])
    await asyncio.sleep(HOUR)
    assert made.hub.ids == [message]


@virtual
async def test_wake_probes_a_dead_route_at_once() -> None:
    made = rig()
    made.hub.script.extend([DOWN] * 6)
    await made.accept()
    await asyncio.sleep(200)
    sent = len(made.hub.sent)
    made.hub.script.clear()
    made.scheduler.wake("hub")
    await asyncio.sleep(1)
    assert len(made.hub.sent) == sent + 1
    assert not made.spool.messages


@virtual
async def test_new_routes_move_what_waits_and_close_the_old_hop_after_its_last_attempt() -> None:
    made = rig(hops={"hub": ScriptedHop(connections=1, seconds=5.0)})
    old = made.hub
    ids = [await made.accept() for _ in range(5)]
    hops = {"new": ScriptedHop()}
    made.scheduler.set_routes(RouteTable([Route("new", ("*",))]), hops)
    await asyncio.sleep(1)
    assert sorted(hops["new"].ids) == ids[1:]
    assert [old.is_closed] == [False]
    await asyncio.sleep(10)
    assert old.ids == ids[:1]
    assert [old.is_closed] == [True]
    assert not made.spool.messages


@virtual
async def test_drain_lets_attempts_finish_and_begins_none() -> None:
    made = rig(hops={"hub": ScriptedHop(connections=1, seconds=5.0)})
    ids = [await made.accept() for _ in range(3)]
    await asyncio.sleep(1)
    await made.scheduler.drain(10.0)
    assert made.hub.ids == ids[:1]
    assert set(made.spool.messages) == set(ids[1:])
    assert made.hub.is_closed


@virtual
async def test_drain_cuts_what_takes_longer_than_its_grace_and_leaves_it_as_it_was() -> None:
    made = rig(hops={"hub": ScriptedHop(connections=1, seconds=500.0)})
    message = await made.accept()
    await asyncio.sleep(0.01)
    began = asyncio.get_running_loop().time()
    await made.scheduler.drain(10.0)
    assert asyncio.get_running_loop().time() - began == pytest.approx(10.0, abs=0.1)
    assert set(made.spool.messages) == {message}
    assert not made.spool.settlements
    made.hub.is_closed, made.hub.seconds = False, 0.0
    made.restart()
    await asyncio.sleep(1)
    assert made.hub.ids == [message]


@virtual
async def test_drain_stores_what_an_attempt_that_is_cut_has_brought_so_far() -> None:
    made = rig()

    async def cut(work: Work) -> AttemptResult:
        try:
            await asyncio.sleep(500)
        except asyncio.CancelledError:
            return AttemptResult([(work.recipients[0].number, DELIVERED)], Hop.DOWN, DEFERRED)
        raise AssertionError("it was not cut")

    made.hub.script.append(cut)
    message = await made.accept("one@example.com", "two@example.com")
    await asyncio.sleep(0.01)
    await made.scheduler.drain(10.0)
    assert [one.recipient.mailbox.local for one in made.spool.recipients[message].values()] == ["two"]
    assert [one.attempts for one in made.spool.recipients[message].values()] == [0]
    assert made.told("route down") == []


@virtual
async def test_drain_stores_what_could_not_be_stored_before() -> None:
    made = rig()
    made.spool.settle_failures.append(DISK_FULL)
    await made.accept()
    await asyncio.sleep(0.1)
    await made.scheduler.drain(10.0)
    assert not made.spool.messages


@virtual
async def test_after_a_jump_back_of_the_clock_nothing_waits_a_day() -> None:
    made = rig()
    made.hub.script.append(DEFERRED)
    message = await made.accept()
    await asyncio.sleep(1)
    made.clock.offset -= DAY
    await asyncio.sleep(120)
    assert made.hub.ids == [message] * 2
    assert not made.spool.messages
    assert made.told("clock jumped") == ["by -86400 seconds"]


@virtual
async def test_after_a_start_with_the_clock_set_back_nothing_waits_a_day() -> None:
    made = rig(started=False)
    await made.store()
    made.clock.offset -= DAY
    made.begin()
    await asyncio.sleep(1)
    assert len(made.hub.sent) == 1


@virtual
async def test_a_jump_forward_of_the_clock_sends_each_message_once() -> None:
    made = rig(hops={"hub": ScriptedHop(usual=DEFERRED)})
    for _ in range(20):
        await made.accept()
    await asyncio.sleep(1)
    made.clock.offset += DAY
    await asyncio.sleep(50)
    assert len(made.hub.sent) == 40


@virtual
async def test_recipients_that_become_due_while_the_message_is_sent_are_not_forgotten() -> None:
    made = rig(hops={"hub": ScriptedHop(connections=1)})

    async def second_later(work: Work) -> AttemptResult:
        return AttemptResult([(one.number, DEFERRED if one.number else DELIVERED) for one in work.recipients])

    made.hub.script.append(second_later)
    await made.accept("a@x.example", "b@x.example")
    await asyncio.sleep(90)
    assert not made.spool.messages


@virtual
async def test_an_adopted_shard_is_delivered_too() -> None:
    made = rig()
    orphan = FakeSpool(made.clock, shard=7)
    await orphan.accept(made.message())
    made.scheduler.adopt(orphan)
    await asyncio.sleep(1)
    assert not orphan.messages


@virtual
async def test_mail_of_a_shard_adopted_after_the_routes_were_set_moves_to_them() -> None:
    made = rig()
    orphan = FakeSpool(made.clock, shard=7)
    await orphan.accept(made.message(routes={"bob@example.org": "gone"}))
    made.scheduler.adopt(orphan)
    await asyncio.sleep(1)
    assert len(made.hub.sent) == 1
    assert not orphan.messages


@virtual
async def test_each_attempt_is_told_with_its_replies() -> None:
    made = rig()
    made.hub.script.append(DOWN)
    message = await made.accept()
    await asyncio.sleep(15)
    told = [one for one in made.events if isinstance(one, Attempted)]
    assert [(one.message, one.route, one.remote, one.login) for one in told] == [
        (message, "hub", "", "ann"),
        (message, "hub", "hub.example:25", "ann"),
    ]
    assert [one.recipients[0].result for one in told] == ["deferred", "delivered"]
    assert [one.recipients[0].reply for one in told] == ["451 4.4.1 connection refused", "250 2.0.0 queued"]


@virtual
async def test_a_route_that_stays_down_raises_one_alarm() -> None:
    made = rig(hops={"hub": ScriptedHop(usual=DOWN)})
    began = made.clock.now()
    await made.accept()
    await asyncio.sleep(2 * HOUR)
    assert made.alarms() == ["route"]
    hub, local = made.scheduler.status()
    assert (hub.route, hub.is_up, local.route, local.is_up) == ("hub", False, "local", True)
    assert hub.since == pytest.approx(began, abs=0.1)
    assert local.since is None
    assert made.scheduler.down() == {"hub"}
