"""What is done with what attempts bring: told, judged, settled with the reports that come of it, and let go of.

A courier does not wait for the commit of a result: the job is settled by a callback. A result that needs a report
is finished by a task of its own, so that the connection is free meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any

from sams.activity.events import (
    Alarmed,
    Attempted,
    RecipientResult,
    Reported,
    ServiceChanged,
    ServiceEvent,
)
from sams.core.clock import Clock
from sams.core.errors import SamsError, TemporaryFailure
from sams.core.ids import new_reference
from sams.core.outcome import Outcome, Result
from sams.core.reply import reply
from sams.core.text import DEFAULT_LENGTH, visible
from sams.delivery.backoff import interval
from sams.delivery.bounces import Report, Reporter
from sams.delivery.interface import AttemptResult, Hop
from sams.delivery.judge import Judge, Judgement
from sams.delivery.lane import Lane
from sams.delivery.settling import FIRST_WAIT, LONGEST_WAIT, Settler
from sams.delivery.window import Job, Step, Window
from sams.spool.interface import Content, DamagedEntry, QueuedRecipient, Settled, Settlement, Spool, Work

_BUG_FIRST, _BUG_LONGEST = 60.0, 3_600.0
"""Seconds that a message waits where a bug keeps the retry policy from being asked."""
_MANY, _REPLY_OF_MANY = 20, 250
"""Recipients of an attempt of whose replies only so many characters are told each: a hop can have words for each."""
_DAMAGED = reply(451, "4.3.0", "the message cannot be read here, and was set aside")
_UNREAD = reply(451, "4.3.0", "the message cannot be read here at the moment")
_NO_ANSWER = reply(451, "4.3.0", "the attempt ended without an answer for this recipient")

Tried = list[tuple[QueuedRecipient, Outcome]]


class Conclusions:
    """Concludes the attempts of all lanes.

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
        self._reports: set[asyncio.Task[None]] = set()

    async def drain(self) -> None:
        """Let reports that are being written finish, or cut them."""
        if self._reports:
            _, late = await asyncio.wait(self._reports, timeout=FIRST_WAIT)
            await cancel(late)

    def take_in(
        self,
        lane: Lane,
        job: Job,
        content: Content | None,
        result: AttemptResult,
        seconds: float,
        *,
        is_final: bool,
    ) -> None:
        """An attempt is over: tell of it, and settle or give back its job. Without content, a report does without it.

        Never raises: a bug on the way there is told, and costs no more than its trace in the journal.
        """
        try:
            settled = self._judge.all_delivered(job.work, result.for_all) if result.for_all else None
            if settled is not None and result.for_all is not None:
                self._tell(_event(job, zip(job.work.recipients, repeat(result.for_all)), result, seconds))
                self._begin_to_settle(lane, job)
                self._settle(lane, job, settled, ())
            else:
                self._take_in_each(lane, job, content, result, seconds, is_final=is_final)
        except Exception as error:  # noqa: BLE001 - the others of its group must land, and its place must be free
            self._rescue(lane, job, content, result, error, is_final=is_final)

    def conclude(
        self, lane: Lane, job: Job, judgement: Judgement, content: Content | None, *, is_final: bool
    ) -> None:
        """Settle a job: its recipients, with the reports that come of them. It leaves the window when stored."""
        self._begin_to_settle(lane, job)
        if judgement.tells:
            work = self._report(lane, job, judgement, content, is_final=is_final)
            task = asyncio.get_running_loop().create_task(work)
            self._reports.add(task)
            task.add_done_callback(partial(self._report_done, lane, job, judgement))
        else:
            self._settle(lane, job, judgement.settled, ())

    def leave(self, lane: Lane, job: Job) -> None:
        """A job is no longer in hand."""
        self._window.remove(job)
        if job.step is not Step.WAITING:
            lane.ended += 1
        if job.left is not None:
            job.left()
        if job.is_stale:
            lane.passes[job.spool].look_again()
        if lane.wants_more:
            self._changed()

    def unread(self, lane: Lane, job: Job, error: Exception) -> None:
        """Its octets could not be read for an attempt.

        Its recipients have times of their own then, and are given up when it expires, as after any deferral: else
        it would be tried for ever, and nobody told.
        """
        if isinstance(error, TemporaryFailure):
            self._tell_unread(job, error)
            outcome = Outcome(Result.DEFERRED, _UNREAD, "", self._clock.now())
            result = AttemptResult([(one.number, outcome) for one in job.work.recipients])
        else:
            result = self.fault(job, error)
        self.take_in(lane, job, None, result, 0.0, is_final=False)

    def fault(self, job: Job, error: BaseException) -> AttemptResult:
        """A bug of ours: told with a reference, the recipients try again as after any temporary failure.

        A message that turned out to be damaged is none: the spool has set it aside, and told so.
        """
        if isinstance(error, DamagedEntry):
            outcome = Outcome(Result.DEFERRED, _DAMAGED, "", self._clock.now())
        else:
            outcome = self.tell_fault(job, error)
        return AttemptResult([(one.number, outcome) for one in job.work.recipients])

    def tell_fault(self, job: Job, error: BaseException) -> Outcome:
        """Tell of a bug, with a reference; never raises. The outcome of those who have to try again for it."""
        reference = new_reference()
        text = f"delivery of {job.work.message.id} met an unexpected error, reference {reference}"
        try:
            self._faulted(reference, error)
            self._tell(Alarmed(alarm="fault", text=text, login=job.work.message.login))
        except Exception as again:  # noqa: BLE001 - who cannot be told must not keep the job from its end
            about = {"message": f"{text}, and could not tell of it", "exception": again}
            asyncio.get_running_loop().call_exception_handler(about)
        ours = reply(451, "4.3.0", "an unexpected error on our side").with_reference(reference)
        return Outcome(Result.DEFERRED, ours, "", self._clock.now())

    def _tell_unread(self, job: Job, error: TemporaryFailure) -> None:
        """An alarm for a message, not for each time it is tried."""
        message = job.work.message
        if any(one.last is None or one.last.reply != _UNREAD for one in job.work.recipients):
            text = f"{message.id} waits, for it cannot be read for delivery: {visible(str(error))}"
            self._tell(Alarmed(alarm="spool", text=text, login=message.login))

    def _take_in_each(
        self,
        lane: Lane,
        job: Job,
        content: Content | None,
        result: AttemptResult,
        seconds: float,
        *,
        is_final: bool,
    ) -> None:
        """Recipients with outcomes of their own, or none."""
        tried = self._tried(job, result)
        told = tried or (zip(job.work.recipients, repeat(result.trouble)) if result.trouble else ())
        self._tell(_event(job, told, result, seconds))
        self._go_by(lane, job, content, tried, is_final=is_final)

    def _rescue(
        self,
        lane: Lane,
        job: Job,
        content: Content | None,
        result: AttemptResult,
        error: Exception,
        *,
        is_final: bool,
    ) -> None:
        """A bug came between what the hop said and the queue: who has the message leaves, the others try again.

        Where that fails as well, the same is stored without the help of what failed.
        """
        ours = self.tell_fault(job, error)
        tried: Tried = []
        try:
            if job.step is Step.SENDING:
                tried = [
                    (one, outcome if outcome.result is Result.DELIVERED else ours)
                    for one, outcome in self._tried(job, result)
                ]
                self._go_by(lane, job, content, tried, is_final=is_final)
        except Exception as again:  # noqa: BLE001 - as above
            ours = self.tell_fault(job, again)
            if job.step is Step.SENDING:
                self._begin_to_settle(lane, job)
                self._settle(lane, job, self._plain(job, {one.number: told for one, told in tried}, ours), ())

    def _plain(self, job: Job, outcomes: Mapping[int, Outcome], ours: Outcome) -> tuple[Settled, ...]:
        """Who has the message leaves, and all others wait: nobody is given up where a report may not be made."""
        settled = []
        for one in job.work.recipients:
            outcome = outcomes.get(one.number, ours)
            if outcome.result is Result.DELIVERED:
                settled.append(Settled(one.number, outcome, delay_told=one.delay_told))
            else:
                due = self._clock.now() + interval(_BUG_FIRST, _BUG_LONGEST, one.attempts, 0.5)
                settled.append(Settled(one.number, ours, due, delay_told=one.delay_told))
        return tuple(settled)

    def _report_done(self, lane: Lane, job: Job, judgement: Judgement, task: asyncio.Task[None]) -> None:
        """Reports that a bug ended: nobody leaves the queue unheard for it."""
        self._reports.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        ours = self.tell_fault(job, error)
        outcomes = {one.number: one.outcome for one in judgement.settled}
        self._settle(lane, job, self._plain(job, outcomes, ours), ())

    def _begin_to_settle(self, lane: Lane, job: Job) -> None:
        job.step = Step.SETTLING
        lane.settling += 1
        self._window.drop_content(job)

    def _go_by(self, lane: Lane, job: Job, content: Content | None, tried: Tried, *, is_final: bool) -> None:
        """Settle by outcomes; without any the job is as it was."""
        if not tried:
            self._give_back(lane, job, keep=not job.is_unwanted)
            return
        judgement = self._judge.judge(job.work.message, tried, self._clock.now())
        self._tell_if_lost(job, judgement)
        job.is_stale = job.is_stale or len(tried) < len(job.work.recipients)
        self.conclude(lane, job, judgement, content, is_final=is_final)

    def _tried(self, job: Job, result: AttemptResult) -> Tried:
        """Each recipient with its outcome; at a hop that is not DOWN each must have one."""
        recipients = job.work.recipients
        if result.for_all is not None:
            return [(one, result.for_all) for one in recipients]
        outcomes = dict(result.outcomes)
        if len(outcomes) < len(recipients) and result.hop is not Hop.DOWN:
            missing = Outcome(Result.DEFERRED, _NO_ANSWER, "", self._clock.now())
            return [(one, outcomes.get(one.number, missing)) for one in recipients]
        return [(one, outcomes[one.number]) for one in recipients if one.number in outcomes]

    def _tell_if_lost(self, job: Job, judgement: Judgement) -> None:
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
                await asyncio.sleep(interval(FIRST_WAIT, LONGEST_WAIT, failures, self._draw()))
                failures += 1
            else:
                if not reports:
                    self._tell_dropped(job, "no route takes its reverse path")
                self._settle(lane, job, judgement.settled, reports)
                return

    def _unreported(self, job: Job, error: Exception) -> bool:
        """Tell of it; whether a bug of ours is to blame: then the report does without the message's content."""
        is_bug = not isinstance(error, SamsError)
        if is_bug:
            self._faulted(new_reference(), error)
        text = f"the report about {job.work.message.id} cannot be written: {visible(str(error))}"
        self._tell(Alarmed(alarm="fault" if is_bug else "spool", text=text, login=job.work.message.login))
        return is_bug

    def _tell_dropped(self, job: Job, why: str) -> None:
        detail = f"{job.work.message.id}: {why}"
        self._tell(ServiceChanged(what="undeliverable report dropped", detail=detail))

    def _settle(self, lane: Lane, job: Job, settled: tuple[Settled, ...], reports: Sequence[Report]) -> None:
        news = tuple([one.message for one in reports]) if reports else ()
        settlement = Settlement(job.work.message.id, settled, news)
        self._settler.settle(job.spool, settlement, partial(self._stored, lane, job, settled, reports))

    def _stored(
        self,
        lane: Lane,
        job: Job,
        settled: tuple[Settled, ...],
        reports: Sequence[Report],
        works: tuple[Work, ...],
    ) -> None:
        lane.settling -= 1
        for each in settled:
            if each.due is not None:
                lane.passes[job.spool].expect(each.due)
                self._changed()
        for one in reports:
            message = job.work.message
            self._tell(
                Reported(message=message.id, report=one.message.id, what=one.what, login=message.login)
            )
        self.leave(lane, job)
        if works:
            self._submit(works, job.spool)

    def _give_back(self, lane: Lane, job: Job, *, keep: bool) -> None:
        """Nothing became of an attempt: the job waits again, or is left to a claim."""
        if keep and (lane.health.is_up or not lane.turns.count):
            job.step = Step.WAITING
            lane.turns.put_back(job)
        else:
            self.leave(lane, job)
            lane.passes[job.spool].look_again()


def _event(
    job: Job, tried: Iterable[tuple[QueuedRecipient, Outcome]], result: AttemptResult, seconds: float
) -> Attempted:
    message = job.work.message
    last, what, said = None, "", ""
    told = []
    is_long = result.for_all is None and len(job.work.recipients) > _MANY
    length = _REPLY_OF_MANY if is_long else DEFAULT_LENGTH
    for one, outcome in tried:
        if outcome is not last:  # often it is everybody's
            last, what, said = outcome, outcome.result._value_, visible(str(outcome.reply), length)
        told.append(RecipientResult(str(one.recipient.mailbox), what, said))
    return Attempted(
        message.id,
        job.work.route,
        result.remote,
        result.tls,
        tuple(told),
        seconds,
        message.login,
        message.session,
    )


async def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel these, and wait for their end."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
