"""A server engine between a peer that may say anything and a session of simple tastes, watched by a referee."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sams.core.address import Mailbox
from sams.core.envelope import Body
from sams.core.reply import Reply, reply
from sams.protocol.sasl.interface import Challenge, Channel, PasswordClaim, ServerMechanism, Step, Verify
from sams.protocol.sasl.registry import all_mechanisms
from sams.protocol.smtp.events import (
    Auth,
    AuthData,
    BodyChunk,
    BodyEnd,
    BodyRefused,
    BodyStart,
    Closed,
    Event,
    Mail,
    Need,
    Rcpt,
    Reset,
    StartTls,
)
from sams.protocol.smtp.server import ServerEngine
from sams.protocol.smtp.settings import ServerSettings
from tests.protocol.smtp.harness import REFERENCE
from tests.protocol.smtp.model import Code, Decision, Referee, read_replies

WORDS: dict[str, Reply] = {
    "refused": reply(550, "5.7.1", "Not this one"),
    "later": reply(451, "4.3.0", "Not now"),
    "bye": reply(421, "4.3.2", "Going away"),
}
"""What the session says to an address with this local part, or to a message that begins with it."""
NO_ROOM = reply(452, "4.3.1", "No room")
CLAIM = PasswordClaim("", "alice", "sesame")
OF_MAIL = Mail | Rcpt | BodyStart | BodyChunk | BodyEnd | BodyRefused


@dataclass
class Refereed:
    """One session. Each `say` is judged at once."""

    settings: ServerSettings
    tls: bool
    known: dict[bytes, Code | None] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    was_secured: bool = False

    def __post_init__(self) -> None:
        self.engine = ServerEngine(self.settings, tls=self.tls, reference=lambda: REFERENCE)
        self.referee = Referee(self.settings, "tls" if self.tls else "clear", self.known)
        self.engine.greet()
        self._output = self.engine.take_output()
        self._replies = 1
        self.referee.greeted(self._output)
        self._mechanism: ServerMechanism | None = None
        self._signed_in = False
        self._is_open = False
        self._sender = ""
        self._message = b""

    def say(self, pieces: Iterable[bytes]) -> None:
        """The peer says this, cut like this."""
        for piece in pieces:
            self._output = b""
            self.engine.receive(piece)
            need = self._drive()
            self._take_output()
            self.referee.heard(piece, self._output)
            self._agree(need)

    def secure(self) -> None:
        """The handshake."""
        self.engine.tls_established()
        self._signed_in, self.was_secured = False, True
        self.referee.secured()
        self._agree(self._drive())

    def _take_output(self) -> None:
        output = self.engine.take_output()
        self._replies += len(read_replies(output))
        self._output += output

    def _note(
        self, event: str, what: Code | None, data: bytes | None = None, *, binary: bool = False
    ) -> None:
        """Tell the referee what is answered, and when."""
        self._take_output()
        self.referee.decisions.append(Decision(self._replies, event, what, data, binary))

    def _agree(self, need: Need) -> None:
        """Engine and referee see the session alike, and the engine holds no more than a line."""
        state = self.referee.state
        expected = {"closed": Need.NOTHING, "shake": Need.HANDSHAKE}.get(state, Need.DATA)
        assert need is expected, (need, state)
        assert self.engine.authenticated == self.referee.signed_in or state == "closed"
        assert self.engine.in_transaction == self.referee.in_transaction
        assert self._is_open == (self.engine.in_transaction or self.referee.is_behind_mail)
        assert self.engine._talk.inbox.size <= max(self.settings.auth_line, self.settings.command_line)

    def _drive(self) -> Need:
        while not isinstance(event := self.engine.next_event(), Need):
            self.events.append(event)
            if isinstance(event, OF_MAIL):
                assert self.engine.tls, "mail without TLS"
                assert self._signed_in, "mail of a stranger"
            self._follow(event)
            self._react(event)
        return event

    def _follow(self, event: Event) -> None:
        """A transaction is open from the yes to Mail on, and ends once (`events.py`)."""
        if isinstance(event, Mail):
            assert not self._is_open, "a transaction within another"
        elif isinstance(event, Rcpt | BodyStart | BodyChunk | BodyEnd | BodyRefused | Reset):
            assert self._is_open, f"{event} without a transaction"
        if isinstance(event, BodyRefused | Reset | Closed):
            self._is_open = False

    def _react(self, event: Event) -> None:
        match event:
            case Auth(name, initial):
                assert self.engine.tls, "a credential was read without TLS"
                self._mechanism = all_mechanisms().create(name, Channel())
                self._step("Auth", self._mechanism.start(initial), initial)
            case AuthData(data):
                assert self._mechanism is not None
                self._step("AuthData", self._mechanism.respond(data), data)
            case Mail(path, parameters):
                self._sender = path.local if path is not None else ""
                self._decide(
                    "Mail", WORDS.get(self._sender), binary=parameters.body is Body.BINARY_MIME, of=path
                )
            case Rcpt(recipient):
                self._decide("Rcpt", WORDS.get(recipient.mailbox.local), of=recipient.mailbox)
            case BodyStart():
                self._start()
            case BodyChunk(data):
                assert data
                self._message += data
            case BodyEnd(rest):
                self._end(self._message + rest)
            case StartTls():
                assert not self.engine.tls
            case _:
                pass

    def _step(self, event: str, step: Step, data: bytes | None) -> None:
        if isinstance(step, Challenge):
            self._note(event, (334, None), data)
            self.engine.challenge(step.data)
            return
        answer = reply(501, "5.5.2", "Malformed")
        if isinstance(step, Verify):
            answer = reply(535, "5.7.8", "Wrong user name or password")
            if step.claim == CLAIM:
                self._signed_in, answer = True, reply(235, "2.7.0", "Welcome")
            elif isinstance(step.claim, PasswordClaim) and step.claim.authcid == "later":
                answer = reply(454, "4.7.0", "Not now")
        self._tell(event, answer, data)

    def _decide(
        self, event: str, refusal: Reply | None, *, binary: bool = False, of: Mailbox | None = None
    ) -> None:
        assert of is None or self._reads_the_same(of)
        if refusal is not None:
            self._tell(event, refusal, binary=binary)
        elif event == "Mail":
            self._note(event, (250, "2.1.0"), binary=binary)
            self._is_open = True
            self.engine.accept_sender()
        else:
            self._note(event, (250, "2.1.5"))
            self.engine.accept_recipient()

    @staticmethod
    def _reads_the_same(mailbox: Mailbox) -> bool:
        octets = bytes(mailbox)
        return not any(octet in octets for octet in b"\r\n\0")

    def _start(self) -> None:
        self._message = b""
        if self._sender == "nodata":
            self._is_open = False
            self._tell("BodyStart", NO_ROOM)
        else:
            self._note("BodyStart", None)
            self.engine.accept_body()

    def _end(self, content: bytes) -> None:
        self._is_open = False
        refusal = next((WORDS[word] for word in WORDS if content.startswith(word.encode())), None)
        self._tell("BodyEnd", refusal or reply(250, "2.0.0", "Queued"), content)

    def _tell(self, event: str, answer: Reply, data: bytes | None = None, *, binary: bool = False) -> None:
        self._note(event, (answer.code, str(answer.status)), data, binary=binary)
        self.engine.answer(answer)
