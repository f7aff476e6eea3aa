"""All looks at one port: the one of a mail program first, and those that find out why it failed."""

from __future__ import annotations

import ssl

from sams_probe.certificates.der import BadDer
from sams_probe.certificates.reading import Certificate, read_certificate
from sams_probe.looks.connection import Target, look
from sams_probe.looks.findings import Handshake, Look, PortFindings, Shown, Stage, Trust
from sams_probe.options import Port, Security
from sams_probe.wire.contexts import VERSIONS, Contexts
from sams_probe.wire.deadline import Deadline
from sams_probe.wire.first_octets import Speech
from sams_probe.wire.reaching import Reach

# Of X509_verify_cert_error_string(3).
_SELF_SIGNED, _UNKNOWN_ROOT = 18, 19
_NO_ISSUER = frozenset({2, 20, 21, 27})
_DATES = frozenset({9, 10, 13, 14})
_PATIENCE = 6.0
"""Time-outs, after which versions of TLS are tried no more."""
_IN_CLEAR = "TLSv1.2"  # where the certificates travel in clear, whatever Python hands over


def look_at(target: Target, contexts: Contexts, *, versions: bool) -> PortFindings:
    """All about one port. versions: whether each version of TLS is tried, with a connection of its own.

    Where the dialogue alone took so long that a member would give up, no further connections are made.
    """
    patience = Deadline.after(_PATIENCE * target.timeout)
    strict = look(target, contexts.strict)
    found = PortFindings(target.host, target.port, target.address, strict)
    if _may_be_tls(strict, target.port):
        return found._replace(at_once=_at_once(target, contexts.loose))
    if strict.stage < Stage.HANDSHAKE or strict.reach is not Reach.OPEN:
        return found
    if not strict.secure:
        found = found._replace(loose=look(target, contexts.loose))
    tried = _each_version(target, contexts, patience) if versions and _spoke_tls(found) else {}
    found = found._replace(versions=tuple((name, one and one.good) for name, one in tried.items()))
    return found._replace(shown=_shown(target, contexts, found, tried.get(_IN_CLEAR)))


def _may_be_tls(strict: Look, port: Port) -> bool:
    """Whether a port that should begin in clear says nothing, or an alert: it may wait for TLS."""
    waits = strict.speech in {Speech.NOTHING, Speech.TLS}
    return port.security is not Security.TLS and strict.stage is Stage.GREETING and waits


def _at_once(target: Target, loose: ssl.SSLContext) -> Look | None:
    found = look(target._replace(port=Port(target.port.number, Security.TLS)), loose)
    return found if found.secure else None


def _spoke_tls(found: PortFindings) -> bool:
    looks = [found.strict, *([found.loose] if found.loose else [])]
    return any(one.handshake is not None and one.handshake.spoken is Speech.TLS for one in looks)


def _each_version(target: Target, contexts: Contexts, patience: Deadline) -> dict[str, Handshake | None]:
    """None: this Python cannot speak that version, it did not come to a handshake, or there was no time."""
    return {
        name: None if patience.is_over else _handshake(target, contexts.versions.get(name))
        for name in VERSIONS
    }


def _handshake(target: Target, context: ssl.SSLContext | None) -> Handshake | None:
    return look(target, context, until=Stage.HANDSHAKE).handshake if context is not None else None


def _shown(
    target: Target, contexts: Contexts, found: PortFindings, in_clear: Handshake | None
) -> Shown | None:
    """The certificate, and what it is worth. in_clear: a handshake by TLS 1.2, where there was one already."""
    shaken = (found.loose if found.loose and found.loose.secure else found.strict).handshake
    if shaken is None or not shaken.good:
        return None
    try:
        certificate = read_certificate(shaken.leaf)
    except BadDer:
        return None
    if in_clear is None and not shaken.chain and not found.strict.secure:
        in_clear = _handshake(target, contexts.versions.get(_IN_CLEAR))
    length = len(shaken.chain or (in_clear.chain if in_clear else ()))
    if found.strict.secure:
        return Shown(certificate, Trust.TRUSTED, length)
    return _judged(target, contexts, certificate, length)


def _judged(target: Target, contexts: Contexts, certificate: Certificate, length: int) -> Shown:
    if not contexts.trusts:
        return Shown(certificate, Trust.NO_AUTHORITIES, length)
    shaken = _handshake(target, contexts.chain)
    if shaken is None:
        return Shown(certificate, Trust.NOT_JUDGED, length)
    if shaken.good:
        return Shown(certificate, Trust.TRUSTED, length)
    return Shown(certificate, trust_of(shaken.verify_code, certificate, length), length, shaken.problem)


def trust_of(code: int, certificate: Certificate, length: int) -> Trust:
    """What the library's verdict on a chain means. code: its error. length: how many certificates were sent.

    A certificate alone may come from an authority that this computer does not know, or lack its intermediate one.
    Those of public authorities say where that one can be fetched, those of interceptors and small authorities do not.
    """
    if code in {0, *_DATES}:  # no verdict on the certificate, or a library that cannot leave dates aside
        return Trust.NOT_JUDGED
    if code == _SELF_SIGNED or (code in _NO_ISSUER and certificate.self_issued):
        return Trust.SELF_SIGNED
    if code in _NO_ISSUER:
        return Trust.INCOMPLETE if certificate.public and length <= 1 else Trust.UNKNOWN_AUTHORITY
    return Trust.UNKNOWN_AUTHORITY if code == _UNKNOWN_ROOT else Trust.OTHER
