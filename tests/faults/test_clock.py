"""R14: a clock that jumps by a day, either way. What is a wait goes by a clock that cannot jump."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sams.activity.events import Alarmed
from sams.identity.guard.interface import GuardSettings, SignInAttempt
from sams.identity.guard.memory import GuardMemory
from sams.identity.guard.shared_guard import SharedGuard
from sams.identity.passwords.remembered import Remembered
from sams.policy.admission import Admission, AdmissionBooks, AdmissionLimits
from sams.submission.deadlines import DeadlineWheel
from tests.activity.test_alarms import Desk
from tests.identity.rig import CAFE, KEY, FakeClock
from tests.spool.rig import START, Clock, accepted, on_loop, sqlite_spool

DAY = 86_400.0
both_ways = pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "back"])


@both_ways
def test_a_lock_against_guessing_lasts_its_time(jump: float) -> None:
    clock = FakeClock()
    guard = SharedGuard(GuardMemory(KEY, slots=64), clock, GuardSettings())
    for number in range(10):
        guard.failed(SignInAttempt(CAFE, "alice", f"guess {number}"), 1)
    clock.epoch += jump
    assert guard.locked(SignInAttempt(CAFE, "alice", "next"))
    clock.seconds += 299
    assert guard.locked(SignInAttempt(CAFE, "alice", "next"))
    clock.seconds += 1
    assert guard.locked(SignInAttempt(CAFE, "alice", "next")) is None


@both_ways
def test_a_remembered_password_is_remembered_for_its_time(jump: float) -> None:
    clock = FakeClock()
    passwords = Remembered(KEY, clock, 300)
    passwords.remember("alice", 1, "secret")
    clock.epoch += jump
    clock.seconds += 299
    assert passwords.knows("alice", 1, "secret")
    clock.seconds += 2
    assert not passwords.knows("alice", 1, "secret")


@both_ways
def test_the_rate_of_new_connections_is_that_of_real_minutes(jump: float) -> None:
    clock = FakeClock()
    limits = AdmissionLimits(connections=100, per_address=50, new_per_minute=20, per_login=4)
    admission = Admission(AdmissionBooks(1, KEY, slots=64), 0, clock, limits)

    def connects() -> bool:
        if admission.connected(CAFE) is not None:
            return False
        admission.disconnected(CAFE, None)
        return True

    while connects():
        pass
    clock.epoch += jump
    assert not connects()
    clock.seconds += 120
    assert connects()


@both_ways
@on_loop
async def test_an_alarm_is_not_told_again_before_its_interval(jump: float) -> None:
    desk = Desk()
    desk.alarms.alarm(Alarmed("disk", "full"))
    assert len(await desk.sent()) == 1
    desk.clock.wall += jump
    desk.alarms.alarm(Alarmed("disk", "full"))
    desk.alarms.tick()
    assert await desk.sent() == []
    desk.clock.advance(901)
    desk.alarms.tick()
    assert len(await desk.sent()) == 1


@both_ways
@on_loop
async def test_ids_rise_and_mail_keeps_its_order_over_a_jump_and_a_restart(
    jump: float, tmp_path: Path
) -> None:
    clock = Clock()
    ids: list[str] = []
    for moved in (0.0, jump, 0.0):
        clock.time = START + moved
        async with sqlite_spool(tmp_path, clock) as spool:
            ids += [await accepted(spool, "bob@example.net") for _ in range(3)]
            clock.time += jump
            ids += [await accepted(spool, "bob@example.net") for _ in range(3)]
    assert ids == sorted(set(ids))


@on_loop
async def test_the_deadlines_of_sessions_go_by_the_loops_clock() -> None:
    loop = asyncio.get_running_loop()
    wheel = DeadlineWheel(loop, lambda _: None)
    before = loop.time()
    assert before <= wheel.now() <= loop.time()
