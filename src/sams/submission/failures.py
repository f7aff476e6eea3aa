"""Why there is no TLS: what OpenSSL says, what the peer began with, and how far it got, as one event."""

from __future__ import annotations

import re

from sams.activity.events import TlsFailed
from sams.core.text import visible
from sams.protocol.tls_hello import First, Kind, Obstacle, read_first, why_not
from sams.protocol.tls_names import ALERTS, DISTRUST, alert_name, suite_name, version_name
from sams.submission.tls import CLOSED, TOO_LONG, ClientCertificateError, ServerTls, TlsError

MAX_SUITES = 12
"""Suites that an event names; a program that fails offers some twenty."""
_MAX_NAME = 100
_NOT_ASKED_FOR = "the program began a TLS handshake without asking for it"
_SILENT = "the program said nothing"
_HUNG_UP = "the program hung up in the middle of the handshake"
_TOO_SLOW = "the handshake was not finished in time"
_AFTER = ", after our certificate was sent"

_ALERT = re.compile(r"(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?([A-Z_]+)")
_ALERT_NAMES = frozenset(ALERTS.values())
_OPENSSL_SPELLINGS = {"user_cancelled": "user_canceled"}
_CAUSES = {
    Obstacle.OLD_VERSION: "old-version",
    Obstacle.NO_COMMON_SUITE: "no-suite",
    Obstacle.NO_COMMON_GROUP: "no-suite",
    Obstacle.PLAIN_TEXT: "plain-text",
    Obstacle.HTTP: "http",
}
_REASONS = {
    TOO_LONG: "too-long",
    CLOSED: "hung-up",
    "UNSUPPORTED_PROTOCOL": "old-version",
    "VERSION_TOO_LOW": "old-version",
    "UNKNOWN_PROTOCOL": "old-version",
    "NO_SHARED_CIPHER": "no-suite",
    "NO_CIPHERS_SPECIFIED": "no-suite",
    "NO_SHARED_GROUPS": "no-suite",
    "NO_SUITABLE_GROUPS": "no-suite",
    "NO_SUITABLE_KEY_SHARE": "no-suite",
    "NO_SHARED_SIGNATURE_ALGORITHMS": "no-suite",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "no-suite",
}
"""OpenSSL's reasons for ending a handshake, where they tell the cause."""


def failed(error: TlsError, tls: ServerTls) -> TlsFailed:
    """A handshake that failed, or a record of a session."""
    first, reason = read_first(tls.first), str(error)
    alert = _alert(reason)
    if isinstance(error, ClientCertificateError):
        cause = "client-certificate"
    elif alert:
        cause = "not-trusted" if alert in DISTRUST else "other"
    elif tls.established:
        cause = "other"
    else:
        cause = _cause_of_refusal(reason, first, tls.minimum)
    return _event(reason, cause, first, alert, saw_certificate=tls.has_shown_certificate)


def unfinished(tls: ServerTls, *, late: bool) -> TlsFailed:
    """A handshake that the peer did not go on with. late: until the time was up; else it hung up."""
    first = read_first(tls.first)
    after = _AFTER if tls.has_shown_certificate else ""
    if first.kind is Kind.NOTHING:
        why, cause = (_SILENT, "silent")
    elif late:
        why, cause = f"{_TOO_SLOW}{after}", "too-slow"
    else:
        why, cause = f"{_HUNG_UP}{after}", "hung-up"
    if first.kind in _IN_CLEAR:
        cause = _CAUSES[_IN_CLEAR[first.kind]]
    return _event(why, cause, first, "", saw_certificate=tls.has_shown_certificate)


def unasked(opening: bytes) -> TlsFailed | None:
    """TLS where a command should be; None: it is something else that these octets begin."""
    first = read_first(opening)
    return _event(_NOT_ASKED_FOR, "tls-to-plain", first, "") if first.is_hello else None


_IN_CLEAR = {Kind.SMTP: Obstacle.PLAIN_TEXT, Kind.TEXT: Obstacle.PLAIN_TEXT, Kind.HTTP: Obstacle.HTTP}


def _cause_of_refusal(reason: str, first: First, minimum: int) -> str:
    """What is no hello tells more than OpenSSL's reason, which is of the record that it took it for."""
    obstacle = why_not(first, minimum)
    told = None if first.kind in _IN_CLEAR else _REASONS.get(reason)
    return told or (_CAUSES.get(obstacle, "other") if obstacle is not None else "other")


def _alert(reason: str) -> str:
    """The name of the alert that the peer sent, out of OpenSSL's reason; empty where it is another reason."""
    match = _ALERT.fullmatch(reason)
    name = match[1].lower() if match is not None else ""
    name = _OPENSSL_SPELLINGS.get(name, name)
    return name if name in _ALERT_NAMES else ""


def _event(why: str, cause: str, first: First, alert: str, *, saw_certificate: bool = False) -> TlsFailed:
    if not alert and first.kind is Kind.ALERT and first.alert >= 0:
        alert = alert_name(first.alert)
    return TlsFailed(
        why,
        cause,
        " ".join(map(version_name, first.versions[:6])),
        "" if saw_certificate else _listed(first.suites),  # else one was agreed on
        visible(first.server_name, _MAX_NAME),
        alert,
        first.word,
        saw_certificate,
    )


def _listed(suites: tuple[int, ...]) -> str:
    names = [suite_name(number) for number in suites[:MAX_SUITES]]
    if len(suites) > MAX_SUITES:
        names.append(f"+{len(suites) - MAX_SUITES}")
    return " ".join(names)
