"""What happened beside connections: locks of the guard, changes of accounts, alarms. Each is a story of its own."""

from __future__ import annotations

from sams.activity import events
from sams.activity.explaining.making import stage
from sams.activity.explaining.sign_ins import guard_locked
from sams.activity.explaining.stages import Stage, Story
from sams.activity.interface import Entry, Step


def beside(entry: Entry) -> Story:
    """The story of a row that has one step and belongs to no session."""
    step = entry.steps[0]
    made = _stage(step)
    login, client = getattr(step.event, "login", ""), ""
    if isinstance(step.event, events.GuardLocked):
        client = step.event.address
    return Story("", client, step.at, True, login or entry.login, (made,))


def _stage(step: Step) -> Stage:
    at, event = step.at, step.event
    if isinstance(event, events.GuardLocked):
        return guard_locked(at, event)
    if isinstance(event, events.GuardReleased):
        return stage(
            at, "guard-released", None, None, {"of": event.what, "locks": event.locks, "by": event.by}
        )
    if isinstance(event, events.AccountChanged):
        internal = {"by": event.by, "detail": event.detail}
        return stage(at, "account-changed", None, {"login": event.login, "what": event.what or "?"}, internal)
    if isinstance(event, events.QueueChanged):
        known = event.what in {"hold", "release", "retry", "delete"}
        kind = f"queue-{event.what}" if known else "queue-other"
        facts = {"what": event.what or "?"}
        return stage(at, kind, facts, None, {"by": event.by, "messages": event.messages})
    if isinstance(event, events.Alarmed):
        return stage(at, "alarm", None, None, {"alarm": event.alarm, "text": event.text})
    internal = {"what": events.kind_of(event)}
    internal |= {
        name: value
        for name in ("what", "detail", "why")
        if isinstance(value := getattr(event, name, ""), str)
    }
    return stage(at, "service-event", None, None, internal)
