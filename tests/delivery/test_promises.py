"""Whatever hops, disk, clock and operators do: delivered at least once, or reported, or waiting; never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sams.core.envelope import Notify
from sams.core.errors import TemporaryFailure
from sams.core.outcome import Outcome, Result
from sams.core.reply import reply
from sams.delivery.interface import AttemptResult, Hop
from sams.delivery.scheduler import Scheduler
from sams.delivery.window import Window
from sams.spool.interface import Search, Work
from tests.delivery.rig import DEFERRED, DELIVERED, DOWN, FAILED, REFUSED, SENDER, Rig, VirtualLoop, rig

WINDOW = 8
MOODS = (
    "works",
    "defers",
    "fails",
    "mixed",
    "down",
    "hangs up",
    "hangs up behind the dot",
    "breaks",
    "silent",
)
PATIENT = 3 * 3_600.0


class Hub:
    """A next hop with a mood, that remembers what it was given."""

    def __init__(self) -> None:
        self.mood = "works"
        self.has: set[tuple[str, int]] = set()

    async def answer(self, work: Work) -> AttemptResult:
        await asyncio.sleep(0.01)
        numbers = [one.number for one in work.recipients]
        if self.mood == "down":
            return DOWN
        if self.mood == "breaks":
            raise ValueError("a bug of ours")
        if self.mood == "silent":
            await asyncio.sleep(3_600)
            return AttemptResult([(one, REFUSED) for one in numbers], Hop.SUSPECT, REFUSED)
        if self.mood == "hangs up":
            return AttemptResult([(one, REFUSED) for one in numbers], Hop.SUSPECT, REFUSED)
        if self.mood == "hangs up behind the dot":
            self.has |= {(work.message.id, one) for one in numbers}
            return AttemptResult([(one, REFUSED) for one in numbers], Hop.SUSPECT, REFUSED)
        outcomes = [(one, self._outcome(one)) for one in numbers]
        self.has |= {(work.message.id, one) for one, said in outcomes if said.result is Result.DELIVERED}
        return AttemptResult(outcomes)

    def _outcome(self, number: int) -> Outcome:
        named = {"works": DELIVERED, "defers": DEFERRED, "fails": FAILED}
        return named.get(self.mood) or (DELIVERED, DEFERRED, FAILED)[number % 3]


def _stop(scheduler: Scheduler) -> None:
    """What a kill leaves of it in this process: nothing that runs again."""
    scheduler._is_running = False
    scheduler._couriers._is_closing = True
    scheduler._settler.abandon()
    if scheduler._timer is not None:
        scheduler._timer.cancel()


class Promises(RuleBasedStateMachine):
    """Rules do something to the world and let some time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.hubs = {"hub": Hub(), "local": Hub()}
        self.accepted: dict[tuple[str, int], bool] = {}
        self.deleted: set[str] = set()
        self.made = self.do(self._make())

    async def _make(self) -> Rig:
        made = rig(window=Window(WINDOW), started=False)
        for name, hub in self.hubs.items():
            made.hops[name].usual = hub.answer
        made.begin()
        return made

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @rule(
        count=st.integers(1, 12),
        recipients=st.integers(1, 4),
        login=st.sampled_from(["ann", "ben", "eve"]),
        notify=st.sampled_from([None, Notify.NEVER, Notify.SUCCESS, Notify.FAILURE | Notify.DELAY]),
        has_sender=st.booleans(),
        is_local=st.booleans(),
        mood=st.sampled_from(MOODS),
        seconds=st.sampled_from([0.0, 0.005, 0.5, 90.0]),
    )
    def accept(
        self,
        *,
        count: int,
        recipients: int,
        login: str,
        notify: Notify | None,
        has_sender: bool,
        is_local: bool,
        mood: str,
        seconds: float,
    ) -> None:
        names = [
            f"r{number}@{'local' if is_local and number else 'hub'}.example" for number in range(recipients)
        ]
        routes = {name: "local" for name in names if "local" in name}
        sender = SENDER if has_sender else None

        async def accept() -> None:
            for _ in range(count):
                message = await self.made.accept(
                    *names, login=login, notify=notify, sender=sender, routes=routes
                )
                is_told = has_sender and (notify is None or Notify.FAILURE in notify)
                self.accepted.update({(message, number): is_told for number in range(recipients)})

        self.hubs["hub"].mood = mood
        self.do(accept())
        self.do(asyncio.sleep(seconds))

    @rule(name=st.sampled_from(["hub", "local"]), mood=st.sampled_from(MOODS))
    def change_mood(self, name: str, mood: str) -> None:
        self.hubs[name].mood = mood

    @rule(seconds=st.sampled_from([0.0, 0.005, 0.5, 30.0, 700.0, 20_000.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.do(asyncio.sleep(seconds))

    @rule(times=st.integers(1, 20))
    def disk_fills_up(self, times: int) -> None:
        self.made.spool.settle_failures.extend([TemporaryFailure(reply(452, "4.3.1", "full"))] * times)

    @rule(times=st.integers(1, 3))
    def disk_cannot_be_read(self, times: int) -> None:
        self.made.spool.read_failures.extend([OSError("input/output error")] * times)

    @rule()
    def report_cannot_be_written(self) -> None:
        self.made.reporter.failures.append(TemporaryFailure(reply(452, "4.3.1", "full")))

    @rule()
    def kill(self) -> None:
        async def kill() -> None:
            self.made.spool.crash()
            _stop(self.made.scheduler)
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.made.restart()

        self.do(kill())

    @rule(grace=st.sampled_from([0.0, 1.0, 5_000.0]))
    def restart(self, grace: float) -> None:
        async def restart() -> None:
            await self.made.scheduler.drain(grace)
            for hop in self.made.hops.values():
                hop.is_closed = False
            self.made.restart()

        self.do(restart())

    @rule(login=st.sampled_from(["ann", "ben"]))
    def hold(self, login: str) -> None:
        self.do(asyncio.wait_for(self._hold(login), 1))

    async def _hold(self, login: str) -> None:
        await self.made.spool.hold(Search(login=login))
        self.made.scheduler.reread()

    @rule()
    def release(self) -> None:
        self.do(self._release())

    async def _release(self) -> None:
        await self.made.spool.release(Search())
        self.made.scheduler.wake()

    @rule(pick=st.integers(0, 1_000))
    def delete(self, pick: int) -> None:
        waiting = sorted(self.made.spool.messages)
        if waiting:
            self.do(self._delete(waiting[pick % len(waiting)]))

    async def _delete(self, message: str) -> None:
        self.deleted.add(message)
        await self.made.spool.delete(Search(ids=(message,)))
        self.made.scheduler.forget([message])

    @rule(seconds=st.sampled_from([-86_400.0, -600.0, 600.0, 86_400.0]))
    def clock_jumps(self, seconds: float) -> None:
        self.made.clock.offset += seconds

    @invariant()
    def window_is_bounded(self) -> None:
        assert len(self.made.window) <= WINDOW

    @invariant()
    def nothing_is_lost_and_nobody_delivered_is_reported(self) -> None:
        spool = self.made.spool
        delivered: set[tuple[str, int]] = set()
        failed: set[tuple[str, int]] = set()
        for settlement in spool.settlements:
            for one in settlement.recipients:
                key = (settlement.message_id, one.number)
                if one.outcome.result is Result.DELIVERED:
                    delivered.add(key)
                elif one.due is None:
                    failed.add(key)
        assert not delivered & failed
        has = self.hubs["hub"].has | self.hubs["local"].has
        reported = {
            (message, number)
            for what, message, numbers in self.made.reporter.told
            if what == "failed"
            for number in numbers
        }
        for key, is_told in self.accepted.items():
            message, number = key
            if message in self.deleted or number in spool.recipients.get(message, {}):
                continue
            assert (key in delivered and key in has) or key in failed
            assert key in delivered or not is_told or key in reported

    def teardown(self) -> None:
        for hub in self.hubs.values():
            hub.mood = "works"
        self.made.spool.settle_failures.clear()
        self.made.reporter.failures.clear()
        self.made.spool.read_failures.clear()
        self.do(self._release())
        self.do(asyncio.sleep(PATIENT))
        assert not self.made.spool.messages, "something waits though nothing is in its way"
        self.nothing_is_lost_and_nobody_delivered_is_reported()
        assert len(self.made.window) == self.made.window.octets == 0
        self.do(self.made.scheduler.drain(0.0))
        self.loop.close()


TestPromises = Promises.TestCase
TestPromises.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
