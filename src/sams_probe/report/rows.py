"""What was found at each port, as names and values: the same for people and, in words, for programs."""

from __future__ import annotations

from collections.abc import Iterator

from sams_probe.certificates.reading import is_for
from sams_probe.looks.findings import Look, PortFindings, Shown, Starttls, Trust
from sams_probe.names.found import Announced, Lookup, Names
from sams_probe.options import is_address
from sams_probe.text import count, listed, moment, visible
from sams_probe.wire.first_octets import Speech
from sams_probe.wire.reaching import Reach

Row = tuple[str, str]
_SHORT = 100
_REACH = {
    Reach.REFUSED: "refused",
    Reach.SILENT: "no answer",
    Reach.RESET: "reset",
    Reach.UNREACHABLE: "no way there",
    Reach.NO_FAMILY: "this computer has no such network",
    Reach.FORBIDDEN: "forbidden on this computer",
    Reach.OTHER: "failed",
}
_STARTTLS = {
    Starttls.OFFERED: "offered",
    Starttls.HIDDEN: "not offered, and works",
    Starttls.MANGLED: "its offer is written over",
    Starttls.MISSING: "not offered",
    Starttls.REFUSED: "offered and refused",
}
_TRUST = {
    Trust.TRUSTED: "trusted",
    Trust.SELF_SIGNED: "signed by itself",
    Trust.UNKNOWN_AUTHORITY: "of an unknown authority",
    Trust.INCOMPLETE: "without its intermediate certificate",
    Trust.OTHER: "not accepted",
    Trust.NO_AUTHORITIES: "not judged",
    Trust.NOT_JUDGED: "not judged",
}
_LOOKUP = {
    Lookup.NONE: "none",
    Lookup.FAILED: "the resolver gave no answer",
    Lookup.NOT_ASKED: "not asked for",
}


def of_names(names: Names) -> Iterator[Row]:
    """Addresses and SRV records."""
    for family, ended in ((4, names.v4), (6, names.v6)):
        found = [one.text for one in names.addresses if one.family == family]
        if found or not is_address(names.host):
            yield f"IPv{family}", ", ".join(found) or _LOOKUP.get(ended, "none")
    if not is_address(names.host):
        yield "SRV", "; ".join(map(_announced, names.announced)) or _LOOKUP.get(names.srv, "none")
    if names.invented:
        yield "made up", f"the resolver gives {', '.join(names.invented)} for a name that does not exist"


def _announced(one: Announced) -> str:
    target = f"{one.service.target}:{one.service.port}" if one.service.target else "not offered"
    return f"{one.name} {target}"


def of_port(found: PortFindings) -> Iterator[Row]:
    """All about one port."""
    look = found.strict
    if look.reach is not Reach.OPEN:
        detail = f" ({look.detail})" if look.reach in {Reach.OTHER, Reach.FORBIDDEN} and look.detail else ""
        yield "connection", _REACH[look.reach] + detail
        return
    yield from _clear(found, look)
    yield from _tls(found)
    best = found.at_once or found.best
    if best.inside is not None:
        yield "in TLS", _mechanisms(best.inside.mechanisms)


def _clear(found: PortFindings, look: Look) -> Iterator[Row]:
    if look.greeting is not None:
        yield "greeting", visible(look.greeting.text, _SHORT) + (" (late)" if look.late else "")
    elif found.at_once is None:
        said = (
            b""
            if look.secure or look.speech is Speech.TLS
            else look.first.strip().partition(b"\n")[0].strip()
        )
        yield "connection", f'open, and says "{visible(said, _SHORT)}"' if said else "open"
    if look.clear is not None:
        yield "in clear", _mechanisms(look.clear.mechanisms)
    if look.starttls in _STARTTLS:
        reply = look.starttls_reply.text if look.starttls_reply else ""
        yield "STARTTLS", f'{_STARTTLS[look.starttls]} ("{visible(reply, _SHORT)}")'


def _mechanisms(offered: tuple[str, ...]) -> str:
    return f"sign-in by {visible(' '.join(offered), _SHORT)}" if offered else "no sign-in"


def _tls(found: PortFindings) -> Iterator[Row]:
    best = found.at_once or found.best
    shaken = best.handshake or found.strict.handshake
    if shaken is None:
        return
    text = f"{shaken.version}, {shaken.cipher}" if shaken.good else f"failed: {_failure(found.strict)}"
    if found.at_once is not None:
        text += " (at once, not by STARTTLS)"
    spoken = [name for name, is_spoken in found.versions if is_spoken]
    yield "TLS", text + (f"; speaks {listed(spoken)}" if spoken else "")
    if found.shown is not None:
        yield "certificate", _certificate(found, found.shown)


def _failure(look: Look) -> str:
    shaken = look.handshake
    if shaken is None:
        return "not reached"
    words = shaken.alert or shaken.problem or (shaken.ending.value if shaken.ending else "")
    return visible(words, _SHORT) or shaken.spoken.value


def _certificate(found: PortFindings, shown: Shown) -> str:
    certificate = shown.certificate
    names = listed([visible(name, 60) for name in certificate.names[:3]]) or "nobody"
    fits = "" if is_for(found.host, certificate.names) else f", not {found.host}"
    chain = f", {count(shown.length, 'certificate')} sent" if shown.length else ""
    until = f"{moment(certificate.begins)[:10]} to {moment(certificate.ends)[:10]}"
    return f'for {names}{fits}; {until}; signed by "{visible(certificate.signer, 80)}"; {_TRUST[shown.trust]}{chain}'
