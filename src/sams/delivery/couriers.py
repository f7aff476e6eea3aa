"""Attempts: who makes them, and how many at once.

Jobs go out in groups where the next hop takes them so: it is handed as many as it takes well, and calls back for
each. Every other attempt is a task. Either way it takes one of the attempts that the hop's health allows, and when
it is over the lane's next jobs begin.

A hop that answers groups soon is not given its next one before the last is over, unless there is enough for a whole
one or a job has waited for longer than such a hop takes: what comes meanwhile goes out together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import msgspec

from sams.activity.events import ServiceChanged, ServiceEvent
from sams.core.clock import Clock
from sams.core.text import visible
from sams.delivery.conclusions import Conclusions
from sams.delivery.group_size import MOST_OCTETS, PATIENCE
from sams.delivery.health import State
from sams.delivery.interface import AttemptResult, GroupUnderWay, Hop, NextHop, Unfinished
from sams.delivery.lane import Lane
from sams.delivery.window import Job, Step, Window
from sams.spool.interface import Content, DamagedEntry, Work

Parcel = tuple[Work, Content]


class Courier(msgspec.Struct, frozen=True):
    """Who is on the way for a lane to a next hop, since `began` (monotonic), with one job or a group."""

    lane: Lane
    hop: NextHop
    began: float


Attempting = asyncio.Task[AttemptResult]


class Couriers:
    """Makes the attempts of all lanes.

    tell: activity. changed: called when a lane may want more work or another wait.
    """

    def __init__(
        self,
        *,
        window: Window,
        conclusions: Conclusions,
        clock: Clock,
        tell: Callable[[ServiceEvent], None],
        changed: Callable[[], None],
    ) -> None:
        self._window = window
        self._conclusions = conclusions
        self._clock = clock
        self._tell = tell
        self._changed = changed
        self._attempts: dict[Attempting, NextHop] = {}
        self._groups: set[_Group] = set()
        self._is_closing = False

    def dispatch_soon(self, lane: Lane) -> None:
        """Dispatch when all that comes at this moment is there: what one commit brought goes out together."""
        if not lane.is_called:
            lane.is_called = True
            asyncio.get_running_loop().call_soon(self._called, lane)

    def dispatch(self, lane: Lane, *, has_waited: bool = False) -> None:
        """Begin as many attempts as the lane has jobs and its next hop has room for.

        has_waited: its jobs did so for longer than a quick hop takes.
        """
        if self._is_closing or lane.hop is None:
            return
        monotonic = self._clock.monotonic()
        while lane.turns.count and lane.may_begin(monotonic):
            if not has_waited and self._is_better_later(lane, lane.hop, monotonic):
                return
            self._begin(lane, lane.hop, monotonic)

    async def finished(self, hop: NextHop) -> None:
        """Wait for the attempts that are under way at a next hop, before it is closed."""
        while under_way := self._under_way(hop):
            await asyncio.wait(under_way)

    async def drain(self, grace: float) -> None:
        """Begin no attempt; let those under way finish within `grace` seconds, then cut them."""
        self._is_closing = True
        loop = asyncio.get_running_loop()
        end = loop.time() + grace
        while (under_way := self._under_way()) and loop.time() < end:
            await asyncio.wait(under_way, timeout=end - loop.time())
        self.cut()
        if self._attempts:
            await asyncio.wait(list(self._attempts))
        await self._conclusions.drain()

    def cut(self) -> None:
        """Begin no attempt, and give up those under way."""
        self._is_closing = True
        for group in list(self._groups):
            group.cut()
        for task in self._attempts:
            if not task.cancelling():  # who was told ends its connection, and is not disturbed at that
                task.cancel()

    def _under_way(self, hop: NextHop | None = None) -> list[asyncio.Future[Any]]:
        """What ends with the attempts at a next hop, or with all."""
        tasks = [task for task, its in self._attempts.items() if hop is None or its is hop]
        return [*tasks, *[group.end() for group in self._groups if hop is None or group.courier.hop is hop]]

    # ---- beginning

    def _called(self, lane: Lane) -> None:
        lane.is_called = False
        self.dispatch(lane)

    def _is_better_later(self, lane: Lane, hop: NextHop, monotonic: float) -> bool:
        """Whether to let what is under way at a quick hop end first; the lane is looked at again by then."""
        size, waits = hop.group_size, lane.began + PATIENCE - monotonic
        if not lane.attempts or size < 2 or lane.turns.count >= size or waits <= 0:
            return False
        if lane.patience is None:
            lane.patience = asyncio.get_running_loop().call_later(waits, self._out_of_patience, lane)
        return True

    def _out_of_patience(self, lane: Lane) -> None:
        lane.patience = None
        self.dispatch(lane, has_waited=True)

    def _begin(self, lane: Lane, hop: NextHop, monotonic: float) -> None:
        """Begin one attempt, or those of a group."""
        is_group = hop.has_idle_connection
        jobs, parcels = self._take(lane, hop.group_size if is_group and lane.health.is_up else 1)
        if not jobs:
            return
        lane.begin(len(jobs), monotonic)
        courier = Courier(lane, hop, monotonic)
        try:
            taken = self._hand_over(courier, jobs, parcels) if is_group else 0
        except Exception as error:  # noqa: BLE001 - a bug with a group: its jobs try again later, the next go on
            for job, (_, content) in zip(jobs, parcels, strict=True):
                self.failed(courier, job, content, error)
            lane.over()
            return
        if not taken:
            taken = 1
            self._spawn(courier, jobs[0], parcels[0][1], hop.deliver(*parcels[0]))
        if taken < len(jobs):
            _put_back(lane, jobs[taken:])

    def _hand_over(self, courier: Courier, jobs: list[Job], parcels: list[Parcel]) -> int:
        """Begin a group; how many of these, from the first, it has."""
        group = _Group(self, courier, jobs, parcels)
        taken = group.begin()
        if taken:
            self._groups.add(group)
        return taken

    def _take(self, lane: Lane, most: int) -> tuple[list[Job], list[Parcel]]:
        """The lane's next jobs, with their octets: at most so many, and small ones where they are several."""
        jobs: list[Job] = []
        parcels: list[Parcel] = []
        octets = 0
        for _ in range(most):
            job = lane.turns.take()
            if job is None:
                break
            octets += job.work.message.size
            if jobs and octets > MOST_OCTETS:
                lane.turns.put_back(job)
                break
            job.step = Step.SENDING
            content = job.content or self._load(lane, job)
            if content is not None:
                jobs.append(job)
                parcels.append((job.work, content))
        return jobs, parcels

    def _load(self, lane: Lane, job: Job) -> Content | None:
        """Its octets. None: it is out of hand, gone or set aside by the spool, or put off until they can be read."""
        try:
            return job.spool.load(job.work.message.id)
        except (KeyError, DamagedEntry):  # deleted meanwhile; or the spool has told of it
            self._conclusions.leave(lane, job)
        except Exception as error:  # noqa: BLE001 - one entry that cannot be read harms itself only
            self._conclusions.unread(lane, job, error)
        return None

    def _spawn(
        self, courier: Courier, job: Job, content: Content, attempt: Coroutine[Any, Any, AttemptResult]
    ) -> None:
        """An attempt as a task; the lane's numbers know of it already."""
        task = asyncio.get_running_loop().create_task(attempt)
        self._attempts[task] = courier.hop
        task.add_done_callback(partial(self._task_done, courier, job, content))

    # ---- what comes of them

    def _task_done(self, courier: Courier, job: Job, content: Content, task: Attempting) -> None:
        del self._attempts[task]
        if task.cancelled():  # only at the end of the service: nobody asks for more work
            self._is_closing = True
            courier.lane.landed()
            self._window.remove(job)
        else:  # an exception is a bug with one message, which must not stop the others
            error = task.exception()
            if error is None:
                self.landed(courier, job, content, task.result())
            else:
                self.failed(courier, job, content, error)
        self.over(courier.lane)

    def landed(self, courier: Courier, job: Job, content: Content, result: AttemptResult) -> None:
        """An attempt brought its result; it is still one of the lane's attempts.

        Never raises: what is made of the hop's state cannot keep the job from its end.
        """
        lane, hop = courier.lane, courier.hop
        lane.landed()
        is_news = not lane.health.is_steady or result.hop is not Hop.WORKS
        if is_news and lane.hop is hop and not self._is_closing:
            try:
                self._note(lane, result)
            except Exception as error:  # noqa: BLE001 - a bug of ours: told, and the result counts all the same
                self._conclusions.tell_fault(job, error)
        seconds = self._clock.monotonic() - courier.began
        self._conclusions.take_in(lane, job, content, result, seconds, is_final=hop.is_final)

    def failed(self, courier: Courier, job: Job, content: Content, error: BaseException) -> None:
        """A bug ended a job's attempt: nothing is known of it, and its recipients try again later."""
        self.landed(courier, job, content, self._conclusions.fault(job, error))

    def over(self, lane: Lane) -> None:
        """One of the lane's attempts is over."""
        lane.over()
        self.dispatch(lane)
        if lane.wants_more:
            self._changed()

    def go_on(self, courier: Courier, job: Job, content: Content, attempt: Unfinished) -> None:
        """A job of a group needs more than the group's connection could bring: it is an attempt of its own now.

        Not so where it was held or deleted meanwhile, or is as it was: then what it brought is all, and tells nothing
        of the hop.
        """
        lane = courier.lane
        if not (job.is_unwanted or attempt.is_untouched):
            lane.split()
            self._spawn(courier, job, content, attempt.run())
            return
        lane.landed()
        seconds = self._clock.monotonic() - courier.began
        is_final = courier.hop.is_final
        self._conclusions.take_in(lane, job, content, attempt.stopped(), seconds, is_final=is_final)

    def group_over(self, group: _Group) -> None:
        """All jobs of a group have landed or go on."""
        self._groups.discard(group)
        self.over(group.courier.lane)

    def group_cut(self, group: _Group, jobs: list[Job]) -> None:
        """A group was cut, at the end of the service."""
        self._groups.discard(group)
        lane = group.courier.lane
        lane.landed(len(jobs))
        lane.over()
        for job in jobs:
            self._window.remove(job)

    def _note(self, lane: Lane, result: AttemptResult) -> None:
        health = lane.health
        was_up = health.is_up
        state = health.note(result.hop, result.trouble, lane.attempts - 1, self._clock.monotonic())
        if state is State.UP and not was_up:
            self._tell(ServiceChanged(what="route up", detail=lane.name))
            lane.look_again()
            self._changed()
        elif state is State.DOWN:
            if was_up:
                said = visible(str(result.trouble.reply)) if result.trouble else "no answer"
                self._tell(ServiceChanged(what="route down", detail=f"{lane.name}: {said}"))
            self._clear(lane)
            self._changed()

    def _clear(self, lane: Lane) -> None:
        """What waits for a hop that is down waits on disk; one stays, as the probe."""
        waiting = list(lane.turns)[1:]
        if waiting:
            lane.turns.remove(waiting)
            for job in waiting:
                self._window.remove(job)
            lane.look_again()


def _put_back(lane: Lane, jobs: list[Job]) -> None:
    """What a group had no room for is next."""
    lane.landed(len(jobs))
    for job in reversed(jobs):
        job.step = Step.WAITING
        lane.turns.put_back(job)


class _Group:
    """Jobs that a next hop was handed at once."""

    __slots__ = ("_couriers", "_end", "_jobs", "_next", "_parcels", "_under_way", "courier", "size")

    def __init__(self, couriers: Couriers, courier: Courier, jobs: list[Job], parcels: list[Parcel]) -> None:
        self._couriers = couriers
        self._jobs = jobs
        self._parcels = parcels
        self._next = 0
        self._under_way: GroupUnderWay | None = None
        self._end: asyncio.Future[None] | None = None
        self.courier = courier
        self.size = 0

    def begin(self) -> int:
        """Hand them over; how many of them, from the first, were taken."""
        under_way = self.courier.hop.deliver_group(self._parcels, self._landed, self._over)
        if under_way is not None:
            self._under_way, self.size = under_way, under_way.size
        return self.size

    def end(self) -> asyncio.Future[None]:
        """Done when all have landed or the group was cut."""
        if self._end is None:
            self._end = asyncio.get_running_loop().create_future()
        return self._end

    def cut(self) -> None:
        """Give it up: what has not landed stays in the queue as it was."""
        assert self._under_way is not None
        self._under_way.cut()
        self._couriers.group_cut(self, self._jobs[self._next : self.size])
        self._finish()

    def _landed(self, result: AttemptResult | Unfinished) -> None:
        job, content = self._jobs[self._next], self._parcels[self._next][1]
        self._next += 1
        if isinstance(result, AttemptResult):
            self._couriers.landed(self.courier, job, content, result)
        else:
            self._couriers.go_on(self.courier, job, content, result)

    def _over(self, failure: Exception | None) -> None:
        for place in range(self._next, self.size):
            error = failure or RuntimeError("a group ended before all of it had landed")
            self._couriers.failed(self.courier, self._jobs[place], self._parcels[place][1], error)
        self._couriers.group_over(self)
        self._finish()

    def _finish(self) -> None:
        # It calls back here: without this the jobs' octets would wait for the collector of cycles.
        self._under_way = None
        if self._end is not None and not self._end.done():
            self._end.set_result(None)
