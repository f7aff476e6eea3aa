"""A next hop on loopback that does what a table says: an SMTP server for tests, in asyncio.

    async with NextHop({"RCPT:bob@example.org": "550 5.1.1 no such user", "END": [Do.DROP, "250 2.0.0 ok"]}) as hop:
        ...  # hop.port, hop.mails, hop.commands, hop.connections

The table's keys are CONNECT, HANDSHAKE, EHLO, HELO, STARTTLS, AUTH, MAIL, RCPT, DATA, BDAT, MESSAGE (the first
octets of a message have come), END (the message is complete), RSET and QUIT; `RCPT:address` and `MAIL:address`
go before the bare verb. A value is an `Answer`:

* a string: one line, sent with CRLF (several lines: with their own codes, `\\n` between them);
* bytes: sent as they are;
* `Do.DROP` closes, `Do.RESET` cuts, `Do.HANG` says nothing more on this connection;
* `Flood` says the same again and again, as fast as it is read, and counts it in `poured`;
* a tuple: one after the other; a list: one for each time, the last again and again;
* None, or no entry: what a well-behaved server does.

It is strict where that finds faults of a client: a command in the wrong order gets 503, an unsafe pipeline is
recorded in `faults`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import enum
import re
import ssl
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeAlias, cast

from tests.support.hop_tls import Authority, ServerTls

__all__ = ["EXTENSIONS", "Answer", "Authority", "Do", "Flood", "NextHop", "ReceivedMail", "until"]

EXTENSIONS = ("PIPELINING", "SIZE 52428800", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8")
_BDAT = re.compile(rb"([0-9]+)( LAST)?\Z", re.IGNORECASE)
_PATH = re.compile(rb"(?:FROM|TO):\s*<([^>]*)>\s*(.*)\Z", re.IGNORECASE)


class Do(enum.Enum):
    """What a hop may do besides answering."""

    DROP = "close the connection"
    RESET = "cut the connection"
    HANG = "say nothing more"


@dataclass(frozen=True, slots=True)
class Flood:
    """So many octets of the same, behind what begins them."""

    unit: bytes
    octets: int
    first: bytes = b""


Answer: TypeAlias = "str | bytes | Do | Flood | tuple[Answer, ...] | list[Answer] | None"


@dataclass(slots=True)
class ReceivedMail:
    """A message that was taken (or refused at its end).

    recipients: of those that were accepted, the address and the parameters.
    data: without the dots that DATA added. by: DATA or BDAT.
    """

    helo: bytes
    reverse_path: bytes
    parameters: tuple[bytes, ...]
    recipients: list[tuple[bytes, tuple[bytes, ...]]] = field(default_factory=list)
    data: bytes = b""
    by: str = ""
    in_tls: bool = False
    login: str | None = None

    @property
    def addresses(self) -> list[bytes]:
        """The recipients' addresses alone."""
        return [address for address, _ in self.recipients]


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until something outside this task has come true; the test's own time limit ends it."""
    while not condition():  # noqa: ASYNC110 - what is waited for is no event of ours
        await asyncio.sleep(0.001)


class NextHop:
    """The server. Settings are attributes and may change while it runs.

    mails: what was taken. refused: what was refused at its end. commands: all lines, in order.
    segments: what came in one read each, in plain text. faults: what a client must not do.
    connections: how many were ever made; open: how many are open. poured: octets of floods.
    dribble: seconds between two octets of what it says, each written by itself; None: all at once.
    """

    def __init__(
        self,
        answers: Mapping[str, Answer] | None = None,
        *,
        extensions: Sequence[str] = EXTENSIONS,
        tls_extensions: Sequence[str] | None = None,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        accounts: Mapping[str, str] | None = None,
        rcpt_max: int | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        keep: bool = True,
        dribble: float | None = None,
    ) -> None:
        self.answers: dict[str, Answer] = dict(answers or {})
        self.extensions = list(extensions)
        self.tls_extensions = list(extensions if tls_extensions is None else tls_extensions)
        self.tls = tls
        self.implicit = implicit
        self.accounts = dict(accounts or {})
        self.rcpt_max = rcpt_max
        self.keep = keep
        self.dribble = dribble
        self.host = host
        self.port = port
        self.mails: list[ReceivedMail] = []
        self.refused: list[ReceivedMail] = []
        self.commands: list[bytes] = []
        self.segments: list[bytes] = []
        self.faults: list[str] = []
        self.peers: list[str] = []
        self.taken = 0
        self.poured = 0
        self.connections = 0
        self._open: set[_Session] = set()
        self._times: dict[str, int] = {}
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self.session, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def session(self) -> asyncio.Protocol:
        """The server's side of one connection, for who has no need of a socket."""
        return _Session(self)

    async def stop(self) -> None:
        """Listen no more, and cut what is open."""
        assert self._server is not None
        self._server.close()
        for session in list(self._open):
            session.cut()
        await self._server.wait_closed()

    async def start_again(self) -> None:
        """Listen on the same port once more."""
        await self.__aenter__()

    @property
    def open(self) -> int:
        """Connections that are open now."""
        return len(self._open)

    def drop_all(self) -> None:
        """Close every connection, as a hop does with idle ones."""
        for session in list(self._open):
            session.close()

    def cut_all(self) -> None:
        """Cut every connection."""
        for session in list(self._open):
            session.cut()

    def say_to_all(self, data: bytes) -> None:
        """Say something unasked on every connection."""
        for session in list(self._open):
            session.write(data)

    def pause_all(self) -> None:
        """Read nothing more from anyone."""
        for session in list(self._open):
            session.pause()

    def answer(self, verb: str, address: bytes | None = None) -> Answer:
        """What the table says for this occasion."""
        key = f"{verb}:{address.decode()}" if address is not None else verb
        if key not in self.answers:
            key = verb
        entry = self.answers.get(key)
        if isinstance(entry, list):
            count = self._times.get(key, 0)
            self._times[key] = count + 1
            return entry[min(count, len(entry) - 1)]
        return entry

    def joined(self, session: _Session, peer: str) -> None:
        """A connection was made, from the address `peer`."""
        self.connections += 1
        self.peers.append(peer)
        self._open.add(session)

    def left(self, session: _Session) -> None:
        """A connection is gone."""
        self._open.discard(session)


class _Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, hop: NextHop) -> None:
        self._hop = hop
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._tls: ServerTls | None = None
        self._hangs = False
        self._helo = b""
        self._login: str | None = None
        self._mail: ReceivedMail | None = None
        self._taking: str = ""
        self._chunk_left = 0
        self._chunk_last = False
        self._chunk_wanted = False
        self._responses: list[str] | None = None
        self._slow: deque[int] = deque()
        self._is_closing = False
        self._flood: Flood | None = None
        self._is_full = False

    def cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def close(self) -> None:
        self._is_closing = True
        if self._transport is not None and not self._slow:
            self._transport.close()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._pour()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._hop.joined(self, str(transport.get_extra_info("peername")[0]))
        if self._hop.implicit:
            assert self._hop.tls is not None
            self._tls = ServerTls(self._hop.tls)
        else:
            self._reply("CONNECT", "220 hop.example.net ESMTP")

    def connection_lost(self, exc: Exception | None) -> None:
        self._hop.left(self)

    def data_received(self, data: bytes) -> None:
        if self._hangs:
            return
        plain = data if self._tls is None else self._decrypt(self._tls, data)
        if plain:
            if self._hop.keep:
                self._hop.segments.append(plain)
            self._buffer += plain
            self._work()

    def write(self, data: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._put(self._tls.encrypt(data) if self._tls is not None else data)

    def _put(self, data: bytes) -> None:
        assert self._transport is not None
        if self._hop.dribble is None:
            self._transport.write(data)
            return
        if not self._slow:
            asyncio.get_running_loop().call_later(self._hop.dribble, self._drip)
        self._slow += data

    def _drip(self) -> None:
        assert self._transport is not None
        if self._transport.is_closing():
            return
        self._transport.write(bytes([self._slow.popleft()]))
        if self._slow:
            asyncio.get_running_loop().call_later(self._hop.dribble or 0.0, self._drip)
        elif self._is_closing:
            self._transport.close()

    def _begin_flood(self, flood: Flood) -> None:
        self._flood = flood
        self.write(flood.first)
        self._pour()

    def _pour(self) -> None:
        flood, left = self._flood, self._transport
        while flood is not None and left is not None and not (self._is_full or left.is_closing()):
            if self._hop.poured >= flood.octets:
                self._flood = None
                return
            self.write(flood.unit)
            self._hop.poured += len(flood.unit)

    def _decrypt(self, tls: ServerTls, data: bytes) -> bytes:
        assert self._transport is not None
        before = tls.established
        if not before and self._act(self._hop.answer("HANDSHAKE")):
            return b""
        try:
            plain = tls.decrypt(data)
        except ssl.SSLError:
            self._put(tls.outgoing())
            self.close()
            return b""
        self._put(tls.outgoing())
        if tls.established and not before and self._hop.implicit:
            self._reply("CONNECT", "220 hop.example.net ESMTP")
        return plain

    # ---- lines and messages

    def _work(self) -> None:
        while self._buffer and not self._hangs:
            if self._taking == "BDAT":
                done = self._take_chunk()
            elif self._taking == "DATA":
                done = self._take_data()
            else:
                done = self._take_line()
            if not done:
                return

    def _take_line(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if self._hop.keep:
            self._hop.commands.append(line)
        if b"\r" in line or b"\n" in line:
            self._hop.faults.append(f"a bare CR or LF in a command: {line!r}")
        if self._responses is not None:
            self._respond(line)
            return True
        verb, _, argument = line.partition(b" ")
        handler = getattr(self, f"_do_{verb.decode('latin-1').lower()}", None)
        if handler is None:
            self.write(b"500 5.5.1 what?\r\n")
        else:
            handler(argument)
        return True

    def _take_data(self) -> bool:
        assert self._mail is not None
        if self._act(self._hop.answer("MESSAGE")):
            return False
        end = 0 if self._buffer.startswith(b".\r\n") else self._buffer.find(b"\r\n.\r\n") + 2
        if end == 1:
            return False
        data = bytes(self._buffer[:end])
        del self._buffer[: end + 3]
        self._mail.data = (b"\r\n" + data).replace(b"\r\n.", b"\r\n")[2:]
        self._complete("DATA")
        return True

    def _take_chunk(self) -> bool:
        if self._chunk_wanted and self._act(self._hop.answer("MESSAGE")):
            return False
        octets = bytes(self._buffer[: self._chunk_left])
        del self._buffer[: len(octets)]
        self._chunk_left -= len(octets)
        if self._mail is not None and self._chunk_wanted:
            self._mail.data += octets
        if self._chunk_left:
            return False
        self._taking = ""
        if not self._chunk_wanted:
            self._reply("BDAT", "554 5.5.1 no valid recipients")
        elif self._chunk_last:
            self._complete("BDAT")
        else:
            self._reply("BDAT", "250 2.0.0 chunk taken")
        return True

    def _complete(self, by: str) -> None:
        mail, self._mail, self._taking = self._mail, None, ""
        assert mail is not None
        mail.by = by
        default = "250 2.0.0 taken" if mail.recipients else "554 5.5.1 no valid recipients"
        answer = self._hop.answer("END")
        kept = self._hop.mails if mail.recipients and _is_positive(answer) else self._hop.refused
        self._hop.taken += kept is self._hop.mails
        if self._hop.keep:
            kept.append(mail)
        self._say(answer, default)

    # ---- the verbs

    def _do_ehlo(self, argument: bytes) -> None:
        self._helo, self._mail = argument, None
        lines = list(self._hop.tls_extensions if self._tls is not None else self._hop.extensions)
        if self._hop.tls is not None and self._tls is None:
            lines.append("STARTTLS")
        default = ["250-hop.example.net", *[f"250-{line}" for line in lines]]
        default[-1] = default[-1].replace("-", " ", 1)
        self._reply("EHLO", "\n".join(default))

    def _do_helo(self, argument: bytes) -> None:
        self._helo, self._mail = argument, None
        self._reply("HELO", "250 hop.example.net")

    def _do_starttls(self, argument: bytes) -> None:
        if self._buffer:
            self._hop.faults.append("octets behind STARTTLS")
        answer = self._hop.answer("STARTTLS")
        self._say(answer, "220 2.0.0 ready" if self._hop.tls is not None else "502 5.5.1 no")
        if self._hop.tls is not None and _is_positive(answer):
            self._tls = ServerTls(self._hop.tls)
            self._mail = None

    def _do_auth(self, argument: bytes) -> None:
        mechanism, _, initial = argument.partition(b" ")
        if (answer := self._hop.answer("AUTH")) is not None:
            self._say(answer, "")
        elif mechanism == b"PLAIN" and initial:
            self._check(_decoded(initial).split("\0")[1:])
        elif mechanism == b"PLAIN":
            self._responses = ["PLAIN"]
            self.write(b"334 \r\n")
        else:
            self._responses = []
            self.write(b"334 VXNlcm5hbWU6\r\n")

    def _respond(self, line: bytes) -> None:
        assert self._responses is not None
        said = [*self._responses, _decoded(line)]
        if said[0] == "PLAIN":
            self._responses = None
            self._check(said[1].split("\0")[1:])
        elif len(said) == 1:
            self._responses = said
            self.write(b"334 UGFzc3dvcmQ6\r\n")
        else:
            self._responses = None
            self._check(said)

    def _check(self, said: list[str]) -> None:
        if self._tls is None:
            self._hop.faults.append("a password in clear text")
        if len(said) == 2 and self._hop.accounts.get(said[0]) == said[1]:
            self._login = said[0]
            self.write(b"235 2.7.0 welcome\r\n")
        else:
            self.write(b"535 5.7.8 wrong user name or password\r\n")

    def _do_mail(self, argument: bytes) -> None:
        match = _PATH.match(argument)
        if match is None or not self._helo or self._mail is not None:
            self.write(b"503 5.5.1 not now\r\n")
            return
        answer = self._hop.answer("MAIL", match[1])
        if _is_positive(answer):
            self._mail = ReceivedMail(
                self._helo,
                match[1],
                tuple(match[2].split()),
                in_tls=self._tls is not None,
                login=self._login,
            )
        self._say(answer, "250 2.1.0 ok")

    def _do_rcpt(self, argument: bytes) -> None:
        match = _PATH.match(argument)
        if match is None or self._mail is None:
            self.write(b"503 5.5.1 not now\r\n")
            return
        if self._hop.rcpt_max is not None and len(self._mail.recipients) >= self._hop.rcpt_max:
            self.write(b"452 4.5.3 too many recipients\r\n")
            return
        answer = self._hop.answer("RCPT", match[1])
        if _is_positive(answer):
            self._mail.recipients.append((match[1], tuple(match[2].split())))
        self._say(answer, "250 2.1.5 ok")

    def _do_data(self, argument: bytes) -> None:
        answer = self._hop.answer("DATA")
        ready = self._mail is not None and bool(self._mail.recipients)
        if answer is None:
            answer = "354 go on" if ready else "554 5.5.1 no valid recipients"
        if isinstance(answer, str | bytes) and answer[:1] in {"3", b"3"}:
            self._taking = "DATA"
            self._mail = self._mail or ReceivedMail(self._helo, b"", ())
        self._say(answer, "")

    def _do_bdat(self, argument: bytes) -> None:
        match = _BDAT.match(argument)
        answer = self._hop.answer("BDAT")
        if match is None or (isinstance(answer, str) and answer.startswith("50")):
            self._say(answer, "501 5.5.4 how many?")
            return
        self._taking = "BDAT"
        self._chunk_left, self._chunk_last = int(match[1]), match[2] is not None
        self._chunk_wanted = self._mail is not None and bool(self._mail.recipients) and answer is None

    def _do_rset(self, argument: bytes) -> None:
        if _is_positive(answer := self._hop.answer("RSET")):
            self._mail = None
        self._say(answer, "250 2.0.0 ok")

    def _do_noop(self, argument: bytes) -> None:
        self._reply("NOOP", "250 2.0.0 ok")

    def _do_quit(self, argument: bytes) -> None:
        self._say(self._hop.answer("QUIT"), "221 2.0.0 bye")
        self.close()

    # ---- answering

    def _reply(self, verb: str, default: str) -> None:
        self._say(self._hop.answer(verb), default)

    def _say(self, answer: Answer, default: str) -> None:
        if not self._act(answer):
            self._send(default if answer is None else answer)

    def _act(self, answer: Answer) -> bool:
        """Do what is no answer; whether there was such a thing to do."""
        if answer is Do.DROP:
            self.close()
        elif answer is Do.RESET:
            self.cut()
        elif answer is not Do.HANG:
            return False
        self._hangs = True
        return True

    def _send(self, answer: Answer) -> None:
        if isinstance(answer, tuple):
            for part in answer:
                if self._act(part):
                    return
                self._send(part)
        elif isinstance(answer, Flood):
            self._begin_flood(answer)
        elif isinstance(answer, bytes):
            self.write(answer)
        elif isinstance(answer, str) and answer:
            self.write(answer.replace("\n", "\r\n").encode() + b"\r\n")


def _is_positive(answer: Answer) -> bool:
    if isinstance(answer, tuple):
        answer = answer[0]
    if isinstance(answer, bytes):
        answer = answer.decode("latin-1")
    return answer is None or (isinstance(answer, str) and answer[:1] in {"2", "3"})


def _decoded(response: bytes) -> str:
    try:
        return base64.b64decode(response, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
