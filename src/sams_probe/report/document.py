"""The report for programs: one JSON document. Its keys stay; there may be more of them later."""

from __future__ import annotations

import json
from typing import Any

from sams_probe.certificates.products import product_of
from sams_probe.clock import Clock
from sams_probe.looks.findings import Look, PortFindings, Shown
from sams_probe.names.found import Names
from sams_probe.report.people import level_of
from sams_probe.smtp.dialogue import Hello
from sams_probe.smtp.sign_in import SignIn
from sams_probe.verdicts.judging import Judgement, Report
from sams_probe.verdicts.troubles import troubles
from sams_probe.verdicts.verdict import Verdict

MOST_NAMES = 200
"""Of a certificate that are told."""
FORM = 1
"""Of the document. A change that a reader would notice makes it another."""


def document(report: Report, judgement: Judgement) -> str:
    """One line of ASCII: what came from outside is escaped by the form itself."""
    settings = judgement.settings
    return json.dumps(
        {
            "form": FORM,
            "exit_code": int(judgement.exit_code),
            "verdicts": [_verdict(one) for one in judgement.verdicts],
            "notes": [_verdict(one) for one in judgement.notes],
            "settings": settings and {**settings._asdict(), "security": settings.security.value},
            "names": _names(report.names),
            "ports": [_port(one, report) for one in report.ports],
            "clock": _clock(report.clock),
            "sign_in": report.signed and _signed(report.signed),
        }
    )


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {**verdict._asdict(), "exit_code": int(verdict.exit_code), "port": verdict.port or None}


def _names(names: Names) -> dict[str, Any]:
    return {
        "host": names.host,
        "ipv4": names.v4.value,
        "ipv6": names.v6.value,
        "addresses": [one.text for one in names.addresses],
        "srv": [{"name": one.name, **one.service._asdict()} for one in names.announced],
        "invented": list(names.invented),
    }


def _clock(clock: Clock) -> dict[str, Any]:
    return {
        "local": clock.local,
        "offset": clock.offset,
        "source": clock.source or None,
        "wrong": clock.wrong,
    }


def _signed(signed: SignIn) -> dict[str, Any]:
    return {"result": signed.result.value, "mechanism": signed.mechanism or None, "words": signed.words}


def _port(found: PortFindings, report: Report) -> dict[str, Any]:
    look = found.strict
    return {
        "host": found.host,
        "port": found.port.number,
        "security": found.port.security.value,
        "address": found.address.text,
        "level": level_of(found, report),
        "usable": found.usable,
        "troubles": [one.kind for one in troubles(found, report.clock)],
        "connection": look.reach.value,
        "stage": look.stage.name.lower(),
        "ending": look.ending.value if look.ending else None,
        "detail": look.detail or None,
        "spoken": look.speech.value,
        "greeting": look.greeting.text if look.greeting else None,
        "clear": _hello(look.clear),
        "starttls": look.starttls.value,
        "starttls_reply": look.starttls_reply.text if look.starttls_reply else None,
        "tls": _tls(found),
        "tls_at_once": found.at_once is not None,
        "inside": _hello(found.best.inside),
    }


def _hello(hello: Hello | None) -> dict[str, Any] | None:
    if hello is None:
        return None
    extensions = [" ".join(filter(None, pair)) for pair in hello.extensions]
    return {"name": hello.name, "extensions": extensions, "mechanisms": list(hello.mechanisms)}


def _tls(found: PortFindings) -> dict[str, Any] | None:
    best: Look = found.at_once or found.best
    shaken, strict = best.handshake, found.strict.handshake
    if shaken is None:
        return None
    return {
        "verified": found.strict.secure,
        "version": shaken.version or None,
        "cipher": shaken.cipher or None,
        "alert": (strict.alert if strict else "") or None,
        "problem": (strict.problem if strict else "") or None,
        "versions": dict(found.versions),
        "certificate": found.shown and _certificate(found.shown),
    }


def _certificate(shown: Shown) -> dict[str, Any]:
    certificate = shown.certificate
    product = product_of(certificate.issuer)
    return {
        "names": list(certificate.names[:MOST_NAMES]),
        "subject": [list(pair) for pair in certificate.subject],
        "issuer": [list(pair) for pair in certificate.issuer],
        "begins": certificate.begins,
        "ends": certificate.ends,
        "sha256": certificate.fingerprint,
        "sent": shown.length,
        "trust": shown.trust.value,
        "product": product.name if product else None,
    }
