"""What the journal holds, told for people: each event as one short sentence, each entry as a timeline.

Words from outside are put in as they are here; `sams.cli.render` and the callers clean each line as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sams.activity import events
from sams.activity.interface import Entry, Step
from sams.cli.render import count, size, span, when
from sams.core.text import visible

_MAX_LINE = 2_000


def told(event: events.AnyEvent) -> str:
    """One event in words."""
    return _WORDS[type(event)](event)


def timeline(entry: Entry) -> Iterator[str]:
    """The lines of one entry: its first time and what it is, then a line for each step. All are cleaned."""
    steps = entry.steps
    if len(steps) == 1 and entry.what != "session":
        yield _line(f"{when(steps[0].at)}  {told(steps[0].event)}")
        return
    yield _line(f"{when(steps[0].at) if steps else '?'}  {_title(entry)}")
    for step in steps:
        yield from _step_lines(step)
    if not entry.ended:
        yield "    … it still lasts"


def as_json(entry: Entry) -> dict[str, Any]:
    """The entry for programs; see docs/reference/commands.md."""
    import msgspec  # noqa: PLC0415 - the plain form is for --json only

    return {
        "shard": entry.shard,
        "number": entry.number,
        "what": entry.what,
        "session": entry.session,
        "login": entry.login,
        "client": entry.client,
        "ended": entry.ended,
        "steps": [{"at": step.at, **msgspec.to_builtins(step.event)} for step in entry.steps],
    }


def _line(text: str) -> str:
    return visible(text, _MAX_LINE)


def _title(entry: Entry) -> str:
    who = f" of {entry.login}" if entry.login else ""
    return f"{entry.what} {entry.session}{who}{f' from {entry.client}' if entry.client else ''}"


def _step_lines(step: Step) -> Iterator[str]:
    clock = when(step.at)[-8:]
    yield _line(f"    {clock}  {told(step.event)}")
    if isinstance(step.event, events.Attempted):
        for recipient in step.event.recipients:
            yield _line(f"              {recipient.recipient}: {recipient.result}: {recipient.reply}")


def _tls(event: events.TlsStarted) -> str:
    name = f" for {event.sni}" if event.sni else ""
    return f"TLS {event.version} {event.cipher}{name}{', resumed' if event.resumed else ''}"


def _tls_failed(event: events.TlsFailed) -> str:
    cause = f" ({event.cause})" if event.cause else ""
    facts = (
        ("it said", event.word),
        ("it offered", event.offered),
        ("suites", event.suites),
        ("for", event.server_name),
        ("its alert", event.alert),
    )
    known = "".join(f"; {what} {fact}" for what, fact in facts if fact)
    return f"TLS failed{cause}: {event.why}{known}{'; our certificate was sent' if event.saw_certificate else ''}"


def _refused(event: events.Refused) -> str:
    said = f" {event.said}" if event.said else ""
    return f"{event.verb}{said} refused: {event.reply}{_with(event.detail)}"


def _refused_sign_in(event: events.SignInRefused) -> str:
    why = f"; {event.explanation}" if event.explanation else ""
    return f"sign-in as {event.login or '?'} by {event.mechanism} refused ({event.why}){why}: {event.reply}"


def _attempt(event: events.Attempted) -> str:
    where = f"to {event.remote}" if event.remote else f"by route {event.route}"
    results = ", ".join(sorted({each.result for each in event.recipients}))
    tls = f" with TLS {event.tls}" if event.tls else ""
    first = event.recipients[0] if event.recipients else None
    answer = (
        f" <{first.recipient}>: {first.reply}" if first is not None and len(event.recipients) == 1 else ""
    )
    people = count(len(event.recipients), "recipient")
    return f"message {event.message} {where}{tls}: {people} {results}{answer} ({event.seconds:.1f} s)"


def _guard_locked(event: events.GuardLocked) -> str:
    what = {
        "pair": f"{event.login} at {event.address} is locked",
        "address": f"address {event.address} is locked",
        "network": f"network {event.address} is locked",
        "login": f"{event.login} is tried from many places: at {event.address or 'new ones'} it is locked"
        + ("" if event.address else " after one wrong password"),
    }.get(event.level, f"{event.level} {event.login} {event.address} is locked")
    return f"guard: {what} for {span(event.seconds)}, after {count(event.guesses, 'wrong password')}"


def _with(detail: str) -> str:
    return f": {detail}" if detail else ""


_WORDS: dict[type[events.Event], Callable[[Any], str]] = {
    events.Connected: lambda event: (
        f"connected from {event.client} to port {event.port}{', TLS from the start' if event.implicit else ''}"
    ),
    events.Proxied: lambda event: (
        f"{'by' if event.own else 'through'} the load balancer {event.by} (PROXY version {event.version})"
        f"{': its own connection, in which nobody may sign in' if event.own else ''}"
    ),
    events.ProxyRefused: lambda event: f"closed without a reply: {event.why}",
    events.TlsStarted: _tls,
    events.TlsFailed: _tls_failed,
    events.Greeted: lambda event: f"{event.verb} {event.name}",
    events.SignedIn: lambda event: (
        f"signed in as {event.login}{f' of {event.source}' if event.source else ''} by {event.mechanism}"
        f"{', password remembered' if event.remembered else ''}{_with(event.how)}"
    ),
    events.SignInRefused: _refused_sign_in,
    events.Enveloped: lambda event: (
        f"message from <{event.reverse_path}> to {count(event.recipients, 'recipient')}, first <{event.first}>"
    ),
    events.Refused: _refused,
    events.Warned: lambda event: f"let through, with a warning: {event.what}{_with(event.detail)}",
    events.Accepted: lambda event: (
        f"accepted as message {event.message}: {size(event.size)} as it was sent, "
        f"{count(event.recipients, 'recipient')}"
    ),
    events.Omitted: lambda event: f"… {count(event.events, 'event')} left out",
    events.Closed: lambda event: (
        f"ended ({event.how}) after {count(event.commands, 'command')}, {event.seconds:.1f} s"
    ),
    events.Attempted: _attempt,
    events.Reported: lambda event: f"report {event.report} about message {event.message}: {event.what}",
    events.AccountChanged: lambda event: (
        f"account {event.login}: {event.what} by {event.by}{_with(event.detail)}"
    ),
    events.QueueChanged: lambda event: (
        f"queue: {event.what} of {event.message or count(event.messages, 'message')} by {event.by}"
    ),
    events.ServiceChanged: lambda event: f"service {event.what}{_with(event.detail)}",
    events.GuardLocked: _guard_locked,
    events.GuardReleased: lambda event: (
        f"guard: {count(event.locks, 'lock')} of {event.what} released by {event.by}"
    ),
    events.Alarmed: lambda event: f"alarm ({event.alarm}): {event.text}",
    events.JournalLost: lambda event: f"the journal lost {count(event.entries, 'entry')}: {event.why}",
}
