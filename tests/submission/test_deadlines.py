"""How long a peer may take, on a clock that the test turns."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sams.submission.deadlines import (
    BODY_STALLED,
    BODY_TOO_SLOW,
    IDLE,
    NO_SIGN_IN,
    SESSION_OVER,
    DeadlineWheel,
    Late,
    Progress,
    TimeLimits,
    judge,
)

LIMITS = TimeLimits()


def progress(**changes: object) -> Progress:
    made = Progress(opened=0.0, last_heard=0.0)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("state", "now", "expected"),
    [
        (progress(), 299.0, 300.0),
        (progress(), 300.0, Late(IDLE)),
        (progress(last_heard=299.0), 300.0, Late(NO_SIGN_IN)),
        (progress(last_heard=299.0, signed_in=True), 300.0, 360.0),
        (progress(last_heard=299.0, signed_in=True), 590.0, 599.0),
        (progress(last_heard=3500.0, signed_in=True), 3600.0, Late(SESSION_OVER)),
        (progress(last_heard=3599.0, signed_in=True, in_transaction=True), 3600.0, 3660.0),
        (progress(last_heard=3890.0, signed_in=True, in_transaction=True), 3890.0, 3900.0),
        (progress(last_heard=3890.0, signed_in=True, in_transaction=True), 3900.0, Late(SESSION_OVER)),
        (progress(last_heard=9_999.0, body_began=9_000.0, body_octets=10**9), 9_999.0, 10_004.0),
        (progress(handshake_began=0.0), 14.0, 15.0),
        (progress(handshake_began=0.0), 15.0, Late(None)),
        (progress(waits_for_us=True), 10_000.0, 10_001.0),
        (progress(last_heard=50.0, body_began=0.0, body_octets=1), 59.0, 64.0),
        (progress(last_heard=59.0, body_began=0.0, body_octets=29_000), 60.0, Late(BODY_TOO_SLOW)),
        (progress(last_heard=59.0, body_began=0.0, body_octets=30_000), 60.0, 65.0),
        (progress(last_heard=0.0, body_began=0.0, body_octets=10**9), 180.0, Late(BODY_STALLED)),
        (progress(last_heard=9_999.0, body_began=0.0, body_octets=10**9), 10_000.0, 10_005.0),
    ],
)
def test_a_session_is_judged_by_what_it_is_doing(state: Progress, now: float, expected: Late | float) -> None:
    assert judge(state, LIMITS, now) == expected


def test_under_pressure_only_those_who_have_not_signed_in_get_less_time() -> None:
    assert judge(progress(last_heard=10.0), LIMITS, 10.0, pressure=True) == Late(NO_SIGN_IN)
    assert judge(progress(handshake_began=5.0), LIMITS, 10.0) == 20.0
    assert judge(progress(handshake_began=5.0), LIMITS, 10.0, pressure=True) == Late(None)
    signed_in = progress(last_heard=10.0, signed_in=True)
    assert judge(signed_in, LIMITS, 10.0, pressure=True) == judge(signed_in, LIMITS, 10.0)


@pytest.mark.parametrize("limits", [LIMITS, TimeLimits(body_grace=3_600.0), TimeLimits(body_grace=1.0)])
def test_a_body_that_begins_between_two_looks_is_looked_at_before_it_can_be_late(limits: TimeLimits) -> None:
    again = judge(progress(signed_in=True), limits, 0.5)
    assert isinstance(again, float)
    assert again <= 0.5 + min(limits.body_grace, limits.body_idle)


class FakeTimer:
    """A timer that the test's loop calls."""

    def __init__(self, loop: FakeLoop, when: float, callback: Callable[[], object]) -> None:
        self.loop = loop
        self.when = when
        self.callback = callback

    def cancel(self) -> None:
        self.loop.timers.remove(self)


class FakeLoop:
    """Timers whose time is turned by hand."""

    def __init__(self) -> None:
        self.at = 100.0
        self.timers: list[FakeTimer] = []

    def time(self) -> float:
        return self.at

    def call_later(self, delay: float, callback: Callable[[], object], /) -> FakeTimer:
        timer = FakeTimer(self, self.at + delay, callback)
        self.timers.append(timer)
        return timer

    def turn_to(self, when: float) -> None:
        while self.timers and min(timer.when for timer in self.timers) <= when:
            timer = min(self.timers, key=lambda one: one.when)
            self.timers.remove(timer)
            self.at = timer.when
            timer.callback()
        self.at = when


class Looked:
    def __init__(self, again: list[float | None]) -> None:
        self.wheel_slot: int | None = None
        self.looks: list[float] = []
        self.again = again

    def look(self, now: float) -> float | None:
        self.looks.append(now)
        return self.again.pop(0)


def bugs_are_raised(error: Exception) -> None:
    raise error


def test_the_wheel_looks_once_the_time_has_come_and_as_often_as_it_is_told() -> None:
    loop = FakeLoop()
    wheel = DeadlineWheel(loop, bugs_are_raised)
    watched = Looked([130.0, None])
    wheel.watch(watched, 105.5)
    loop.turn_to(105.0)
    assert watched.looks == []
    loop.turn_to(200.0)
    assert [int(look) for look in watched.looks] == [106, 131]
    assert loop.timers == []


def test_what_is_forgotten_is_not_looked_at_and_not_kept() -> None:
    loop = FakeLoop()
    wheel = DeadlineWheel(loop, bugs_are_raised)
    watched = Looked([])
    wheel.watch(watched, 105.0)
    wheel.forget(watched)
    loop.turn_to(400.0)
    assert watched.looks == []
    assert watched.wheel_slot is None
    assert not any(wheel._slots.values())


def test_a_bug_in_one_session_is_told_and_the_others_are_still_looked_at() -> None:
    loop = FakeLoop()
    told: list[Exception] = []
    wheel = DeadlineWheel(loop, told.append)
    broken, fine = Looked([]), Looked([None])
    wheel.watch(broken, 105.0)
    wheel.watch(fine, 105.0)
    loop.turn_to(110.0)
    assert [type(error) for error in told] == [IndexError]
    assert len(fine.looks) == 1


def test_the_wheel_starts_again_after_it_stood_still() -> None:
    loop = FakeLoop()
    wheel = DeadlineWheel(loop, bugs_are_raised)
    first, second = Looked([None]), Looked([None])
    wheel.watch(first, 101.0)
    loop.turn_to(1_000.0)
    wheel.watch(second, 1_000.5)
    loop.turn_to(1_003.0)
    assert [int(look) for look in second.looks] == [1_001]
