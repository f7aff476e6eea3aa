"""What an event does to the counters and to its line in the log: one table by kind of event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from structlog.typing import FilteringBoundLogger

from sams.activity import metrics as m
from sams.activity.events import (
    Accepted,
    AccountChanged,
    Alarmed,
    Attempted,
    Closed,
    Connected,
    Enveloped,
    Event,
    Greeted,
    JournalLost,
    Omitted,
    QueueChanged,
    Refused,
    Reported,
    ServiceChanged,
    ServiceEvent,
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


class Summary(msgspec.Struct, omit_defaults=True):
    """What a session comes to, under the names that its line in the log has."""

    session: str
    client: str
    port: int
    tls: str = ""
    sni: str = ""
    helo: str = ""
    login: str = ""
    mechanism: str = ""
    accepted: int = 0
    recipients: int = 0
    octets: int = 0
    messages: list[str] = []
    refused: int = 0
    last_refusal: str = ""
    refs: list[str] = []
    warned: int = 0
    how: str = ""

    @property
    def signed_in(self) -> bool:
        """Whether anyone did."""
        return bool(self.mechanism)

    def refuse(self, reply: str, reason: str) -> None:
        """Something was refused."""
        self.refused += 1
        self.last_refusal = reply
        if reason and len(self.refs) < MAX_LISTED:
            self.refs.append(reason)

    def log(self, log: FilteringBoundLogger, seconds: float) -> None:
        """Write the session's one line; what did not happen is left out."""
        log.info("session", **msgspec.to_builtins(self), seconds=seconds)


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
    results: dict[str, int] = {}
    told = event.recipients[0] if event.recipients else None
    for each in event.recipients:
        results[each.result] = results.get(each.result, 0) + 1
        if told and told.result == "delivered":
            told = each
    fields: dict[str, Any] = {"message": event.message, "route": event.route}
    if event.remote:
        fields["remote"] = event.remote
    if event.tls:
        fields["tls"] = event.tls
    fields["to"] = [each.recipient for each in event.recipients[:MAX_LISTED]]
    fields.update(results)
    if told:
        fields["reply"] = told.reply
    if event.login:
        fields["login"] = event.login
        fields["session"] = event.session
    write = log.warning if "failed" in results else log.info
    write("delivery", **fields, seconds=event.seconds)


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


def _note_tls(summary: Summary, event: TlsStarted) -> None:
    summary.tls = f"{event.version} {event.cipher}"
    summary.sni = event.sni


def _note_signed_in(summary: Summary, event: SignedIn) -> None:
    summary.login, summary.mechanism = event.login, event.mechanism


def _note_sign_in_refused(summary: Summary, event: SignInRefused) -> None:
    if not summary.signed_in:
        summary.login = event.login
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
    summary.helo = event.name


def _note_closed(summary: Summary, event: Closed) -> None:
    summary.how = event.how


def _note_refused(summary: Summary, event: Refused) -> None:
    summary.refuse(event.reply, event.reason)


def _count_tls_failure(metrics: Metrics, event: TlsFailed) -> None:
    del event
    metrics.count(m.TLS, "failed")


def _count_signed_in(metrics: Metrics, event: SignedIn) -> None:
    metrics.count(m.SIGNED_IN, "memory" if event.remembered else "hash")


def _count_sign_in_refused(metrics: Metrics, event: SignInRefused) -> None:
    metrics.count(m.SIGN_IN_REFUSED, event.why)


def _count_refused(metrics: Metrics, event: Refused) -> None:
    metrics.count(m.REFUSED, event.verb)


def _count_warned(metrics: Metrics, event: Warned) -> None:
    del event
    metrics.count(m.WARNED)


def _count_reported(metrics: Metrics, event: Reported) -> None:
    metrics.count(m.REPORTED, event.what)


def _count_alarm(metrics: Metrics, event: Alarmed) -> None:
    del event
    metrics.count(m.ALARMS)


def _count_lost(metrics: Metrics, event: JournalLost) -> None:
    metrics.count(m.JOURNAL_LOST, by=event.entries)


class Rule(NamedTuple):
    """What an event does: to the counters, and to the line of its session. None: nothing."""

    counts: Callable[[Metrics, Any], None] | None = None
    notes: Callable[[Summary, Any], None] | None = None


RULES: dict[type[Event], Rule] = {
    Connected: Rule(_count_connected),
    TlsStarted: Rule(_count_tls, _note_tls),
    TlsFailed: Rule(_count_tls_failure, _note_failed_tls),
    Greeted: Rule(notes=_note_greeting),
    SignedIn: Rule(_count_signed_in, _note_signed_in),
    SignInRefused: Rule(_count_sign_in_refused, _note_sign_in_refused),
    Enveloped: Rule(),
    Refused: Rule(_count_refused, _note_refused),
    Warned: Rule(_count_warned, _note_warned),
    Accepted: Rule(_count_accepted, _note_accepted),
    Omitted: Rule(),
    Closed: Rule(_count_closed, _note_closed),
    Attempted: Rule(_count_attempted),
    Reported: Rule(_count_reported),
    AccountChanged: Rule(),
    QueueChanged: Rule(),
    ServiceChanged: Rule(),
    Alarmed: Rule(_count_alarm),
    JournalLost: Rule(_count_lost),
}
