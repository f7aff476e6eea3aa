"""One connection to a port: as far as it goes, step by step, and then a `Look`."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import NamedTuple

from sams_probe.looks.findings import Handshake, Look, Stage, Starttls
from sams_probe.names.found import Address
from sams_probe.options import Port, Security
from sams_probe.smtp.dialogue import Dialogue, Hello, literal, read_hello
from sams_probe.smtp.replies import NotAReply, Reply
from sams_probe.wire.deadline import Deadline
from sams_probe.wire.first_octets import Speech, what_is
from sams_probe.wire.line import Broken, Ending, Wire
from sams_probe.wire.reaching import reach
from sams_probe.wire.tls import HandshakeFailed, TlsWire

KEPT = 200
"""Of the first octets."""
_FAREWELL = 2.0
_NUDGE = 5.0

Then = Callable[[Dialogue, Hello, Handshake], None]
"""What to do inside TLS, after EHLO; not where something came behind the answer to STARTTLS (RFC 3207 section 6)."""


class Target(NamedTuple):
    """host: the name that the certificate must have. timeout: seconds for each wait."""

    host: str
    address: Address
    port: Port
    timeout: float


def look(
    target: Target, context: ssl.SSLContext, *, until: Stage = Stage.DONE, then: Then | None = None
) -> Look:
    """Connect, and go through the dialogue. until: HANDSHAKE or DONE. Nothing is raised but by `then`."""
    reached = reach(target.address, target.port.number, target.timeout)
    if reached.link is None:
        return Look(reached.reach, detail=reached.detail)
    wire = Wire(reached.link)
    visit = _Visit(target, context, wire, Look(reached.reach))
    try:
        visit.run(until, then)
    except Broken as error:
        visit.note(ending=error.ending, detail=error.detail)
    except NotAReply as error:
        visit.note(strange=error.octets[:KEPT])
    except _Enough:
        pass
    finally:
        wire.close()
    return visit.found


class _Enough(Exception):
    """There is nothing more to learn on this connection."""


class _Visit:
    """The steps. Each writes what it found before the next may fail."""

    def __init__(self, target: Target, context: ssl.SSLContext, wire: Wire, found: Look) -> None:
        self._target = target
        self._context = context
        self._wire = wire
        self._nudged = False
        self.found = found

    def note(self, **found: object) -> None:
        self.found = self.found._replace(**found)  # type: ignore[arg-type]  # the names are those of Look

    def run(self, until: Stage, then: Then | None) -> None:
        at_once = self._target.port.security is Security.TLS
        if not at_once:
            self._in_clear()
        tls, agreed = self._shake_hands()
        if until is Stage.HANDSHAKE:
            return
        self._inside(tls, agreed, then, greeting=at_once)
        self.note(stage=Stage.DONE)

    def _in_clear(self) -> None:
        talk = Dialogue(self._wire, self._target.timeout)
        try:
            self._greet(talk)
            self.note(stage=Stage.EHLO)
            hello = self._hello(talk)
            self.note(stage=Stage.STARTTLS, clear=hello)
            self._starttls(talk, hello)
        finally:
            self.note(speech=what_is(talk.heard), first=talk.heard[:KEPT])

    def _greet(self, talk: Dialogue) -> None:
        self.note(stage=max(Stage.GREETING, self.found.stage))
        try:
            reply = talk.listen()
        except Broken as error:
            if error.ending is not Ending.SILENT:
                raise
            reply = self._nudge(talk)
        self.note(greeting=reply, greeted_at=time.time())
        if reply.code != 220:
            self._leave(talk)

    def _nudge(self, talk: Dialogue) -> Reply:
        """Who waits for us to speak first, as web servers do, says now who it is."""
        self._nudged = True
        talk.tell(self._ehlo())
        reply = talk.listen(min(_NUDGE, self._target.timeout))
        self.note(late=True)
        return reply

    def _hello(self, talk: Dialogue) -> Hello:
        reply = talk.listen() if self._nudged else talk.say(self._ehlo())
        self._nudged = False
        hello = read_hello(reply)
        if reply.code == 421:
            self._leave(talk)
        return hello

    def _ehlo(self) -> str:
        return f"EHLO {literal(self._wire.here)}"

    def _starttls(self, talk: Dialogue, hello: Hello) -> None:
        """The command is given even where EHLO does not name it: its answer tells who took it away."""
        reply = talk.say("STARTTLS")
        good, offered = reply.code == 220, hello.offers("STARTTLS")
        if offered:
            state = Starttls.OFFERED if good else Starttls.REFUSED
        elif hello.mangled:
            state = Starttls.MANGLED
        else:
            state = Starttls.HIDDEN if good else Starttls.MISSING
        self.note(starttls=state, starttls_reply=reply, behind=talk.unread[:KEPT])
        if not good:
            self._leave(talk)

    def _shake_hands(self) -> tuple[TlsWire, Handshake]:
        self.note(stage=Stage.HANDSHAKE)
        tls = TlsWire(self._wire, self._context, self._target.host)
        try:
            agreed = tls.shake_hands(Deadline.after(self._target.timeout))
        except HandshakeFailed as error:
            self.note(handshake=_failed(tls, error), ending=error.ending, detail=error.detail)
            if self._target.port.security is Security.TLS:
                self.note(speech=tls.spoken, first=tls.tape[:KEPT])
            raise _Enough from None
        shaken = Handshake(
            good=True,
            version=agreed.version,
            cipher=agreed.cipher,
            leaf=agreed.leaf,
            chain=tls.chain(),
            spoken=Speech.TLS,
        )
        self.note(handshake=shaken)
        return tls, shaken

    def _inside(self, tls: TlsWire, shaken: Handshake, then: Then | None, *, greeting: bool) -> None:
        self.note(stage=Stage.INSIDE)
        talk = Dialogue(tls, self._target.timeout)
        try:
            if greeting:
                self._greet(talk)
            hello = self._hello(talk)
            self.note(inside=hello)
        finally:
            self.note(inside_speech=what_is(talk.heard))
            if greeting:
                self.note(speech=what_is(talk.heard), first=talk.heard[:KEPT])
        if then is not None and hello.good and not self.found.behind:
            then(talk, hello, shaken)
        self._quit(talk)

    def _leave(self, talk: Dialogue) -> None:
        self._quit(talk)
        raise _Enough

    def _quit(self, talk: Dialogue) -> None:
        """Politely, but what comes of it is of no interest."""
        try:
            talk.tell("QUIT")
            talk.listen(_FAREWELL)
        except (Broken, NotAReply):
            return


def _failed(tls: TlsWire, error: HandshakeFailed) -> Handshake:
    flight = tls.flight
    return Handshake(
        good=False,
        chain=flight.certificates,
        alert=flight.alert,
        problem=error.detail,
        ending=error.ending,
        verify_code=error.verify_code,
        spoken=tls.spoken,
        text=b"" if tls.spoken is Speech.TLS else tls.tape[:KEPT],
    )
