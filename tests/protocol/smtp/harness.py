"""A session around the engine that knows one account, and a runner of dialogue files."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sams.core.address import Mailbox
from sams.core.reply import Reply, reply
from sams.protocol.sasl.interface import (
    CertificateClaim,
    Challenge,
    Channel,
    Claim,
    Malformed,
    NeedKeys,
    PasswordClaim,
    ProofClaim,
    ScramKey,
    ScramKeys,
    ServerMechanism,
    Step,
    TokenClaim,
    Verify,
)
from sams.protocol.sasl.registry import all_mechanisms
from sams.protocol.sasl.scram import Scram, make_scram_key
from sams.protocol.smtp.events import (
    Auth,
    AuthCancelled,
    AuthData,
    BodyChunk,
    BodyEnd,
    BodyRefused,
    BodyStart,
    Event,
    Mail,
    Need,
    Rcpt,
)
from sams.protocol.smtp.server import ServerEngine
from sams.protocol.smtp.settings import BareNewlines, ServerSettings

REFERENCE = "K7Q2-4F"
SIGN_IN = b"EHLO c\r\nAUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\n"
POSTMASTER = Mailbox("postmaster", "example.org")
WELCOME = reply(235, "2.7.0", "Authentication succeeded")
WRONG = reply(535, "5.7.8", "Wrong user name or password")
NOT_EMPTY = reply(501, "5.5.2", "The exchange ends with an empty response; you are not signed in")
SALT = binascii.a2b_base64(b"W22ZaJ0SNY7soEsUEjb6gQ==")
KEYS = ScramKeys(SALT, 4_096, (ScramKey("main", *make_scram_key("pencil", SALT, 4_096, "sha256")),))
RIGHT: list[Claim] = [
    PasswordClaim("", "alice", "sesame"),
    ProofClaim("", "user", "main"),
    TokenClaim("user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="),
    CertificateClaim("", ("alice@example.org",)),
]
SETTINGS = ServerSettings("submit.example.org", POSTMASTER)


def positive(event: Event) -> Reply:
    """What a session says that has nothing against it."""
    match event:
        case Mail(reverse_path=Mailbox(local="refused")):
            return reply(553, "5.7.1", "Not your address")
        case Mail():
            return reply(250, "2.1.0", "Ok")
        case Rcpt(recipient) if recipient.mailbox.local == "refused":
            return reply(550, "5.7.1", "Not this one")
        case Rcpt():
            return reply(250, "2.1.5", "Ok")
        case _:
            return reply(250, "2.0.0", "Queued")


@dataclass
class Session:
    """Drives an engine until it needs something, and keeps what happened.

    said: replies that this session gives in place of its own, by the name of the event.
    """

    engine: ServerEngine
    said: dict[str, Reply] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    message: bytes = b""
    output: bytes = b""
    _mechanism: ServerMechanism | None = None
    _last_word: Reply | None = None

    def receive(self, data: bytes) -> Need:
        self.engine.receive(data)
        return self.drive()

    def drive(self) -> Need:
        while not isinstance(event := self.engine.next_event(), Need):
            self.events.append(event)
            self._react(event)
        self.output += self.engine.take_output()
        return event

    def take(self) -> bytes:
        output, self.output = self.output, b""
        return output

    def _react(self, event: Event) -> None:
        match event:
            case _ if type(event).__name__ in self.said:
                self.engine.answer(self.said[type(event).__name__])
            case Auth(name, initial):
                self._mechanism = mechanism_of(name)
                self._step(self._mechanism.start(initial))
            case AuthData(data):
                self._respond(data)
            case AuthCancelled():
                self._last_word = None
            case BodyRefused():
                self.message = b""
            case BodyStart():
                self.message = b""
                self.engine.accept_body()
            case BodyChunk(data):
                self.message += data
            case BodyEnd(rest):
                self.message += rest
                self.engine.answer(positive(event))
            case Mail() | Rcpt():
                self.engine.answer(positive(event))
            case _:
                pass

    def _respond(self, data: bytes) -> None:
        verdict, self._last_word = self._last_word, None
        if verdict is not None:
            self.engine.answer(NOT_EMPTY if data and verdict is WELCOME else verdict)
        else:
            assert self._mechanism is not None
            self._step(self._mechanism.respond(data))

    def _step(self, step: Step) -> None:
        match step:
            case Challenge(data):
                self.engine.challenge(data)
            case Malformed(text):
                self.engine.answer(reply(501, "5.5.2", text))
            case NeedKeys():
                assert isinstance(self._mechanism, Scram)
                self._step(self._mechanism.resume(KEYS))
            case Verify(claim):
                is_right = claim in RIGHT
                verdict = WELCOME if is_right else WRONG
                last_word = step.on_success if is_right else step.on_failure
                if last_word is None:
                    self.engine.answer(verdict)
                else:
                    self._last_word = verdict
                    self.engine.challenge(last_word)


def mechanism_of(name: str) -> ServerMechanism:
    """A mechanism for one exchange; SCRAM with the nonce of RFC 7677 section 3."""
    if name.startswith("SCRAM"):
        return Scram(name, Channel(), lambda: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    return all_mechanisms().create(name, Channel(certificate_names=("alice@example.org",)))


def session(settings: ServerSettings = SETTINGS, *, tls: bool = True, signed_in: bool = False) -> Session:
    """A session; signed_in: the sign-in is done and forgotten."""
    it = Session(ServerEngine(settings, tls=tls, reference=lambda: REFERENCE))
    if signed_in:
        it.receive(SIGN_IN)
        it.take()
        it.events.clear()
    return it


def story(events: list[Event]) -> list[Event]:
    """The events as they do not depend on cuts: chunks joined, and none before a refusal."""
    told: list[Event] = []
    for event in _chunks_first(events):
        last = told[-1] if told else None
        if isinstance(event, BodyChunk) and isinstance(last, BodyChunk):
            told[-1] = BodyChunk(last.data + event.data)
        elif isinstance(event, BodyRefused) and isinstance(last, BodyChunk):
            told[-1] = event
        else:
            told.append(event)
    return told


def _chunks_first(events: list[Event]) -> Iterator[Event]:
    """What comes with the end of a message, as a chunk of its own."""
    for event in events:
        if isinstance(event, BodyEnd) and event.rest:
            yield BodyChunk(event.rest)
            yield BodyEnd(b"", event.size)
        else:
            yield event


@dataclass
class Dialogue:
    """One file of tests/dialogues."""

    path: Path
    settings: dict[str, Any] = field(default_factory=dict)
    tls: bool = False
    signed_in: bool = False

    def run(self) -> None:
        lines = list(self._lines())
        while lines and lines[0][1].startswith("set "):
            self._set(lines.pop(0)[1][4:])
        settings = ServerSettings("submit.example.org", POSTMASTER, **self.settings)
        it = session(settings, tls=self.tls, signed_in=self.signed_in)
        if not self.signed_in:
            it.engine.greet()
        Stage(it, lines).play()

    def _lines(self) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(self.path.read_text("utf-8").split("\n"), 1):
            if line and not line.startswith("#"):
                yield number, line

    def _set(self, setting: str) -> None:
        name, _, value = setting.partition("=")
        if name in {"tls", "signed_in"}:
            setattr(self, name, True)
        else:
            assert name in {known.name for known in fields(ServerSettings)}, setting
            self.settings[name] = tuple(value.split(",")) if name == "mechanisms" else _setting(value)


def _setting(value: str) -> Any:
    if value in {"true", "false"}:
        return value == "true"
    if value.isdigit():
        return int(value)
    return BareNewlines(value) if value in {"reject", "normalise"} else value


@dataclass
class Stage:
    """Plays the lines of a dialogue."""

    session: Session
    lines: list[tuple[int, str]]
    expected: list[bytes] = field(default_factory=list)

    def play(self) -> None:
        pending = b""
        for number, line in self.lines:
            if line[:2] in {"C:", "C>"}:
                pending += _octets(line)
                continue
            self.session.receive(pending)
            pending = b""
            self._expect(number, line)
        self.session.receive(pending)
        assert self.session.take() == b"", "the server said more than the dialogue tells"

    def _expect(self, number: int, line: str) -> None:
        where = f"line {number}: {line}"
        if line.startswith("S:"):
            said, _, self.session.output = self.session.output.partition(b"\r\n")
            wanted = line[3:]
            told = said.decode()
            assert told.startswith(wanted[:-1]) if wanted.endswith("…") else told == wanted, (
                f"{where}\nsaid: {told}"
            )
        elif line == "tls":
            self.session.engine.tls_established()
        elif line.startswith("E:"):
            names = [type(event).__name__ for event in self.session.events]
            assert [name for name in names if name != "BodyChunk"] == line[2:].split(), where
            self.session.events.clear()
        elif line.startswith("message: "):
            assert self.session.message == _unescape(line[9:]), where
        else:
            self._say(line)

    def _say(self, line: str) -> None:
        match = re.fullmatch(r"say (\w+): (\d{3}) (\d\.\d\.\d+) (.*)", line)
        assert match is not None, f"not a line of a dialogue: {line}"
        self.session.said[match[1]] = reply(int(match[2]), match[3], match[4])


def _octets(line: str) -> bytes:
    return line[3:].encode() + b"\r\n" if line.startswith("C:") else _unescape(line[3:])


def _unescape(text: str) -> bytes:
    """Escapes as in a bytes literal; UTF-8 stays as it is."""
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")
