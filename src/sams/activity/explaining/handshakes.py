"""TLS as stages: what was agreed on, or why it failed."""

from __future__ import annotations

from sams.activity.events import TlsFailed, TlsStarted
from sams.activity.explaining.making import stage
from sams.activity.explaining.stages import Stage
from sams.activity.metrics import OTHER, TLS_FAILURES

_CAUSES = frozenset(TLS_FAILURES) - {OTHER}
_OTHERWISE_AFTER_STARTTLS = frozenset({"plain-text", "silent"})
"""Causes that mean something else where the program had asked for TLS."""


def established(at: float, event: TlsStarted) -> Stage:
    """TLS is on."""
    return stage(
        at,
        "tls-resumed" if event.resumed else "tls",
        {"version": event.version, "cipher": event.cipher, "server_name": event.sni},
    )


def failed(at: float, event: TlsFailed, port: int, *, implicit: bool, established_before: bool) -> Stage:
    """TLS failed, on a port where it begins at once or by STARTTLS, or after it had been on."""
    return stage(
        at,
        _kind(event, implicit=implicit, established_before=established_before),
        {
            "port": port,
            "why": event.why,
            "offered": event.offered.replace(" ", ", "),
            "suites": event.suites.replace(" ", ", "),
            "server_name": event.server_name,
            "alert": event.alert,
            "word": event.word,
        },
    )


def _kind(event: TlsFailed, *, implicit: bool, established_before: bool) -> str:
    cause = event.cause if event.cause in _CAUSES else "other"
    if established_before and cause == "other":
        return "tls-broken"
    if cause == "hung-up" and event.saw_certificate:
        cause = "hung-up-after-certificate"
    elif cause in _OTHERWISE_AFTER_STARTTLS and not implicit:
        cause += "-after-starttls"
    return f"tls-failed-{cause}"
