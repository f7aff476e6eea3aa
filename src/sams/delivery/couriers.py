"""Attempts: who makes them, how many at once, and what is done with what they bring.

A courier is a task that takes the next job of its lane, attempts it, and goes on until the lane has none or the
next hop is to get fewer at once. It does not wait for the commit of a result: the job is settled by a callback.
A result that needs a report is finished by a task of its own, so that the connection is free meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from sams.activity.events import (
    Alarmed,
    Attempted,
    RecipientResult,
    Reported,
    ServiceChanged,
    ServiceEvent,
)
from sams.core.clock import Clock
from sams.core.errors import SamsError
from sams.core.ids import reason_code
from sams.core.outcome import Outcome, Result
from sams.core.reply import reply
from sams.core.text import visible
from sams.delivery.backoff import interval
from sams.delivery.bounces import Report, Reporter
from sams.delivery.health import State
from sams.delivery.interface import AttemptResult, Hop, NextHop
from sams.delivery.lane import Lane
from sams.delivery.settling import FIRST_WAIT, LONGEST_WAIT, Settler
from sams.delivery.verdict import Judge, Judgement
from sams.delivery.window import Job, Step, Window
from sams.spool.interface import Content, QueuedRecipient, Settlement, Spool, Work

_NO_ANSWER = reply(451, "4.3.0", "the attempt ended without an answer for this recipient")

Tried = list[tuple[QueuedRecipient, Outcome]]


class Couriers:
    """Makes the attempts of all lanes.

    tell: activity. faulted: is given a reference and an unexpected exception, for the trace in the log.
    submit: takes the work of reports. changed: called when a lane may want more work or another wait.
    """

    def __init__(
        self,
        *,
        window: Window,
        settler: Settler,
        judge: Judge,
        reporter: Reporter,
        clock: Clock,
        draw: Callable[[], float],
        tell: Callable[[ServiceEvent], None],
        faulted: Callable[[str, BaseException], None],
        submit: Callable[[tuple[Work, ...], Spool], None],
        changed: Callable[[], None],
    ) -> None:
        self._window = window
        self._settler = settler
        self._judge = judge
        self._reporter = reporter
        self._clock = clock
        self._draw = draw
        self._tell = tell
        self._faulted = faulted
        self._submit = submit
        self._changed = changed
        self._attempts: dict[asyncio.Task[None], NextHop] = {}
        self._reports: set[asyncio.Task[None]] = set()
        self._is_closing = False

    def dispatch(self, lane: Lane) -> None:
        """Begin as many attempts as the lane has jobs and its next hop has room for."""
        if self._is_closing or not len(lane.turns):
            return
        monotonic = self._clock.monotonic()
        while lane.may_begin(monotonic):
            job = lane.turns.take()
            if job is None:
                return
            assert lane.hop is not None
            lane.sending += 1
            lane.health.begin()
            task = asyncio.get_running_loop().create_task(self._run(lane, lane.hop, job))
            self._attempts[task] = lane.hop
            task.add_done_callback(self._attempts.pop)

    async def finished(self, hop: NextHop) -> None:
        """Wait for the attempts that are under way at a next hop, before it is closed."""
        under_way = [task for task, its in self._attempts.items() if its is hop]
        if under_way:
            await asyncio.wait(under_way)

    async def drain(self, grace: float) -> None:
        """Begin no attempt; let those under way finish within `grace` seconds, then cut them."""
        self._is_closing = True
        if self._attempts:
            _, late = await asyncio.wait(self._attempts, timeout=grace)
            await _cancel(late)
        if self._reports:
            _, late = await asyncio.wait(self._reports, timeout=FIRST_WAIT)
            await _cancel(late)

    def conclude(
        self, lane: Lane, job: Job, judgement: Judgement, content: Content | None, *, is_final: bool
    ) -> None:
        """Settle a job: its recipients, with the reports that come of them. It leaves the window when stored."""
        job.step = Step.SETTLING
        lane.settling += 1
        self._window.drop_content(job)
        if judgement.tells:
            work = self._report(lane, job, judgement, content, is_final=is_final)
            task = asyncio.get_running_loop().create_task(work)
            self._reports.add(task)
            task.add_done_callback(self._reports.discard)
        else:
            self._settle(lane, job, judgement, ())

    async def _run(self, lane: Lane, hop: NextHop, job: Job) -> None:
        following: Job | None = job
        try:
            while following is not None:
                await self._attempt(lane, hop, following)
                following = self._following(lane, hop)
        finally:
            lane.sending -= 1
        self._changed()

    def _following(self, lane: Lane, hop: NextHop) -> Job | None:
        """The courier's next job: none where the hop was replaced or gets fewer at once than there are."""
        if self._is_closing or lane.hop is not hop:
            return None
        if lane.sending > lane.health.allowed(self._clock.monotonic()):
            return None
        job = lane.turns.take()
        if job is not None:
            lane.health.begin()
        return job

    async def _attempt(self, lane: Lane, hop: NextHop, job: Job) -> None:
        job.step = Step.SENDING
        content = job.content or self._load(job)
        if content is None:
            lane.health.abandon()
            self._leave(lane, job)
            return
        began = self._clock.monotonic()
        try:
            result = await self._deliver(hop, job, content)
        except asyncio.CancelledError:  # only at the end of the service: nobody asks for more work
            self._is_closing = True
            self._window.remove(job)
            raise
        if lane.hop is hop and not self._is_closing:
            self._note(lane, result)
        tried = self._tried(job, result)
        self._tell(_event(job, tried, result, self._clock.monotonic() - began))
        if tried:
            self._take_in(lane, job, content, tried, is_final=hop.is_final)
        else:
            self._give_back(lane, job, keep=not job.is_unwanted)
        self.dispatch(lane)

    async def _deliver(self, hop: NextHop, job: Job, content: Content) -> AttemptResult:
        try:
            return await hop.deliver(job.work, content)
        except Exception as error:  # noqa: BLE001 - a bug with one message must not stop the others
            return self._fault(job, error)

    def _take_in(self, lane: Lane, job: Job, content: Content, tried: Tried, *, is_final: bool) -> None:
        judgement = self._judge.judge(job.work.message, tried, self._clock.now())
        self._mourn(job, judgement)
        job.is_stale = job.is_stale or len(tried) < len(job.work.recipients)
        self.conclude(lane, job, judgement, content, is_final=is_final)

    def _tried(self, job: Job, result: AttemptResult) -> Tried:
        """Each recipient with its outcome; at a hop that is not DOWN each must have one."""
        outcomes = dict(result.outcomes)
        recipients = job.work.recipients
        if len(outcomes) < len(recipients) and result.hop is not Hop.DOWN:
            missing = Outcome(Result.DEFERRED, _NO_ANSWER, "", self._clock.now())
            return [(one, outcomes.get(one.number, missing)) for one in recipients]
        return [(one, outcomes[one.number]) for one in recipients if one.number in outcomes]

    def _note(self, lane: Lane, result: AttemptResult) -> None:
        health = lane.health
        was_up = health.is_up
        state = health.note(result.hop, result.trouble, lane.sending - 1, self._clock.monotonic())
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

    def _fault(self, job: Job, error: Exception) -> AttemptResult:
        """A bug of ours: told with a reference, the recipients try again as after any temporary failure."""
        reference = reason_code()
        self._faulted(reference, error)
        text = f"delivery of {job.work.message.id} met an unexpected error, reference {reference}"
        self._tell(Alarmed(alarm="fault", text=text, login=job.work.message.login))
        ours = reply(451, "4.3.0", "an unexpected error on our side").with_reason(reference)
        outcome = Outcome(Result.DEFERRED, ours, "", self._clock.now())
        return AttemptResult([(one.number, outcome) for one in job.work.recipients])

    def _load(self, job: Job) -> Content | None:
        """Its octets; None when the message is gone (deleted meanwhile) or was set aside by the spool."""
        try:
            return job.spool.load(job.work.message.id)
        except KeyError:
            return None
        except Exception as error:  # noqa: BLE001 - one entry that cannot be read harms itself only
            detail = f"{job.work.message.id} could not be read for delivery: {visible(str(error))}"
            self._tell(Alarmed(alarm="spool", text=detail, login=job.work.message.login))
            return None

    def _mourn(self, job: Job, judgement: Judgement) -> None:
        """Mail without a reverse path that cannot be delivered ends here (RFC 5321 section 6.1)."""
        has_failed = any(one.outcome.result is Result.FAILED for one in judgement.settled)
        if has_failed and job.work.message.reverse_path is None:
            self._tell_dropped(job, "it has no reverse path")

    async def _report(
        self, lane: Lane, job: Job, judgement: Judgement, content: Content | None, *, is_final: bool
    ) -> None:
        """Write the reports, however long the spool has no room for them, and settle with them."""
        failures = 0
        while True:
            try:
                reports = await self._reporter.write(
                    job.spool, job.work.message, content, judgement, is_final=is_final
                )
            except Exception as error:  # noqa: BLE001 - a message whose report cannot be written stays in the queue
                if self._unreported(job, error):
                    content = None
                await asyncio.sleep(interval(FIRST_WAIT, LONGEST_WAIT, failures, self._draw))
                failures += 1
            else:
                if not reports:
                    self._tell_dropped(job, "no route takes its reverse path")
                self._settle(lane, job, judgement, reports)
                return

    def _unreported(self, job: Job, error: Exception) -> bool:
        """Tell of it; whether a bug of ours is to blame: then the report does without the message's content."""
        is_bug = not isinstance(error, SamsError)
        if is_bug:
            self._faulted(reason_code(), error)
        text = f"the report about {job.work.message.id} cannot be written: {visible(str(error))}"
        self._tell(Alarmed(alarm="fault" if is_bug else "spool", text=text, login=job.work.message.login))
        return is_bug

    def _tell_dropped(self, job: Job, why: str) -> None:
        detail = f"{job.work.message.id}: {why}"
        self._tell(ServiceChanged(what="undeliverable report dropped", detail=detail))

    def _settle(self, lane: Lane, job: Job, judgement: Judgement, reports: Sequence[Report]) -> None:
        settlement = Settlement(job.work.message.id, judgement.settled, tuple(one.message for one in reports))

        def stored(works: tuple[Work, ...]) -> None:
            lane.settling -= 1
            self._stored(lane, job, judgement, reports)
            if works:
                self._submit(works, job.spool)

        self._settler.settle(job.spool, settlement, stored)

    def _stored(self, lane: Lane, job: Job, judgement: Judgement, reports: Sequence[Report]) -> None:
        for settled in judgement.settled:
            if settled.due is not None:
                lane.passes[job.spool].expect(settled.due)
                self._changed()
        for one in reports:
            message = job.work.message
            self._tell(
                Reported(message=message.id, report=one.message.id, what=one.what, login=message.login)
            )
        self._leave(lane, job)

    def _give_back(self, lane: Lane, job: Job, *, keep: bool) -> None:
        """Nothing became of an attempt: the job waits again, or is left to a claim."""
        if keep and (lane.health.is_up or not len(lane.turns)):
            job.step = Step.WAITING
            lane.turns.put_back(job)
        else:
            self._leave(lane, job)
            lane.passes[job.spool].look_again()

    def _leave(self, lane: Lane, job: Job) -> None:
        self._window.remove(job)
        if job.step is not Step.WAITING:
            lane.ended += 1
        if job.left is not None:
            job.left()
        if job.is_stale:
            lane.passes[job.spool].look_again()
        if lane.wants_more:
            self._changed()


def _event(job: Job, tried: Tried, result: AttemptResult, seconds: float) -> Attempted:
    """An attempt at a hop that was down is told with the trouble as everybody's reply: that is why they wait."""
    message = job.work.message
    if not tried and result.trouble is not None:
        tried = [(one, result.trouble) for one in job.work.recipients]
    return Attempted(
        message=message.id,
        route=job.work.route,
        remote=result.remote,
        tls=result.tls,
        recipients=tuple(
            [
                RecipientResult(str(one.recipient.mailbox), outcome.result.value, str(outcome.reply))
                for one, outcome in tried
            ]
        ),
        seconds=seconds,
        login=message.login,
        session=message.session,
    )


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
