r"""What a submission server may answer: a model that knows the RFCs and docs/security.md, and not the engine.

The table below says, for each verb and each state of a session, what a well-formed command is answered with. It is
written from RFC 5321 (section 4.1.4, order of commands), 3207 (STARTTLS), 4954 (AUTH), 3030 (BDAT), 2920
(pipelining), 1870, 3461, 6531 and 6409, and from decisions 1 to 4 of docs/security.md.

    530          the reply; the state stays
    250>tls      the reply, and the state then
    503*         the reply; it is no mistake of the peer, for a program that pipelines could not know better
    ask          the session decides, after the engine has read the arguments; `>` as above, after a yes
    chunk, same  octets follow (RFC 3030); `same` repeats why the message was refused

A state is: `clear` no TLS, `tls` nothing said in it, `hello` EHLO was said in TLS, `ready` signed in, `mail` MAIL was
accepted, `rcpt` a recipient too, `chunks` between two BDAT, `refused` behind a refused MAIL or chunk. Beside them:
`shake` between STARTTLS and the handshake, `auth` within an AUTH exchange, `data` and `octets` within a message,
`closed`.

A `Referee` reads what the peer said by the references (`references.py`), takes the replies one by one, and says what
breaks a rule: a reply too many or too few, in the wrong place, with another code or status than the model's; a limit
that does not count; an event that should not have been told.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field

from sams.protocol.smtp.settings import ServerSettings
from tests.protocol.smtp.references import BARE, judge, next_line, read_data

TABLE = """
          clear      tls        hello      ready      mail       rcpt       chunks     refused
HELO      250        250>hello  250        250        250>ready  250>ready  250>ready  250>ready
EHLO      250        250>hello  250        250        250>ready  250>ready  250>ready  250>ready
STARTTLS  220>shake  503        503        503        503        503        503        503
AUTH      538        503        ask        503        503        503        503        503
MAIL      530        503        530        ask>mail   503        503        503        ask>mail
RCPT      530        503        530        503        ask>rcpt   ask>rcpt   503        503*
DATA      530        503        530        503        554*       ask>data   503        503*
BDAT      530        503        530        503        554*       chunk      chunk      same*
RSET      250        250        250        250        250>ready  250>ready  250>ready  250>ready
NOOP      250        250        250        250        250        250        250        250
HELP      214        214        214        214        214        214        214        214
VRFY      530        530        530        252        252        252        252        252
EXPN      502        502        502        502        502        502        502        502
QUIT      221>closed 221>closed 221>closed 221>closed 221>closed 221>closed 221>closed 221>closed
"""

STATUS = {
    214: "2.0.0",
    220: "2.0.0",
    221: "2.0.0",
    250: "2.0.0",
    252: "2.0.0",
    421: "4.7.0",
    502: "5.5.1",
    503: "5.5.1",
    530: "5.7.0",
    538: "5.7.11",
    554: "5.5.1",
}
"""The enhanced status of a code that the table names (RFC 2034, 3463, 5248); HELO and EHLO have none."""

Code = tuple[int, str | None]

MALFORMED: dict[str, set[Code]] = {
    "HELO": {(501, None)},
    "EHLO": {(501, None)},
    "STARTTLS": {(501, "5.5.4"), (502, "5.5.1")},
    "AUTH": {(501, "5.5.4"), (501, "5.5.2"), (504, "5.5.4")},
    "MAIL": {(501, "5.5.4"), (501, "5.1.7"), (555, "5.5.4"), (550, "5.6.7"), (552, "5.3.4")},
    "RCPT": {(501, "5.5.4"), (501, "5.1.3"), (555, "5.5.4"), (553, "5.6.7"), (452, "4.5.3")},
    "DATA": {(501, "5.5.4"), (503, "5.5.1")},
    "RSET": {(501, "5.5.4")},
    "VRFY": {(501, "5.5.4")},
}
"""What the engine says by itself of arguments, where the state lets the verb through."""

NO_MISTAKE: set[Code] = {(552, "5.3.4"), (452, "4.5.3")}
"""A limit that the peer met is no mistake of syntax or sequence."""

COURTESY = {"HELO", "EHLO", "RSET", "NOOP", "HELP", "VRFY", "EXPN"}
"""They bring no message nearer."""

BEFORE_SIGN_IN = {"clear", "tls", "hello"}
TRANSACTION = {"mail", "rcpt", "chunks", "data"}
FLAWS: dict[str, Code] = {"5.3.4": (552, "5.3.4"), "5.6.11": (550, "5.6.11"), "5.6.0": (554, "5.6.0")}

_REPLY = re.compile(rb"((?:(?:\d{3})-[ -~]*\r\n)*)(\d{3})( [ -~]*)?\r\n")
_TEXT = re.compile(r"(?:([245]\.\d{1,3}\.\d{1,3}) )?(.*)")
_CHUNK = re.compile(rb"(\d{1,20})(?:[ \t]+(LAST))?\Z", re.IGNORECASE)
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z")
_MECHANISM = re.compile(rb"([A-Za-z0-9_-]{1,20})(?:[ \t]+([^ \t]+))?\Z")


def _cells() -> dict[tuple[str, str], str]:
    head, *rows = (line.split() for line in TABLE.strip().splitlines())
    return {(row[0], state): cell for row in rows for state, cell in zip(head, row[1:], strict=True)}


CELLS = _cells()
VERBS = tuple(dict.fromkeys(verb for verb, _ in CELLS))


@dataclass(frozen=True)
class Said:
    """One reply of the server. What is no reply at all is an error of whoever reads it."""

    code: int
    status: str | None
    lines: tuple[str, ...]

    @property
    def what(self) -> Code:
        return self.code, self.status


def read_replies(output: bytes) -> list[Said]:
    """The replies of an output, each of the form that RFC 5321 and 2034 demand."""
    replies, at = [], 0
    while at < len(output):
        match = _REPLY.match(output, at)
        assert match is not None, f"no reply: {output[at : at + 200]!r}"
        at = match.end()
        replies.append(_said(match[0].decode()))
    return replies


def _said(text: str) -> Said:
    lines = text.removesuffix("\r\n").split("\r\n")
    code = int(lines[0][:3])
    assert {int(line[:3]) for line in lines} == {code}, text
    assert code == 334 or max(map(len, lines)) <= 510, f"a line of a reply is too long: {text}"
    matches = [_TEXT.fullmatch(line[4:]) for line in lines]
    statuses = {match[1] for match in matches if match}
    assert len(statuses) == 1, f"the enhanced status stands on every line or on none: {text}"
    status = statuses.pop()
    assert status is None or (code >= 200 and code // 100 != 3 and int(status[0]) == code // 100), text
    if code >= 400:
        assert re.search(r" \(ref [^ ()]+\)\Z", text.removesuffix("\r\n")), f"no reference: {text}"
    return Said(code, status, tuple(line[4:] for line in lines))


@dataclass(frozen=True)
class Decision:
    """What the session answered to an event that asks.

    what: its reply; None where a chunk may come, or 354 is said.
    replies: how many the server had given before it was asked.
    data: what came with the event: the octets of AUTH, the message of BodyEnd.
    """

    replies: int
    event: str
    what: Code | None
    data: bytes | None = None
    binary: bool = False


@dataclass
class Counts:
    """What a connection has used of its limits; STARTTLS changes none of it."""

    commands: int = 0
    mistakes: int = 0
    refusals: int = 0
    sign_ins: int = 0
    courtesies: int = 0
    transactions: int = 0
    dropped: int = 0


@dataclass
class Message:
    """A message on its way. content: as it was sent, without the dots."""

    binary: bool
    content: bytes = b""
    oversize: bool = False
    chunk: int = 0
    last: bool = False


@dataclass
class Referee:
    """Watches one session.

    known: arguments of MAIL and RCPT with what the engine says of them by itself; None: nothing, the session decides.
    """

    settings: ServerSettings
    state: str
    known: dict[bytes, Code | None] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    decisions: list[Decision] = field(default_factory=list)
    replies: list[Said] = field(default_factory=list)
    transcript: list[tuple[str, str, Code]] = field(default_factory=list)
    _unread: bytes = b""
    _dropping: bool = False
    _first: bool = True
    _recipients: int = 0
    _binary: bool = False
    _message: Message | None = None
    _failure: Code = (503, "5.5.1")
    _pending: tuple[int, Code, str, bool] | None = None
    _taken: int = 0

    @property
    def signed_in(self) -> bool:
        return self.state in {"ready", "mail", "rcpt", "chunks", "refused", "data", "octets"} and not (
            self._pending and self._pending[2] in BEFORE_SIGN_IN
        )

    @property
    def in_transaction(self) -> bool:
        return self.state in TRANSACTION or (self.state == "octets" and self._pending is None)

    @property
    def is_behind_mail(self) -> bool:
        """Octets are dropped, and the transaction that they did not belong to goes on."""
        return self._pending is not None and self._pending[2] == "mail"

    def greeted(self, output: bytes) -> None:
        """The first words."""
        (greeting,) = read_replies(output)
        self._taken = 1
        assert (greeting.code, greeting.status) == (220, None)

    def heard(self, octets: bytes, output: bytes) -> None:
        """The peer said `octets`, and the server answered with `output`: all that it owes, and no more."""
        self._unread += octets
        self.replies += read_replies(output)
        while self._step():
            pass
        assert not self.replies, f"nothing asked for {self.replies[0]} in {self.state}"
        assert not self.decisions, f"nothing led to {self.decisions[0]} in {self.state}"

    def secured(self) -> None:
        """The handshake is done: nothing that was said before is known."""
        assert self.state == "shake"
        self.state, self._first = "tls", True
        self._unread, self._dropping, self._message = b"", False, None

    # --- units of what the peer says: each is answered once

    def _step(self) -> bool:
        """Read one unit, if it is complete."""
        match self.state:
            case "closed":
                return False
            case "shake":
                return bool(self._unread) and self._close(self._take("handshake", (554, "5.5.1")))
            case "auth":
                return self._response()
            case "data":
                return self._data()
            case "octets":
                return self._octets()
        return self._command()

    def _command(self) -> bool:
        if self._dropping and not self._drop():
            return False
        if not self._unread:
            return False
        if self._is_stranger():
            return self._close(self._take("stranger", (554, "5.5.1")))
        is_auth = self._unread[:5].upper() == b"AUTH "
        line, behind = next_line(
            self._unread, self.settings.auth_line if is_auth else self.settings.command_line
        )
        if line is None:
            return False
        self._first = False
        self._behind(behind)
        if isinstance(line, str):
            long = (500, "5.5.6") if is_auth else (500, "5.5.2")
            return self._flawed((500, "5.5.2") if line == BARE else long)
        self._obey(line)
        return True

    def _is_stranger(self) -> bool:
        octet = self._unread[:1]
        in_clear = self.state == "clear"
        return (in_clear and octet == b"\x16") or (
            self._first and not octet.isalpha() and octet not in b" \t\r\n"
        )

    def _behind(self, behind: bytes | None) -> None:
        if behind is None:
            self._dropping = True
            self._drop()
        else:
            self._unread = behind

    def _drop(self) -> bool:
        _, found, rest = self._unread.partition(b"\r\n")
        self._unread = rest if found else self._unread[-1:] if self._unread.endswith(b"\r") else b""
        self._dropping = not found
        return bool(found)

    def _flawed(self, what: Code) -> bool:
        """A line that is no command."""
        if not self._over_commands():
            self._mistake(self._take("?", what))
        return True

    def _over_commands(self) -> bool:
        """Whether this is one command too many before the sign-in, which is not carried out."""
        if self.state not in BEFORE_SIGN_IN:
            return False
        self.counts.commands += 1
        return self.counts.commands > self.settings.commands_before_auth and self._end_of_patience()

    def _obey(self, line: bytes) -> None:
        word, _, rest = line.partition(b" ")
        verb, argument = word.upper().decode("latin-1"), rest.strip(b" \t")
        if verb not in VERBS:
            self._unknown(word)
            return
        if self._over_commands():
            return
        if verb in COURTESY:
            self.counts.courtesies += 1
            if self.counts.courtesies > self.settings.idle_commands and self._end_of_patience():
                return
        if verb == "BDAT":
            self._bdat(argument)
        else:
            self._by_table(verb, argument)

    def _unknown(self, word: bytes) -> None:
        """No verb: counted, or, where it is a browser's, the end."""
        if self.replies and self.replies[0].what == (554, "5.5.1") and word.isascii() and word:
            self._close(self._take("?", (554, "5.5.1")))
            return
        self._flawed((500, "5.5.1") if word else (500, "5.5.2"))

    def _by_table(self, verb: str, argument: bytes) -> None:
        cell, _, then = CELLS[verb, self.state].partition(">")
        if cell == "ask":
            getattr(self, f"_ask_{verb.lower()}")(argument, then)
            return
        code = int(cell.rstrip("*"))
        what: Code = (code, None if verb in {"HELO", "EHLO"} else STATUS[code])
        if code >= 400:
            said = self._take(verb, what)
            self._refusal(said) if cell.endswith("*") else self._mistake(said)
        elif not self._is_well_formed(verb, argument):
            self._mistake(self._take(verb, *MALFORMED[verb]))
        elif verb == "STARTTLS" and self._unread:
            self._close(self._take(verb, (554, "5.5.1")))
        else:
            said = self._take(verb, what)
            self._check_offer(verb, said)
            self._go(then)

    def _is_well_formed(self, verb: str, argument: bytes) -> bool:
        if verb in {"HELO", "EHLO"}:
            return 0 < len(argument) <= 255
        if verb == "STARTTLS":
            return not argument and self.settings.starttls
        return bool(argument) if verb == "VRFY" else not argument if verb == "RSET" else True

    def _check_offer(self, verb: str, said: Said) -> None:
        """AUTH stands in no reply outside TLS, STARTTLS in none inside (rule 3, RFC 3207 section 4.2)."""
        if verb != "EHLO":
            return
        offered = {line.split()[0] for line in said.lines[1:] if line}
        in_clear = self.state == "clear"
        assert any(word.startswith("AUTH") for word in offered) == (
            bool(self.settings.mechanisms) and not in_clear
        )
        assert ("STARTTLS" in offered) == (in_clear and self.settings.starttls)

    def _go(self, then: str) -> None:
        if not then:
            return
        if then in {"ready", "closed"}:
            self._message = None
        self.state = then

    # --- signing in (RFC 4954)

    def _ask_auth(self, argument: bytes, _then: str) -> None:
        match = _MECHANISM.match(argument)
        if match is None:
            self._mistake(self._take("AUTH", (501, "5.5.4")))
        elif match[1].decode().upper() not in self.settings.mechanisms:
            self._mistake(self._take("AUTH", (504, "5.5.4")))
        elif match[2] not in {None, b"="} and not _BASE64.match(match[2]):
            self._mistake(self._take("AUTH", (501, "5.5.2")))
        else:
            initial = match[2] and (b"" if match[2] == b"=" else base64.b64decode(match[2]))
            self._step_of_auth(self._decision("Auth"), initial)

    def _response(self) -> bool:
        if self._dropping and not self._drop():
            return False
        line, behind = next_line(self._unread, self.settings.auth_line) if self._unread else (None, None)
        if line is None:
            return False
        self._behind(behind)
        if isinstance(line, bytes) and line != b"*" and _BASE64.match(line.rstrip(b" \t")):
            self._step_of_auth(self._decision("AuthData"), base64.b64decode(line.rstrip(b" \t")))
            return True
        self.state = "hello"
        long_or_bare = (500, "5.5.2") if line == BARE else (500, "5.5.6")
        own = (501, "5.7.0") if line == b"*" else (501, "5.5.2")
        self._mistake(self._take("response", own if isinstance(line, bytes) else long_or_bare))
        return True

    def _step_of_auth(self, decision: Decision, data: bytes | None) -> None:
        assert decision.data == data, "the session was told other octets than the peer sent"
        assert decision.what is not None
        said = self._take("AUTH", decision.what)
        self.state = {334: "auth", 235: "ready"}.get(said.code, "hello")
        if said.code == 421:
            self._close(said)
        elif said.code >= 400:
            self.counts.sign_ins += 1
            if self.counts.sign_ins >= self.settings.failed_signins:
                self._end_of_patience()

    # --- the envelope

    def _ask_mail(self, argument: bytes, then: str) -> None:
        self.counts.transactions += 1
        most = self.settings.max_transactions
        if most is not None and self.counts.transactions > most:
            self._end_of_patience()
            return
        self._recipients, self._message, self._failure = 0, None, (503, "5.5.1")
        self.state = "refused"
        decision = self._own_or_decided("MAIL", argument, "Mail")
        self._binary = decision is not None and decision.binary
        if decision is not None and self._decided("MAIL", decision) < 400:
            self.state = then

    def _ask_rcpt(self, argument: bytes, then: str) -> None:
        decision = self._own_or_decided("RCPT", argument, "Rcpt")
        if decision is not None and self._decided("RCPT", decision) < 400:
            self.state = then
            self._recipients += 1

    def _own_or_decided(self, verb: str, argument: bytes, event: str) -> Decision | None:
        """What the session says; where the engine refuses the arguments by itself, that is taken, and None."""
        if self.decisions and self.decisions[0].replies == self._taken:
            assert self.known.get(argument) is None, f"{argument!r} was told"
            assert event != "Rcpt" or self._recipients < self.settings.max_recipients
            return self._decision(event)
        own = self.known.get(argument)
        allowed = MALFORMED[verb] if argument not in self.known else {own} if own else set()
        if event == "Rcpt" and self._recipients >= self.settings.max_recipients:
            allowed = allowed | {(452, "4.5.3")}
        else:
            allowed = allowed - {(452, "4.5.3")}
        said = self._take(verb, *allowed)
        self._refusal(said) if said.what in NO_MISTAKE else self._mistake(said)
        return None

    def _decided(self, unit: str, decision: Decision) -> int:
        """The session's word is said; the code."""
        assert decision.what is not None
        said = self._take(unit, decision.what)
        if said.code >= 400:
            self._refusal(said)
        return said.code

    # --- messages

    def _ask_data(self, argument: bytes, then: str) -> None:
        if argument or self._binary:
            self._mistake(self._take("DATA", (501, "5.5.4") if argument else (503, "5.5.1")))
            return
        decision = self._decision("BodyStart")
        if decision.what is not None:
            self.state = "ready"
            self._decided("DATA", decision)
            return
        self._take("DATA", (354, None))
        self._message, self.state = Message(self._binary), then

    def _data(self) -> bool:
        content, behind = read_data(self._unread)
        message = self._message
        assert message is not None
        message.content = content
        flood = len(content) - (0 if behind is not None else 4) > self._most()
        if behind is None:
            # four octets at most are held back, and whether they are is the reader's affair
            if flood or (self.replies and len(content) > self._most()):
                return self._close(self._take("data", FLAWS["5.3.4"]))
            return False
        self._unread = behind
        if len(content) > self._most():
            return self._close(self._take("data", FLAWS["5.3.4"]))
        self._verdict(message)
        return True

    def _most(self) -> int:
        return self.settings.message_size + self.settings.discard

    def _verdict(self, message: Message) -> None:
        """The reply to a whole message."""
        flaw, content = judge(message.content, self.settings, binary=message.binary)
        flaw = "5.3.4" if message.oversize else flaw
        self._message, self.state = None, "ready"
        if flaw:
            self._refusal(self._take("message", FLAWS[flaw]))
            return
        decision = self._decision("BodyEnd")
        assert decision.data == content, "another message was passed on than was sent"
        if self._decided("message", decision) < 400:
            self.counts.courtesies = 0

    def _bdat(self, argument: bytes) -> None:
        match = _CHUNK.match(argument)
        if match is None:
            self._close(self._take("BDAT", (501, "5.5.4")))
            return
        size, last = int(match[1]), match[2] is not None
        cell = CELLS["BDAT", self.state]
        if cell == "chunk":
            self._chunk(size, last=last)
        elif cell == "same*":
            self._expect_dropped(size, self._failure, "ready" if last else "refused", mistake=False)
        else:
            code = int(cell.rstrip("*"))
            self._expect_dropped(size, (code, STATUS[code]), self.state, mistake="*" not in cell)

    def _expect_dropped(self, size: int, what: Code, then: str, *, mistake: bool) -> None:
        self.counts.dropped += size
        if self.counts.dropped > self._most():
            self._end_of_patience()
        else:
            self._pending, self.state = (size, what, then, mistake), "octets"

    def _chunk(self, size: int, *, last: bool) -> None:
        if self._message is None:
            decision = self._decision("BodyStart")
            if decision.what is not None and decision.what[0] == 421:
                self._close(self._take("BDAT", decision.what))
                return
            if decision.what is not None:
                self._failure = decision.what
                self._expect_dropped(size, decision.what, "ready" if last else "refused", mistake=False)
                return
            self._message = Message(self._binary)
        self._message.chunk, self._message.last, self.state = size, last, "octets"
        told = judge(self._told(), self.settings, binary=self._binary)[1] or self._told()
        if len(told) + size > self.settings.message_size:
            self._message.oversize = True

    def _told(self) -> bytes:
        """The message so far; a CR at its end is decided with what follows."""
        assert self._message is not None
        content = self._message.content
        return content if self._message.binary else content.removesuffix(b"\r")

    def _octets(self) -> bool:
        if self._pending is not None:
            return self._dropped(*self._pending)
        message = self._message
        assert message is not None
        octets = self._unread[: message.chunk]
        self._unread = self._unread[len(octets) :]
        message.chunk -= len(octets)
        message.content += octets
        if octets and len(message.content) > self._most():
            return self._close(self._take("chunk", FLAWS["5.3.4"]))
        if message.chunk:
            return False
        self._end_of_chunk(message)
        return True

    def _end_of_chunk(self, message: Message) -> None:
        if message.last:
            self._verdict(message)
            return
        flaw = judge(self._told(), self.settings, binary=message.binary)[0]
        flaw = "5.3.4" if message.oversize else flaw
        if flaw:
            self._failure, self._message, self.state = FLAWS[flaw], None, "refused"
            self._refusal(self._take("chunk", FLAWS[flaw]))
        else:
            self.state = "chunks"
            self._take("chunk", (250, "2.0.0"))

    def _dropped(self, size: int, what: Code, then: str, mistake: bool) -> bool:
        if len(self._unread) < size:
            self._pending, self._unread = (size - len(self._unread), what, then, mistake), b""
            return False
        self._unread, self._pending, self.state = self._unread[size:], None, then
        if then == "ready":
            self._failure = (503, "5.5.1")
        said = self._take("BDAT", what)
        self._mistake(said) if mistake else self._refusal(said)
        return True

    # --- replies and limits

    def _take(self, unit: str, *allowed: Code) -> Said:
        """The next reply, which has to be one of these."""
        assert self.replies, f"no reply to {unit} in {self.state}; one of {allowed} is due"
        said = self.replies.pop(0)
        self._taken += 1
        assert said.what in allowed, f"{said} answers {unit} in {self.state}, where {allowed} may"
        self.transcript.append((self.state, unit, said.what))
        return said

    def _decision(self, event: str) -> Decision:
        assert self.decisions, f"the session was not asked by {event} in {self.state}"
        decision = self.decisions.pop(0)
        assert (decision.event, decision.replies) == (event, self._taken), f"{decision} in place of {event}"
        return decision

    def _mistake(self, said: Said) -> None:
        assert said.code >= 500
        self.counts.mistakes += 1
        if self.counts.mistakes >= self.settings.errors:
            self._end_of_patience()

    def _refusal(self, said: Said) -> None:
        if said.code == 421:
            self._close(said)
            return
        self.counts.refusals += 1
        if self.counts.refusals >= self.settings.refusals:
            self._end_of_patience()

    def _end_of_patience(self) -> bool:
        return self._close(self._take("limit", (421, STATUS[421])))

    def _close(self, _said: Said) -> bool:
        self.state, self._unread, self._message, self._pending = "closed", b"", None, None
        return True
