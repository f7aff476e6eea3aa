"""When which message is tried: one scheduler a worker, over the shards that the worker owns.

Theory of operation. Work comes in two ways. `submit` brings what was just committed, still in memory: with room in
the window and a free attempt on its route it is sent at once, without a look at the spool. Everything else is
claimed: one pump, a callback on the loop, goes round the lanes (one for each route), reads a page of what is due
where a lane has room, and sleeps until the earliest due time or probe, or half a minute, whichever comes first.

A job leaves the window settled (`couriers`), or let go of: held, deleted, rerouted, or returned because its route
is down. The rows on disk are the only truth; forgetting the window, as a kill does, costs at most a second delivery
of what was being sent.

Time: waits are monotonic. What is due is a matter of the wall clock, which may jump; the pump looks at it at least
every half minute. After a jump back, rows lie in a future that nobody is ever put off to (no wait is longer than
`RetryPolicy.horizon`): those are taken as due. After a jump forward everything is due at once: the window and the
routes' connections bound what comes of it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from sams.activity.events import Alarmed, ServiceChanged, ServiceEvent
from sams.core.clock import Clock
from sams.core.ids import new_reference
from sams.core.outcome import Outcome, Result
from sams.core.reply import reply
from sams.core.text import visible
from sams.delivery.backoff import RetryPolicy
from sams.delivery.bounces import Reporter
from sams.delivery.conclusions import Conclusions
from sams.delivery.couriers import Couriers
from sams.delivery.health import State
from sams.delivery.inflow import Inflow
from sams.delivery.intake import Intake
from sams.delivery.interface import NextHop, RouteStatus
from sams.delivery.judge import Judge
from sams.delivery.lane import Lane
from sams.delivery.routes import RouteTable
from sams.delivery.settling import Settler
from sams.delivery.sweep import Overdue, Sweep, View
from sams.delivery.window import Job, Step, Window
from sams.spool.interface import Content, Spool, Work

RECHECK = 30.0
"""Seconds: the longest sleep of the pump."""
SWEEP_EVERY = 60.0
"""Seconds between two looks at the age of what waits on routes that are down."""
SWEEP_ANEW = 3_600.0
"""Seconds after which these looks begin with the oldest message again."""
STORE_PATIENCE = 60.0
"""Seconds that a look waits for what came of a page to be stored, before it goes on to other routes and shards."""
JUMP = 60.0
"""Seconds by which the wall clock must part from the monotonic one between two looks to be called a jump."""
DOWN_ALARM = 900.0
"""Seconds for which a route must be down before somebody is called."""
SETTLE_GRACE = 10.0
"""Seconds that `drain` waits for commits when all attempts are over."""
_LEAST_WAIT = 0.01
_SWEEP_PART = 20
"""A page of a sweep takes this part of the window."""
_NO_ROUTE = reply(451, "4.4.4", "the route of this recipient is not configured any more")
_NOT_REACHED = reply(451, "4.4.1", "the next hop could not be reached")


class Scheduler:
    """Sends what is due. Methods are called on the loop.

    room_for: asked with a login before its next message is begun: None, or what to wait for first, some seconds at
        most.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        policy: RetryPolicy,
        reporter: Reporter,
        tell: Callable[[ServiceEvent], None],
        faulted: Callable[[str, BaseException], None],
        window: Window | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Nothing is sent before `set_routes`, `adopt` and `start`.

        tell: activity. faulted: is given a reference and an unexpected exception, for the trace in the log.
        draw: random numbers from 0 up to 1, for jitter.
        """
        self._clock = clock
        self._policy = policy
        self._tell = tell
        self._faulted = faulted
        self._draw = draw
        self._window = Window() if window is None else window
        self._judge = Judge(policy, draw)
        self._settler = Settler(tell, draw)
        self._lanes: dict[str, Lane] = {}
        self._spools: list[Spool] = []
        self._table: RouteTable | None = None
        self._intake = Intake(self._window, self._lanes.values, tell)
        self.room_for = Inflow(self._window, self._waiting_of, tell).admit
        self._conclusions = Conclusions(
            window=self._window,
            settler=self._settler,
            judge=self._judge,
            reporter=reporter,
            clock=clock,
            draw=draw,
            tell=tell,
            faulted=faulted,
            submit=self.submit,
            changed=self._poke,
        )
        self._couriers = Couriers(
            window=self._window,
            conclusions=self._conclusions,
            clock=clock,
            tell=tell,
            changed=self._poke,
        )
        self._sweeps: dict[tuple[str, Spool], Sweep] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.Task[None] | None = None
        self._timer: asyncio.Handle | None = None
        self._is_poked = False
        self._is_running = False
        self._next_check = 0.0
        self._next_sweep = 0.0
        self._next_anew = 0.0
        self._offset = clock.now() - clock.monotonic()

    def adopt(self, spool: Spool) -> None:
        """Deliver what is in a spool too: the worker's own, or one that a dead worker left."""
        self._spools.append(spool)
        for lane in self._lanes.values():
            lane.add_spool(spool)
        self._reroute(spool)
        self._poke()

    def set_routes(self, table: RouteTable, hops: Mapping[str, NextHop]) -> None:
        """Use these routes from now on; `hops` has a next hop for each name of the table.

        Mail that waits moves to the route that takes its domain now. Attempts under way finish; a next hop
        that is not in `hops` any more is closed after its last one.
        """
        for lane in self._lanes.values():
            self._release(lane, list(lane.turns))
        self._window.move(table.stored_route_of)
        self._table = table
        for spool in self._spools:
            self._reroute(spool)
        for name in table.names:
            self._lane(name)
        for lane in self._lanes.values():
            self._change_hop(lane, hops.get(lane.name))
            lane.restart()
        self._poke()

    def start(self) -> None:
        """Begin to send."""
        self._is_running = True
        self._next_check = self._next_sweep = self._clock.monotonic()
        self._poke()

    def submit(self, works: tuple[Work, ...], spool: Spool) -> None:
        """Take what a commit of an adopted spool brought, with its content in memory.

        What finds no room is claimed later. (A message's id does not tell its spool: a shard that failed is
        taken over by another, with its messages.)
        """
        for work in works:
            lane = self._lanes.get(work.route) or self._lane(work.route)
            if self._intake.offer(lane, work, spool):
                if self._is_running:
                    self._couriers.dispatch_soon(lane)
            else:
                self._poke()

    def forget(self, message_ids: Iterable[str]) -> None:
        """These were held or deleted: none of them is sent from the window. What is being sent is let finish."""
        self._forget(self._window.find(frozenset(message_ids)))

    def reread(self) -> None:
        """The queue was changed in a way that ids do not tell: what waits in the window is claimed anew."""
        self._forget(self._window.all())

    def wake(self, route: str | None = None) -> None:
        """Something was released or made due: look at this route (None: all), and probe it if it is down."""
        for lane in self._lanes.values():
            if route in {None, lane.name}:
                lane.restart()
                lane.health.retry_now()
        for (name, _), sweep in self._sweeps.items():
            if route in {None, name}:
                sweep.restart()
        self._poke()

    def status(self) -> tuple[RouteStatus, ...]:
        """Each route's state."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        return tuple(lane.status(now, monotonic) for lane in self._lanes.values())

    def down(self) -> frozenset[str]:
        """The routes whose next hops are down: as `status`, for who asks each second."""
        return frozenset([lane.name for lane in self._lanes.values() if not lane.health.is_up])

    async def drain(self, grace: float) -> None:
        """Stop: no new attempts; those under way finish within `grace` seconds, then connections are cut.

        Returns when every result is stored (or the spool does not take it within `SETTLE_GRACE` seconds more)
        and the next hops are closed. What was not sent is in the spool as it was.
        """
        self._is_running = False
        if self._timer is not None:
            self._timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await self._couriers.drain(grace)
        left = await self._settler.finish(SETTLE_GRACE)
        if left:
            self._tell(
                Alarmed(alarm="spool", text=f"results of {left} messages could not be stored at the end")
            )
        self._settler.abandon()
        for lane in self._lanes.values():
            if lane.hop is not None:
                await lane.hop.close()

    def hurry(self) -> None:
        """Cut what is under way: `drain` waits for none of it, but some seconds for a thread that stores.

        What was not answered is sent again.
        """
        self._couriers.cut()

    def _reroute(self, spool: Spool) -> None:
        """Move what waits to the routes of now; what no route takes keeps a lane without a next hop."""
        try:
            waiting = spool.waiting_domains()
            if self._table is not None:
                spool.reroute(self._table.moves(waiting))
        except Exception as error:  # noqa: BLE001 - a spool that cannot be read must not stop the others
            self._tell(
                Alarmed(alarm="spool", text=f"shard {spool.shard} cannot be read: {visible(str(error))}")
            )
            return
        for _, route in waiting:
            self._lane(route)

    def _waiting_of(self, login: str) -> int:
        return sum([lane.turns.waiting_of(login) for lane in self._lanes.values()])

    def _lane(self, name: str) -> Lane:
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(name, None, self._policy, self._spools, self._draw)
        return lane

    def _change_hop(self, lane: Lane, hop: NextHop | None) -> None:
        old = lane.hop
        if old is hop:
            return
        lane.replace_hop(hop)
        if old is not None and all(other.hop is not old for other in self._lanes.values()):
            self._spawn(self._retire(old))

    async def _retire(self, hop: NextHop) -> None:
        await self._couriers.finished(hop)
        await hop.close()

    def _forget(self, jobs: Iterable[Job]) -> None:
        waiting = []
        for job in jobs:
            job.is_unwanted = True
            if job.step is Step.WAITING:
                waiting.append(job)
        for lane in self._lanes.values():
            self._release(lane, [job for job in waiting if job.work.route == lane.name])

    def _release(self, lane: Lane, jobs: list[Job]) -> None:
        """Let go of waiting jobs; claims find those that are still to be sent."""
        if jobs:
            lane.turns.remove(jobs)
            for job in jobs:
                self._window.remove(job)
            lane.look_again()
            self._poke()

    def _poke(self) -> None:
        """Run the pump soon. Many calls are one run."""
        if self._is_running and not self._is_poked:
            self._is_poked = True
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Once round the lanes; a page for each that has room, then sleep, or go round again."""
        self._is_poked = False
        now, monotonic = self._clock.now(), self._clock.monotonic()
        if monotonic >= self._next_check:
            self._check(now, monotonic)
        wait = self._next_check - monotonic
        for lane in self._lanes.values():
            wait = min(wait, self._serve(lane, now, monotonic))
        if wait <= 0:
            self._poke()
        else:
            self._timer = asyncio.get_running_loop().call_later(max(wait, _LEAST_WAIT), self._pump)

    def _serve(self, lane: Lane, now: float, monotonic: float) -> float:
        """Fill a lane and send; the seconds until it needs to be looked at again, 0: at once."""
        if lane.hop is None:
            return RECHECK
        more = self._intake.refill(lane, now, monotonic)
        self._couriers.dispatch(lane)
        return 0.0 if more else lane.next_look(now, monotonic)

    def _check(self, now: float, monotonic: float) -> None:
        """What is looked at every half minute, whatever else happens.

        A claim from the front is among it: rows that changed their route or their time behind our back, or could
        not be read a moment ago, wait no longer than that.
        """
        self._next_check = monotonic + RECHECK
        offset = now - monotonic
        if abs(offset - self._offset) > JUMP:
            detail = f"by {round(offset - self._offset)} seconds"
            self._tell(ServiceChanged(what="clock jumped", detail=detail))
        self._offset = offset
        for lane in self._lanes.values():
            if lane.hop is not None:
                lane.look_again()
                self._intake.rescue(lane, now, monotonic, self._policy.horizon)
            self._alarm(lane, monotonic)
        if monotonic >= self._next_sweep and (self._sweeping is None or self._sweeping.done()):
            self._next_sweep = monotonic + SWEEP_EVERY
            self._sweeping = self._spawn(self._sweep_all(monotonic))

    def _alarm(self, lane: Lane, monotonic: float) -> None:
        if lane.health.is_long_down(monotonic, DOWN_ALARM):
            trouble = lane.health.trouble
            said = visible(str(trouble.reply)) if trouble else "no answer"
            self._tell(Alarmed(alarm="route", text=f"route {lane.name} is down, its mail waits: {said}"))

    async def _sweep_all(self, monotonic: float) -> None:
        """Expiry and delay notices for each route that is down, a page at a time."""
        if monotonic >= self._next_anew:
            self._next_anew = monotonic + SWEEP_ANEW
            for sweep in self._sweeps.values():
                sweep.restart()
        for lane in list(self._lanes.values()):
            for spool in list(self._spools):
                await self._sweep(lane, spool)

    async def _sweep(self, lane: Lane, spool: Spool) -> None:
        key = (lane.name, spool)
        size = max(1, self._window.messages // _SWEEP_PART)
        sweep = self._sweeps.get(key)
        if sweep is None:
            sweep = self._sweeps[key] = Sweep(lane.name, spool, self._policy, self._judge, size)
        for age in sweep.ages:
            has_more = True
            while has_more and self._is_dead(lane) and self._window.free > size:
                has_more = await self._sweep_page(lane, sweep, age)

    async def _sweep_page(self, lane: Lane, sweep: Sweep, age: float) -> bool:
        view = View(
            trouble=lane.health.trouble or self._trouble(lane),
            ended=lambda: lane.ended,
            step=lambda message_id: self._step(message_id, lane.name),
        )
        try:
            found, has_more = await sweep.page(age, self._clock.now(), view)
        except Exception as error:  # noqa: BLE001 - a spool that cannot be read must not end the sweep of the others
            text = f"shard {sweep.spool.shard} cannot be read for expiry: {visible(str(error))}"
            self._tell(Alarmed(alarm="spool", text=text))
            return False
        return await self._conclude_all(lane, sweep, found) and has_more

    async def _conclude_all(self, lane: Lane, sweep: Sweep, found: Sequence[Overdue]) -> bool:
        """Settle a page, and wait until it is stored: the disk sets the pace. False: some of it is not stored yet."""
        left = {self._conclude(lane, sweep.spool, one) for one in found}
        for each in left:
            sweep.unstored.add(each)
            each.add_done_callback(sweep.unstored.discard)
        if left:
            _, left = await asyncio.wait(left, timeout=STORE_PATIENCE)
        return not left

    def _conclude(self, lane: Lane, spool: Spool, overdue: Overdue) -> asyncio.Future[None]:
        """Settle one; done when that is stored."""
        waiting = self._window.get((overdue.work.message.id, lane.name))
        if waiting is not None:
            self._release(lane, [waiting])
        job = self._window.add(overdue.work, spool)
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        job.left = partial(stored.set_result, None)
        content = self._read(spool, overdue.work.message.id) if overdue.judgement.tells else None
        self._conclusions.conclude(lane, job, overdue.judgement, content, is_final=False)
        return stored

    def _read(self, spool: Spool, message_id: str) -> Content | None:
        """A report can do without what it is about."""
        try:
            return spool.load(message_id)
        except Exception as error:  # noqa: BLE001 - the report is due all the same
            text = f"{message_id} could not be read for its report: {visible(str(error))}"
            self._tell(Alarmed(alarm="spool", text=text))
            return None

    def _is_dead(self, lane: Lane) -> bool:
        return self._is_running and (lane.hop is None or lane.health.state is not State.UP)

    def _step(self, message_id: str, route: str) -> Step | None:
        job = self._window.get((message_id, route))
        return None if job is None else job.step

    def _trouble(self, lane: Lane) -> Outcome:
        said = _NO_ROUTE if lane.hop is None else _NOT_REACHED
        return Outcome(Result.DEFERRED, said, "", self._clock.now())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._faulted(new_reference(), error)
