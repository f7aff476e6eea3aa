"""What follows from an outcome: who leaves the queue, who waits until when, and who is to hear of it.

One table in words, for a recipient of a message with a reverse path (without one nobody is told, RFC 5321
section 6.1):

    outcome                                what follows               told, unless NOTIFY says otherwise
    delivered                              leaves                     success, only if NOTIFY=SUCCESS and the
                                                                      hop did not take that duty over
    failed                                 leaves                     failure
    deferred, message older than `expire`  leaves, as failed 5.4.7    failure
    deferred, older than `delay_notice`    waits                      delay, once
    deferred                               waits                      nothing
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from sams.core.envelope import Notify
from sams.core.outcome import Outcome, Result
from sams.core.reply import EnhancedStatus, Reply
from sams.delivery.backoff import RetryPolicy, interval
from sams.spool.interface import QueuedMessage, QueuedRecipient, Settled, Work

EXPIRED = EnhancedStatus(5, 4, 7)
"""Delivery time expired (RFC 3463 section 3.5)."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A recipient with what an attempt brought it."""

    recipient: QueuedRecipient
    settled: Settled


@dataclass(frozen=True, slots=True)
class Judgement:
    """All recipients of one attempt, and those of them that are to be reported."""

    settled: tuple[Settled, ...]
    failed: tuple[Judged, ...] = ()
    delayed: tuple[Judged, ...] = ()
    succeeded: tuple[Judged, ...] = ()

    @property
    def tells(self) -> bool:
        """Whether a report comes of it."""
        return bool(self.failed or self.delayed or self.succeeded)


class Judge:
    """Applies the table above with one retry policy."""

    def __init__(self, policy: RetryPolicy, draw: Callable[[], float]) -> None:
        self._policy = policy
        self._draw = draw

    def judge(
        self, message: QueuedMessage, tried: Sequence[tuple[QueuedRecipient, Outcome]], now: float
    ) -> Judgement:
        """What follows from an attempt's outcomes. `now`: wall clock, UNIX seconds."""
        chance = self._draw()  # one for all: who is put off together goes in one transaction again
        judged = [Judged(one, self._settle(message, one, outcome, now, chance)) for one, outcome in tried]
        settled = tuple(one.settled for one in judged)
        if message.reverse_path is None:
            return Judgement(settled)
        return _gather(settled, judged)

    def all_delivered(self, work: Work, outcome: Outcome) -> tuple[Settled, ...] | None:
        """What follows where one outcome, a success, is everybody's; None: somebody may want to hear of it."""
        recipients = work.recipients
        if not outcome.relayed_to_dsn_aware:
            for one in recipients:
                if one.recipient.notify is not None:
                    return None
        return tuple([Settled(one.number, outcome, None, one.delay_told) for one in recipients])

    def overdue(
        self, message: QueuedMessage, waiting: Sequence[QueuedRecipient], trouble: Outcome, now: float
    ) -> Judgement:
        """The same for recipients that wait on a dead route: only expiry and delay, nobody is put off.

        Who is neither to be given up nor to be told of stays out of the result. `trouble` stands in for the
        last outcome of those that never had one.
        """
        judged = []
        for one in waiting:
            last = one.last or trouble
            if self.is_expired(message, now):
                judged.append(Judged(one, Settled(one.number, self._expired(last, now), counts=False)))
            elif self._is_delay_due(message, one, now):
                waits = msgspec.structs.replace(last, result=Result.DEFERRED)
                judged.append(Judged(one, Settled(one.number, waits, one.due, delay_told=True, counts=False)))
        settled = tuple(one.settled for one in judged)
        return Judgement(settled) if message.reverse_path is None else _gather(settled, judged)

    def is_expired(self, message: QueuedMessage, now: float) -> bool:
        """Whether a message is too old to wait on."""
        return now - message.arrived >= self._policy.expire

    def _settle(
        self,
        message: QueuedMessage,
        recipient: QueuedRecipient,
        outcome: Outcome,
        now: float,
        chance: float,
    ) -> Settled:
        if outcome.result is not Result.DEFERRED:
            return Settled(recipient.number, outcome, delay_told=recipient.delay_told)
        if self.is_expired(message, now):
            return Settled(recipient.number, self._expired(outcome, now), delay_told=recipient.delay_told)
        told = recipient.delay_told or self._is_delay_due(message, recipient, now)
        due = self._next(message, recipient, now, chance)
        return Settled(recipient.number, outcome, due, delay_told=told)

    def _next(self, message: QueuedMessage, recipient: QueuedRecipient, now: float, chance: float) -> float:
        """The last attempt falls on the expiry, so that the sender does not hear of it later than promised."""
        policy = self._policy
        due = now + interval(policy.first, policy.longest, recipient.attempts, chance)
        end = message.arrived + policy.expire
        return min(due, end) if end >= now + policy.first else due

    def _is_delay_due(self, message: QueuedMessage, recipient: QueuedRecipient, now: float) -> bool:
        notice = self._policy.delay_notice
        if not notice or recipient.delay_told or now - message.arrived < notice:
            return False
        notify = recipient.recipient.notify
        return message.reverse_path is not None and (notify is None or Notify.DELAY in notify)

    def _expired(self, last: Outcome, now: float) -> Outcome:
        """RFC 3463's 5.4.7 with the hop's last words behind it."""
        text = f"not deliverable within {_duration(self._policy.expire)}; the last reply was: {last.reply}"
        return Outcome(Result.FAILED, Reply(554, (text,), EXPIRED), last.remote, now)


def _gather(settled: tuple[Settled, ...], judged: list[Judged]) -> Judgement:
    failed, delayed, succeeded = [], [], []
    for one in judged:
        notify = one.recipient.recipient.notify
        result = one.settled.outcome.result
        if result is Result.FAILED:
            if notify is None or Notify.FAILURE in notify:
                failed.append(one)
        elif result is Result.DEFERRED:
            if one.settled.delay_told and not one.recipient.delay_told:
                delayed.append(one)
        elif notify is not None and Notify.SUCCESS in notify and not one.settled.outcome.relayed_to_dsn_aware:
            succeeded.append(one)
    return Judgement(settled, tuple(failed), tuple(delayed), tuple(succeeded))


def _duration(seconds: float) -> str:
    """`5 days`, `4 hours`, `90 minutes`."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            count = int(seconds // length)
            return f"{count} {unit}" + ("s" if count != 1 else "")
    return f"{round(seconds)} seconds"
