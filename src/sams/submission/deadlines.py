"""How long a peer may take: one coarse wheel for a worker, and the rules by which a session is judged.

A session notes when things happened and sets no timer. The wheel looks at a session when the earliest time has
come at which it could be late, and the session then says when to look again. So a command costs one assignment,
and ten thousand idle sessions cost ten thousand looks in five minutes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from sams.core.reply import Reply, reply

IDLE = reply(421, "4.4.2", "Nothing was heard for too long; connect again when there is something to send")
NO_SIGN_IN = reply(421, "4.7.0", "Nobody signed in within the time allowed; connect again and sign in")
SESSION_OVER = reply(421, "4.7.0", "This connection has been open for its full time; connect again to go on")
BODY_STALLED = reply(421, "4.4.2", "The message stopped coming; send it again")
BODY_TOO_SLOW = reply(421, "4.4.2", "The message came too slowly; send it again over a better connection")


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """The waits of a session, seconds; `body_rate` is octets a second once `body_grace` has passed.

    session: no transaction begins after it; one under way by then has `command` more to come to its body.
    """

    command: float = 300.0
    sign_in: float = 300.0
    sign_in_under_pressure: float = 10.0
    handshake: float = 15.0
    body_idle: float = 180.0
    body_grace: float = 60.0
    body_rate: float = 500.0
    session: float = 3_600.0

    @property
    def first(self) -> float:
        """When a new connection can be late at the earliest."""
        return min(self.handshake, self.sign_in, self.sign_in_under_pressure)


class Progress(Struct, gc=False):
    """When things happened in one session, on the monotonic clock.

    handshake_began, body_began: None while there is no handshake or body under way.
    body_octets: of the body, inside TLS, as far as they came.
    waits_for_us: the peer waits for our answer, so that its silence is no fault.
    """

    opened: float
    last_heard: float
    handshake_began: float | None = None
    body_began: float | None = None
    body_octets: int = 0
    signed_in: bool = False
    in_transaction: bool = False
    waits_for_us: bool = False


@dataclass(frozen=True, slots=True)
class Late:
    """The session is over, with this reply (None: close without a word, as in a TLS handshake)."""

    reply: Reply | None


def judge(progress: Progress, limits: TimeLimits, now: float, *, pressure: bool = False) -> Late | float:
    """Whether a session is late, or else the next time to look at it.

    Who may begin a body meanwhile is looked at before that body can be late, so that the begin sets no timer.
    """
    if progress.handshake_began is not None:
        ends = progress.handshake_began + limits.handshake, _sign_in_ends(progress, limits, pressure=pressure)
        return _due(min(ends), now, None)
    if progress.waits_for_us:
        return now + 1.0
    if progress.body_began is not None:
        return _judge_body(progress, limits, now)
    verdict = _judge_commands(progress, limits, now, pressure=pressure)
    if isinstance(verdict, Late):
        return verdict
    return min(verdict, now + min(limits.body_grace, limits.body_idle))


def _judge_body(progress: Progress, limits: TimeLimits, now: float) -> Late | float:
    assert progress.body_began is not None
    stalled = _due(progress.last_heard + limits.body_idle, now, BODY_STALLED)
    elapsed = now - progress.body_began
    if isinstance(stalled, Late):
        return stalled
    if elapsed >= limits.body_grace and progress.body_octets < limits.body_rate * elapsed:
        return Late(BODY_TOO_SLOW)
    return min(stalled, now + 5.0)


def _judge_commands(progress: Progress, limits: TimeLimits, now: float, *, pressure: bool) -> Late | float:
    ends = [(progress.last_heard + limits.command, IDLE)]
    if not progress.signed_in:
        ends.append((_sign_in_ends(progress, limits, pressure=pressure), NO_SIGN_IN))
    # No transaction begins when the time is over, and one that has begun then soon comes to its body.
    more = limits.command if progress.in_transaction else 0.0
    ends.append((progress.opened + limits.session + more, SESSION_OVER))
    when, why = min(ends, key=lambda end: end[0])
    return _due(when, now, why)


def _sign_in_ends(progress: Progress, limits: TimeLimits, *, pressure: bool) -> float:
    return progress.opened + (limits.sign_in_under_pressure if pressure else limits.sign_in)


def _due(when: float, now: float, why: Reply | None) -> Late | float:
    return Late(why) if when <= now else when


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """It shall not come."""
        ...


class Timers(Protocol):
    """What the wheel needs of an event loop."""

    def time(self) -> float:
        """The loop's clock, seconds."""
        ...

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        """Call once, after `delay` seconds."""
        ...


class Watched(Protocol):
    """What the wheel turns.

    wheel_slot: where the wheel keeps it; the wheel's own note, None while it is not watched.
    """

    wheel_slot: int | None

    def look(self, now: float) -> float | None:
        """Act if late; the next time to look, or None when it is over."""
        ...


class DeadlineWheel:
    """Looks at each watched thing when it is due, at most once a second.

    now: the loop's clock, seconds.
    pressure: the worker is nearly full: who has not signed in gets less time. Whoever counts connections sets it.
    """

    def __init__(self, loop: Timers, on_bug: Callable[[Exception], None]) -> None:
        self._loop = loop
        self._on_bug = on_bug
        self.now = loop.time
        self._slots: defaultdict[int, set[Watched]] = defaultdict(set)
        self._last = int(self.now())
        self._timer: Timer | None = None
        self.pressure = False

    def watch(self, watched: Watched, when: float) -> None:
        """Look at it at `when`, on the loop's clock. It then says itself when to look again."""
        if self._timer is None:
            self._last = int(self.now())
            self._timer = self._loop.call_later(1.0, self._turn)
        self._place(watched, when)

    def bring_forward(self, watched: Watched, when: float) -> None:
        """Look at it at `when` at the latest."""
        if watched.wheel_slot is None or watched.wheel_slot > when + 1:
            self.forget(watched)
            self.watch(watched, when)

    def forget(self, watched: Watched) -> None:
        """Never look at it again; nothing of it is kept."""
        if watched.wheel_slot is not None:
            slot = self._slots.get(watched.wheel_slot)
            if slot is not None:
                slot.discard(watched)
            watched.wheel_slot = None

    def stop(self) -> None:
        """Look at nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._slots.clear()

    def _place(self, watched: Watched, when: float) -> None:
        number = int(when) + 1
        if number <= self._last:
            number = self._last + 1
        watched.wheel_slot = number
        self._slots[number].add(watched)

    def _turn(self) -> None:
        now = self.now()
        due = [self._slots.pop(slot, set()) for slot in range(self._last + 1, int(now) + 1)]
        self._last = int(now)
        for watched in (watched for slot in due for watched in slot):
            self._look(watched, now)
        self._timer = self._loop.call_later(1.0, self._turn) if self._slots else None

    def _look(self, watched: Watched, now: float) -> None:
        watched.wheel_slot = None
        try:
            again = watched.look(now)
        except Exception as error:  # noqa: BLE001 - a bug in one session must not stop the others' deadlines
            self._on_bug(error)
            return
        if again is not None:
            self._place(watched, again)
