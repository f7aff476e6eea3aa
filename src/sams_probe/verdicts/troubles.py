"""What is wrong with one port at one address: a function of its findings, most telling first."""

from __future__ import annotations

from collections.abc import Iterator

from sams_probe.certificates.products import product_of
from sams_probe.certificates.reading import Certificate, is_for
from sams_probe.clock import Clock
from sams_probe.looks.findings import Handshake, Look, PortFindings, Shown, Stage, Starttls, Trust
from sams_probe.options import Security
from sams_probe.smtp.dialogue import first_name
from sams_probe.smtp.replies import Reply
from sams_probe.text import DAY, listed, moment, visible
from sams_probe.verdicts.verdict import Trouble
from sams_probe.wire.contexts import MODERN
from sams_probe.wire.first_octets import Speech, what_is
from sams_probe.wire.line import Ending
from sams_probe.wire.reaching import Reach

SOON = 14 * DAY
_MOST_NAMES = 4
_LESS = 120
_REACH = {
    Reach.REFUSED: "port-refused",
    Reach.SILENT: "port-silent",
    Reach.RESET: "port-reset",
    Reach.UNREACHABLE: "port-unreachable",
    Reach.FORBIDDEN: "forbidden-here",
    Reach.NO_FAMILY: "no-network",
    Reach.OTHER: "port-unreachable",
}
_ENDINGS = {
    Ending.SILENT: "no answer came",
    Ending.CLOSED: "the other side closed it",
    Ending.RESET: "it was reset",
    Ending.TOO_MUCH: "far too much was said",
    Ending.FAILED: "it broke",
}
_FOREIGN = frozenset({Speech.MAILBOX, Speech.SSH, Speech.TEXT, Speech.BINARY})


def troubles(found: PortFindings, clock: Clock) -> tuple[Trouble, ...]:
    """All of one port, none twice."""
    look = found.strict
    if look.reach is not Reach.OPEN:
        return (Trouble(_REACH[look.reach], _detail(look.detail)),)
    if found.at_once is not None:
        return (Trouble("tls-on-plain-port"),)
    every = [*_speech(found), *_in_clear(look), *_starttls(look), *_tls(found, clock)]
    if found.port.security is not Security.RELAY:
        every += _inside(found.best)
    return tuple(dict.fromkeys(every)) or _broken_off(found)


def _detail(text: str | bytes) -> tuple[tuple[str, str], ...]:
    return (("detail", visible(text, _LESS).strip() or "no words"),)


def _first_line(octets: bytes) -> str:
    return visible(octets.strip().partition(b"\n")[0].rstrip(b"\r"), _LESS)


def _speech(found: PortFindings) -> Iterator[Trouble]:
    """What is no SMTP at all."""
    look = found.strict
    for one in (look, found.best):
        if is_web(one):
            yield Trouble("captive-portal", _detail(f"a web page on port {found.port.number}"))
            return
    if look.stage is Stage.GREETING and not look.strange and look.speech in {Speech.NOTHING, Speech.TLS}:
        yield _no_greeting(look)
    elif look.stage is Stage.GREETING and look.speech in _FOREIGN:
        yield Trouble("wrong-service", _detail(_first_line(look.first)))
    elif look.inside_speech in _FOREIGN:
        yield Trouble("wrong-service", _detail(_first_line(look.strange or look.first)))


def is_web(look: Look) -> bool:
    """Whether HTTP or HTML came, in clear or in TLS, at first or in place of a reply."""
    in_tls = look.handshake.spoken if look.handshake is not None else Speech.NOTHING
    return Speech.HTTP in {what_is(look.strange), look.speech, in_tls, look.inside_speech}


def _no_greeting(look: Look) -> Trouble:
    if look.ending in {Ending.SILENT, None}:
        return Trouble("silent-after-connect")
    return Trouble("cut-at-once", _detail(_ENDINGS[look.ending]))


def _in_clear(look: Look) -> Iterator[Trouble]:
    greeting, hello = look.greeting, look.clear
    if greeting is not None and greeting.code != 220:
        yield Trouble("turned-away", _detail(greeting.text))
    elif greeting is not None and is_blotted(greeting):
        yield Trouble("greeting-replaced", _detail(greeting.text))
    elif _other_names(look):
        yield Trouble("greeting-replaced", _detail(_other_names(look)))
    if hello is not None and not hello.good:
        yield Trouble("ehlo-refused", _detail(hello.reply.text))
    elif hello is not None and hello.mechanisms:
        yield Trouble("sign-in-in-clear")


def _other_names(look: Look) -> str:
    """The names that were told in clear, where the server says another one inside TLS; empty: that is not so."""
    if look.clear is None or look.greeting is None or look.inside is None:
        return ""
    true = look.inside.name
    told = [name for name in (first_name(look.greeting), look.clear.name) if "." in name and name != true]
    return f"{told[0]} in clear, {true} inside TLS" if told and "." in true else ""


def is_blotted(greeting: Reply) -> bool:
    """Whether a firewall has put asterisks or X over a greeting, as Cisco's do."""
    letters = [letter for letter in greeting.lines[0] if not letter.isspace()]
    return len(letters) >= 4 and sum(letter in "*X" for letter in letters) * 2 > len(letters)


def _starttls(look: Look) -> Iterator[Trouble]:
    reply = look.starttls_reply
    if reply is None:
        return
    if look.starttls is Starttls.MANGLED and look.clear is not None:
        yield Trouble("starttls-mangled", _detail(look.clear.mangled))
    elif reply.code == 454:
        yield Trouble("starttls-unavailable", _detail(reply.text))
    elif look.starttls is Starttls.MISSING and look.clear is not None and look.clear.good:
        yield Trouble("starttls-unsupported", _detail(reply.text))
    elif look.starttls is Starttls.REFUSED:
        yield Trouble("starttls-refused", _detail(reply.text))
    elif look.starttls is Starttls.HIDDEN:
        yield Trouble("starttls-hidden")
    if look.behind:
        yield Trouble("text-behind-starttls", _detail(_first_line(look.behind)))


def _tls(found: PortFindings, clock: Clock) -> Iterator[Trouble]:
    if found.shown is not None:
        yield from _certificate(found, found.shown, clock)
    shaken = found.strict.handshake
    if shaken is not None and not shaken.good and not shaken.verify_code:
        yield from _no_tls(found, shaken)


def _no_tls(found: PortFindings, shaken: Handshake) -> Iterator[Trouble]:
    loose = found.loose.handshake if found.loose is not None else None
    old = _old(found, loose)
    if shaken.spoken in {Speech.TLS, Speech.NOTHING}:
        if old:
            yield Trouble("old-tls", _detail(old))
        elif shaken.ending is Ending.SILENT and found.port.security is Security.TLS:
            yield Trouble("silent-after-connect")
        elif shaken.ending is not None and not shaken.alert:
            yield Trouble("handshake-cut", _detail(_ENDINGS[shaken.ending]))
        else:
            yield Trouble("no-common-tls", _detail(_why(shaken)))
    elif shaken.spoken is not Speech.HTTP:
        yield _text_for_tls(shaken, implicit=found.port.security is Security.TLS)


def _text_for_tls(shaken: Handshake, *, implicit: bool) -> Trouble:
    kind = "handshake-in-clear"
    if implicit:
        kind = "plain-on-tls-port" if shaken.spoken is Speech.SMTP else "wrong-service"
    return Trouble(kind, _detail(_first_line(shaken.text)))


def _old(found: PortFindings, loose: Handshake | None) -> str:
    """The versions that are spoken, where none of them is of today; empty: that is not so."""
    spoken = [name for name, is_spoken in found.versions if is_spoken]
    spoken = spoken or ([loose.version] if loose is not None and loose.good else [])
    return "" if any(name in MODERN for name in spoken) else listed(spoken)


def _why(shaken: Handshake) -> str:
    told = f'the server says "{shaken.alert}"' if shaken.alert else "the server's answer does not fit"
    return f"{told} ({shaken.problem})" if shaken.problem else told


def _certificate(found: PortFindings, shown: Shown, clock: Clock) -> Iterator[Trouble]:
    certificate = shown.certificate
    signer = (("signer", certificate.signer),)
    product = product_of(certificate.issuer)
    yield from _dates(certificate, clock)
    if not is_for(found.host, certificate.names):
        names = [visible(name, 80) for name in certificate.names[:_MOST_NAMES]] or ["no name at all"]
        more = ["others"] if len(certificate.names) > _MOST_NAMES else []
        yield Trouble("wrong-name", (("names", listed(names + more)),))
    if product is not None:
        yield Trouble("intercepted", (*signer, ("product", f"{product.name} ({product.kind})")))
    elif shown.trust is Trust.OTHER:
        yield Trouble("bad-certificate", _detail(shown.problem))
    elif shown.trust in _TRUST:
        yield Trouble(_TRUST[shown.trust], signer)


_TRUST = {
    Trust.SELF_SIGNED: "self-signed",
    Trust.UNKNOWN_AUTHORITY: "unknown-authority",
    Trust.INCOMPLETE: "chain-incomplete",
    Trust.NO_AUTHORITIES: "not-judged",
}


def _dates(certificate: Certificate, clock: Clock) -> Iterator[Trouble]:
    now = clock.local
    facts = (("begins", moment(certificate.begins)), ("ends", moment(certificate.ends)), ("now", moment(now)))
    if certificate.begins <= now <= certificate.ends:
        if certificate.ends - now < SOON:
            yield Trouble("ends-soon", facts)
    else:  # also where others tell another time: whoever shows an old certificate can say an old time with it
        yield Trouble("not-yet-valid" if now < certificate.begins else "expired", facts)


def _inside(look: Look) -> Iterator[Trouble]:
    hello = look.inside
    if hello is None:
        return
    if not hello.good:
        yield Trouble("ehlo-refused", _detail(hello.reply.text))
    elif not hello.mechanisms:
        yield Trouble("no-sign-in")


def _broken_off(found: PortFindings) -> tuple[Trouble, ...]:
    """What went wrong in no way that has a name."""
    look = found.strict
    if look.stage is Stage.DONE:
        return ()
    if look.handshake is not None and look.handshake.verify_code:
        return (Trouble("bad-certificate", _detail(look.handshake.problem)),)
    told = _first_line(look.strange) if look.strange else ""
    ended = _ENDINGS[look.ending] if look.ending is not None else look.detail
    return (Trouble("broken-off", _detail(told or ended)),)
