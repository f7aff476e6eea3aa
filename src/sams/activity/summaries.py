"""What an event does to the counters and to a session's line in the log: two tables by kind of event."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable
from typing import Any

from structlog.typing import FilteringBoundLogger

from sams.activity import metrics as m
from sams.activity.events import (
    Accepted,
    Alarmed,
    AnyEvent,
    Attempted,
    Closed,
    Connected,
    Greeted,
    JournalLost,
    Refused,
    Reported,
    ServiceEvent,
    SessionEvent,
    SignedIn,
    SignInRefused,
    TlsFailed,
    TlsStarted,
    Warned,
    kind_of,
)
from sams.activity.metrics import Metrics

MAX_LISTED = 5
"""Messages, references and recipients that one line of the log names; more are counted."""


class Summary:
    """What a session comes to."""

    __slots__ = (
        "accepted",
        "greeting",
        "how",
        "last_refusal",
        "login",
        "mechanism",
        "messages",
        "octets",
        "port",
        "reasons",
        "recipients",
        "refused",
        "signed_in",
        "sni",
        "tls",
        "warned",
    )

    def __init__(self, port: int) -> None:
        self.port = port
        self.tls = self.sni = self.greeting = self.login = self.mechanism = self.how = self.last_refusal = ""
        self.signed_in = False
        self.accepted = self.recipients = self.octets = self.refused = self.warned = 0
        self.messages: list[str] = []
        self.reasons: list[str] = []

    def refuse(self, reply: str, reason: str) -> None:
        """Something was refused."""
        self.refused += 1
        self.last_refusal = reply
        if reason and len(self.reasons) < MAX_LISTED:
            self.reasons.append(reason)

    def log(self, log: FilteringBoundLogger, session: str, client: str, seconds: float) -> None:
        """Write the session's one line; what did not happen is left out."""
        fields = {
            "session": session,
            "client": client,
            "port": self.port,
            "tls": self.tls,
            "sni": self.sni,
            "helo": self.greeting,
            "login": self.login,
            "mechanism": self.mechanism,
            "accepted": self.accepted,
            "recipients": self.recipients,
            "octets": self.octets,
            "messages": self.messages,
            "refused": self.refused,
            "last_refusal": self.last_refusal,
            "refs": self.reasons,
            "warned": self.warned,
            "how": self.how,
        }
        log.info("session", **{name: value for name, value in fields.items() if value}, seconds=seconds)


def count(metrics: Metrics, event: AnyEvent) -> None:
    """Count an event."""
    action = _COUNTS.get(event.__class__)
    if action is not None:
        action(metrics, event)


def note(summary: Summary, event: SessionEvent) -> None:
    """Let an event of a session count for its line in the log."""
    action = _NOTES.get(event.__class__)
    if action is not None:
        action(summary, event)


def log_service_event(log: FilteringBoundLogger, event: ServiceEvent) -> None:
    """Write the line of an event outside sessions."""
    if isinstance(event, Attempted):
        _log_attempt(log, event)
    elif isinstance(event, Alarmed):
        log.error(
            "alarm", alarm=event.alarm, text=event.text, **({"login": event.login} if event.login else {})
        )
    elif isinstance(event, JournalLost):
        log.error("journal entries lost", entries=event.entries, why=event.why)
    else:
        fields = {name: value for name in event.__struct_fields__ if (value := getattr(event, name))}
        log.info(kind_of(event), **fields)


def _log_attempt(log: FilteringBoundLogger, event: Attempted) -> None:
    results = Tally(each.result for each in event.recipients)
    told = next((each for each in event.recipients if each.result != "delivered"), None)
    told = told or (event.recipients[0] if event.recipients else None)
    fields = {
        "message": event.message,
        "route": event.route,
        "remote": event.remote,
        "tls": event.tls,
        "to": [each.recipient for each in event.recipients[:MAX_LISTED]],
        **results,
        "reply": told.reply if told else "",
        "session": event.session,
        "login": event.login,
    }
    write = log.warning if results["failed"] else log.info
    write("delivery", **{name: value for name, value in fields.items() if value}, seconds=event.seconds)


def _count_connected(metrics: Metrics, event: Connected) -> None:
    del event
    metrics.count(m.CONNECTED)
    metrics.change(m.CONNECTIONS, 1)


def _count_closed(metrics: Metrics, event: Closed) -> None:
    metrics.count(m.CLOSED, event.how)
    metrics.change(m.CONNECTIONS, -1)


def _count_tls(metrics: Metrics, event: TlsStarted) -> None:
    metrics.count(m.TLS, event.version)
    if event.resumed:
        metrics.count(m.TLS_RESUMED)


def _count_accepted(metrics: Metrics, event: Accepted) -> None:
    metrics.count(m.ACCEPTED)
    metrics.count(m.ACCEPTED_RECIPIENTS, by=event.recipients)
    metrics.count(m.ACCEPTED_OCTETS, by=event.size)


def _count_attempted(metrics: Metrics, event: Attempted) -> None:
    metrics.count(m.ATTEMPTED)
    metrics.observe(m.ATTEMPT, event.seconds)
    for each in event.recipients:
        metrics.count(m.SETTLED, each.result)


_COUNTS: dict[type, Callable[[Metrics, Any], None]] = {
    Connected: _count_connected,
    Closed: _count_closed,
    TlsStarted: _count_tls,
    TlsFailed: lambda metrics, _: metrics.count(m.TLS, "failed"),
    SignedIn: lambda metrics, event: metrics.count(m.SIGNED_IN, "memory" if event.remembered else "hash"),
    SignInRefused: lambda metrics, event: metrics.count(m.SIGN_IN_REFUSED, event.why),
    Refused: lambda metrics, event: metrics.count(m.REFUSED, event.verb),
    Warned: lambda metrics, _: metrics.count(m.WARNED),
    Accepted: _count_accepted,
    Attempted: _count_attempted,
    Reported: lambda metrics, event: metrics.count(m.REPORTED, event.what),
    Alarmed: lambda metrics, _: metrics.count(m.ALARMS),
    JournalLost: lambda metrics, event: metrics.count(m.JOURNAL_LOST, by=event.entries),
}


def _note_tls(summary: Summary, event: TlsStarted) -> None:
    summary.tls = f"{event.version} {event.cipher}"
    summary.sni = event.sni


def _note_signed_in(summary: Summary, event: SignedIn) -> None:
    summary.signed_in = True
    summary.login, summary.mechanism = event.login, event.mechanism


def _note_sign_in_refused(summary: Summary, event: SignInRefused) -> None:
    if not summary.signed_in:
        summary.login, summary.mechanism = event.login, event.mechanism
    summary.refuse(event.reply, event.reason)


def _note_accepted(summary: Summary, event: Accepted) -> None:
    summary.accepted += 1
    summary.recipients += event.recipients
    summary.octets += event.size
    if len(summary.messages) < MAX_LISTED:
        summary.messages.append(event.message)


def _note_warned(summary: Summary, event: Warned) -> None:
    del event
    summary.warned += 1


def _note_failed_tls(summary: Summary, event: TlsFailed) -> None:
    summary.tls = f"failed: {event.why}"


def _note_greeting(summary: Summary, event: Greeted) -> None:
    summary.greeting = event.name


def _note_closed(summary: Summary, event: Closed) -> None:
    summary.how = event.how


_NOTES: dict[type, Callable[[Summary, Any], None]] = {
    TlsStarted: _note_tls,
    TlsFailed: _note_failed_tls,
    Greeted: _note_greeting,
    SignedIn: _note_signed_in,
    SignInRefused: _note_sign_in_refused,
    Refused: lambda summary, event: summary.refuse(event.reply, event.reason),
    Warned: _note_warned,
    Accepted: _note_accepted,
    Closed: _note_closed,
}
