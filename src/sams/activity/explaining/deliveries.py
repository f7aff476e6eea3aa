"""What became of messages after they were accepted: attempts, reports, changes of the queue, and what still waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sams.activity.events import Attempted, QueueChanged, RecipientResult, Reported
from sams.activity.explaining.making import again, is_again, said, stage
from sams.activity.explaining.stages import Fact, Stage
from sams.activity.interface import Step

KEPT = 7 * 86_400.0
"""Seconds after which a message that nothing is known of is not said to wait: no queue keeps one for so long."""
_ORDER = ("delivered", "deferred", "failed")
_NOT_REACHED = frozenset({"4.4.1", "4.4.3"})
_TLS = frozenset({"4.7.4", "4.7.5"})
_REPORTS = frozenset({"failed", "delayed", "delivered"})
_CHANGES = frozenset({"hold", "release", "retry", "delete"})


@dataclass(slots=True)
class Message:
    """One message and what befell it.

    accepted: UNIX seconds and the number of recipients; None: not known.
    steps: of attempts, reports and changes, in any order.
    """

    id: str
    accepted: tuple[float, int] | None = None
    steps: list[Step] = field(default_factory=list)

    @property
    def is_troubled(self) -> bool:
        """Whether more may be known of it than its attempts: reports, or what an administrator did."""
        results = [
            each.result
            for step in self.steps
            if isinstance(step.event, Attempted)
            for each in step.event.recipients
        ]
        return not results or any(result != "delivered" for result in results)

    def stages(self, now: float) -> list[Stage]:
        """What befell it, in the order of time, and at the end what still waits."""
        made: list[Stage] = []
        for one in self._each(now):
            if made and is_again(made[-1], one):
                made[-1] = again(made[-1], one)
            else:
                made.append(one)
        return made

    def _each(self, now: float) -> Iterator[Stage]:
        last = self.accepted[0] if self.accepted else 0.0
        is_held = is_deleted = False
        settled: set[str] = set()
        for step in sorted(self.steps, key=lambda step: step.at):
            last = max(last, step.at)
            yield from told(step.at, step.event)
            if isinstance(step.event, Attempted):
                settled |= set(_settled(step.event))
            elif isinstance(step.event, QueueChanged):
                is_deleted = is_deleted or step.event.what == "delete"
                is_held = step.event.what == "hold" or (is_held and step.event.what != "release")
        if not (is_held or is_deleted):
            yield from self._rest(now, last, len(settled))

    def _rest(self, now: float, last: float, settled: int) -> Iterator[Stage]:
        """What of its recipients is not settled."""
        if self.accepted is None or settled >= self.accepted[1]:
            return
        was_tried = any(isinstance(step.event, Attempted) for step in self.steps)
        kind = "waiting-again" if was_tried else "waiting"
        if now - last > KEPT:
            kind = "outcome-unknown"
        yield stage(last, kind, {"recipients": self.accepted[1] - settled}, {"message": self.id})


def told(at: float, event: object) -> Iterator[Stage]:
    """The stages of one event about a message."""
    if isinstance(event, Attempted):
        yield from _attempt(at, event)
    elif isinstance(event, Reported):
        what = event.what if event.what in _REPORTS else "other"
        yield stage(at, f"report-{what}", None, {"message": event.message, "report": event.report})
    elif isinstance(event, QueueChanged):
        what = event.what if event.what in _CHANGES else "other"
        facts: dict[str, Fact] = {"what": event.what or "?"}
        yield stage(at, f"queue-{what}", facts, {"message": event.message}, {"by": event.by})


def _attempt(at: float, event: Attempted) -> Iterator[Stage]:
    """One stage for each result: who else has the same is counted."""
    for result in _ORDER:
        found = [each for each in event.recipients if each.result == result]
        if found:
            yield _outcome(at, event, result, found)


def _outcome(at: float, event: Attempted, result: str, recipients: list[RecipientResult]) -> Stage:
    first = recipients[0]
    reply = said(first.reply)
    private: dict[str, Fact] = {
        "message": event.message,
        "first": first.recipient or "?",
        "reply": first.reply.rstrip(" .") or "?",
        "remote": event.remote,
    }
    if len(recipients) > 1:
        private["many"] = len(recipients)
    internal: dict[str, Fact] = {"route": event.route, "tls": event.tls}
    facts: dict[str, Fact] = {"recipients": len(recipients), "code": reply.code, "status": reply.status}
    return stage(at, _kind(result, reply.status), facts, private, internal)


def _kind(result: str, status: str) -> str:
    if result == "delivered":
        return "delivered"
    if result == "failed":
        return "delivery-refused"
    if status in _TLS:
        return "deferred-tls"
    return "deferred-not-reached" if status in _NOT_REACHED else "deferred"


def _settled(event: Attempted) -> Iterable[str]:
    return (each.recipient.casefold() for each in event.recipients if each.result in {"delivered", "failed"})
