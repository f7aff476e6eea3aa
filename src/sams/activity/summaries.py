"""What an event does to the counters and to its line in the log: one table by kind of event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

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
    GuardLocked,
    GuardReleased,
    JournalLost,
    Omitted,
    Proxied,
    ProxyRefused,
    QueueChanged,
    RecipientResult,
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
from sams.activity.metrics import Metrics, Places, place
from sams.activity.rows import login_term, reference_term

MAX_LISTED = 5
"""Messages, references and recipients that one line of the log names; more are counted."""
TROUBLES = frozenset({"route down", "source down"})
"""Changes of the service that are warnings in the log."""


class Summary(msgspec.Struct, omit_defaults=True, gc=False):
    """What a session comes to: the facts of its line in the log, under the names that they have there."""

    session: str
    client: str
    port: int
    proxy: str = ""
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
    seconds: float = -1.0

    def refuse(self, reply: str, reference: str) -> None:
        """Something was refused."""
        self.refused += 1
        self.last_refusal = reply
        if reference and len(self.refs) < MAX_LISTED:
            self.refs.append(reference)


class Delivery(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """The facts of an attempt's line in the log; delivered, deferred and failed count recipients."""

    message: str
    route: str
    remote: str = ""
    tls: str = ""
    to: list[str]
    delivered: int = 0
    deferred: int = 0
    failed: int = 0
    reply: str = ""
    login: str = ""
    session: str = ""
    seconds: float

    def count(self, recipients: tuple[RecipientResult, ...]) -> None:
        """Take in what became of them; the reply is that of the first that was not delivered to, or else the last."""
        results = [each.result for each in recipients]
        self.delivered = results.count("delivered")
        self.deferred = results.count("deferred")
        self.failed = results.count("failed")
        others = [each.reply for each in recipients if each.result != "delivered"]
        self.reply = others[0] if others else recipients[-1].reply


def delivery(event: Attempted) -> Delivery:
    """What the line of an attempt says."""
    recipients = event.recipients
    line = Delivery(
        message=event.message,
        route=event.route,
        remote=event.remote,
        tls=event.tls,
        to=[each.recipient for each in recipients[:MAX_LISTED]],
        login=event.login,
        session=event.session,
        seconds=int(event.seconds * 1_000 + 0.5) / 1_000,
    )
    if len(recipients) == 1 and recipients[0].result == "delivered":
        line.delivered, line.reply = 1, recipients[0].reply
    elif recipients:
        line.count(recipients)
    return line


def log_service_event(log: FilteringBoundLogger, event: ServiceEvent) -> None:
    """Write the line of an event outside sessions, other than an attempt."""
    if isinstance(event, Alarmed):
        log.error(
            "alarm", alarm=event.alarm, text=event.text, **({"login": event.login} if event.login else {})
        )
    elif isinstance(event, JournalLost):
        log.error("journal entries lost", entries=event.entries, why=event.why)
    else:
        fields = {_called(name): value for name in event.__struct_fields__ if (value := getattr(event, name))}
        is_trouble = isinstance(event, ServiceChanged) and event.what in TROUBLES
        (log.warning if is_trouble else log.info)(kind_of(event), **fields)


def _called(field: str) -> str:
    """A line's own `level` says how grave it is."""
    return "lock" if field == "level" else field


# --- what a step of a session does: to the counters, to the summary and to the terms by which its row is found

_ACCEPTED, _RECIPIENTS, _OCTETS = map(place, (m.ACCEPTED, m.ACCEPTED_RECIPIENTS, m.ACCEPTED_OCTETS))
_CONNECTED, _CONNECTIONS, _CLOSED = place(m.CONNECTED), place(m.CONNECTIONS), Places(m.CLOSED)
_TLS, _TLS_FAILED, _RESUMED = Places(m.TLS), Places(m.TLS_FAILED), place(m.TLS_RESUMED)
_CHECKED = {
    "SCRAM-SHA-256-PLUS": "proof",
    "SCRAM-SHA-256": "proof",
    "SCRAM-SHA-1-PLUS": "proof",
    "SCRAM-SHA-1": "proof",
    "OAUTHBEARER": "token",
    "XOAUTH2": "token",
    "EXTERNAL": "certificate",
    "GSSAPI": "ticket",
}
"""What a sign-in was checked by, where it was no password."""
_SIGNED_IN, _SIGN_IN_REFUSED = Places(m.SIGNED_IN), Places(m.SIGN_IN_REFUSED)
_REFUSED, _WARNED = Places(m.REFUSED), place(m.WARNED)
_ATTEMPTED, _SETTLED = place(m.ATTEMPTED), Places(m.SETTLED)

Numbers: TypeAlias = memoryview
Terms: TypeAlias = list[str]
Step: TypeAlias = Callable[[Numbers, Summary, Terms, Any], None]


def count_connected(numbers: Numbers) -> None:
    """A session began."""
    numbers[_CONNECTED] += 1
    numbers[_CONNECTIONS] += 1


def count_closed(numbers: Numbers, how: str) -> None:
    """A session is over."""
    numbers[_CLOSED[how]] += 1
    if numbers[_CONNECTIONS]:
        numbers[_CONNECTIONS] -= 1


def _proxied(_numbers: Numbers, summary: Summary, _terms: Terms, event: Proxied) -> None:
    summary.proxy = event.by


def _proxy_refused(_numbers: Numbers, summary: Summary, _terms: Terms, event: ProxyRefused) -> None:
    summary.proxy = f"refused: {event.why}"


def _tls_started(numbers: Numbers, summary: Summary, _terms: Terms, event: TlsStarted) -> None:
    numbers[_TLS[event.version]] += 1
    if event.resumed:
        numbers[_RESUMED] += 1
    summary.tls = f"{event.version} {event.cipher}"
    summary.sni = event.sni


def _tls_failed(numbers: Numbers, summary: Summary, _terms: Terms, event: TlsFailed) -> None:
    numbers[_TLS["failed"]] += 1
    numbers[_TLS_FAILED[event.cause]] += 1
    summary.tls = f"failed: {event.why}"


def _greeted(_numbers: Numbers, summary: Summary, _terms: Terms, event: Greeted) -> None:
    summary.helo = event.name


def _signed_in(numbers: Numbers, summary: Summary, terms: Terms, event: SignedIn) -> None:
    by = "memory" if event.remembered else _CHECKED.get(event.mechanism, "hash")
    numbers[_SIGNED_IN[by]] += 1
    summary.login, summary.mechanism = event.login, event.mechanism
    terms.append(login_term(event.login))


def _sign_in_refused(numbers: Numbers, summary: Summary, terms: Terms, event: SignInRefused) -> None:
    numbers[_SIGN_IN_REFUSED[event.why]] += 1
    if not summary.mechanism:
        summary.login = event.login
    summary.refuse(event.reply, event.reference)
    terms += (login_term(event.login), reference_term(event.reference))


def _refused(numbers: Numbers, summary: Summary, terms: Terms, event: Refused) -> None:
    numbers[_REFUSED[event.verb]] += 1
    summary.refuse(event.reply, event.reference)
    if event.reference:
        terms.append(reference_term(event.reference))


def _warned(numbers: Numbers, summary: Summary, _terms: Terms, _event: Warned) -> None:
    numbers[_WARNED] += 1
    summary.warned += 1


def _accepted(numbers: Numbers, summary: Summary, terms: Terms, event: Accepted) -> None:
    numbers[_ACCEPTED] += 1
    numbers[_RECIPIENTS] += event.recipients
    numbers[_OCTETS] += event.size
    summary.accepted += 1
    summary.recipients += event.recipients
    summary.octets += event.size
    if summary.accepted <= MAX_LISTED:
        summary.messages.append(event.message)
    terms.append("m" + event.message)  # as `message_term`: ids of our own are in upper case


# --- what an event outside sessions does to the counters


def count_attempt(metrics: Metrics, event: Attempted) -> None:
    """An attempt was made."""
    numbers = metrics.numbers
    numbers[_ATTEMPTED] += 1
    for each in event.recipients:
        numbers[_SETTLED[each.result]] += 1
    metrics.observe(m.ATTEMPT, event.seconds)


def _reported(metrics: Metrics, event: Reported) -> None:
    metrics.count(m.REPORTED, event.what)


def _guard_locked(metrics: Metrics, event: GuardLocked) -> None:
    metrics.count(m.GUARD_LOCKS, event.level)


def _guard_released(metrics: Metrics, event: GuardReleased) -> None:
    metrics.count(m.GUARD_RELEASED, by=event.locks)


def _alarmed(metrics: Metrics, _event: Alarmed) -> None:
    metrics.count(m.ALARMS)


def _lost(metrics: Metrics, event: JournalLost) -> None:
    metrics.count(m.JOURNAL_LOST, by=event.entries)


STEPS: dict[type[Event], Step | None] = {
    Connected: None,
    Proxied: _proxied,
    ProxyRefused: _proxy_refused,
    TlsStarted: _tls_started,
    TlsFailed: _tls_failed,
    Greeted: _greeted,
    SignedIn: _signed_in,
    SignInRefused: _sign_in_refused,
    Enveloped: None,
    Refused: _refused,
    Warned: _warned,
    Accepted: _accepted,
    Omitted: None,
    Closed: None,
}
"""By kind of a session's step: what it does. None: nothing, or the session's log does it itself."""

COUNTS: dict[type[Event], Callable[[Metrics, Any], None] | None] = {
    Attempted: count_attempt,
    Reported: _reported,
    AccountChanged: None,
    QueueChanged: None,
    ServiceChanged: None,
    GuardLocked: _guard_locked,
    GuardReleased: _guard_released,
    Alarmed: _alarmed,
    JournalLost: _lost,
}
"""By kind of an event outside sessions: what it counts. None: nothing."""
