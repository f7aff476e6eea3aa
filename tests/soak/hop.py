"""A next hop with moods, in a process of its own. It writes down each message that it took, and whether it said so.

Run as a program it is the hop: `hop.py PORT BOOK`. A mood is a line on standard input, and is said back on standard
output once it is in force. The book has a line of JSON for each message (`Entry`).
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import hashlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import msgspec
import uvloop

_MARK = re.compile(rb"^X-Mark: (\S+) ([0-9a-f]{64})\r$", re.MULTILINE)
_ID = re.compile(rb"^Received: .*?\bid ([0-9A-Z]+)", re.MULTILINE | re.DOTALL)
_FAILED = re.compile(
    rb"^Final-Recipient: [^;]*; *(\S+)\r\n(?:[^\r\n]+\r\n)*?Action: failed\r$", re.MULTILINE | re.IGNORECASE
)
_PATH = re.compile(rb"<([^>]*)>")
_END = b"\r\n.\r\n"
_GREETING = b"220 hop.example.net ESMTP\r\n"
_EHLO = (
    b"250-hop.example.net\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-CHUNKING\r\n"
    b"250-ENHANCEDSTATUSCODES\r\n250 SIZE 200000000\r\n"
)
_BUSY = b"421 4.3.2 not now\r\n"
_NO_RECIPIENTS = b"554 5.5.1 no recipients\r\n"
_PATIENCE = 10.0


class Mood(enum.StrEnum):
    """How the hop treats who comes."""

    WELL = "well"
    REFUSES = "refuses"
    """421 to all."""
    DEFERS_RECIPIENTS = "defers recipients"
    DEFERS_MESSAGES = "defers messages"
    HANGS = "hangs"
    """Says nothing more, to nobody."""
    STALLS = "stalls"
    """Takes messages, and never says so."""
    DROPS = "drops"
    """Takes messages, and closes the connection without having said so."""
    AWAY = "away"
    """Does not listen."""


CUTTING = frozenset(Mood) - {Mood.WELL, Mood.DEFERS_RECIPIENTS, Mood.DEFERS_MESSAGES}
"""In or behind these a connection is cut off, and with it an answer that was just said may be lost."""


class Entry(msgspec.Struct, frozen=True):
    """A message that was taken.

    whole: its body is what its mark says. failed: whom it reports about; empty where it is no report.
    answered: 250 was said.
    """

    at: float
    mark: str
    id: str
    whole: bool
    recipients: tuple[str, ...]
    failed: tuple[str, ...]
    answered: bool


def entry(content: bytes, recipients: tuple[str, ...], *, report: bool, answered: bool) -> Entry:
    """What a message is, as it came."""
    header, _, body = content.partition(b"\r\n\r\n")
    found = _MARK.search(content if report else header + b"\r\n")
    received = _ID.search(header)
    digest = hashlib.sha256(body.rstrip(b"\r\n")).hexdigest().encode()
    return Entry(
        time.time(),
        found[1].decode() if found else "",
        received[1].decode() if received else "",
        report or (found is not None and digest == found[2]),
        recipients,
        tuple(each.decode() for each in _FAILED.findall(content)) if report else (),
        answered,
    )


@dataclass
class _Moody:
    """What the sessions share."""

    book: BinaryIO
    mood: Mood = Mood.WELL
    sessions: set[_Session] = field(default_factory=set)

    def keep(self, made: Entry) -> None:
        self.book.write(msgspec.json.encode(made) + b"\n")
        self.book.flush()

    def change(self, mood: Mood) -> None:
        """Who was left without an answer is cut off, and all are where nobody is here any more."""
        self.mood = mood
        for session in list(self.sessions):
            if session.is_mute or mood is Mood.AWAY:
                session.cut()


class _Session(asyncio.Protocol):
    def __init__(self, hop: _Moody) -> None:
        self._hop = hop
        self._buffer = bytearray()
        self._content: bytearray | None = None  # by DATA, so far
        self._chunks = bytearray()
        self._wanted: int | None = None  # octets of a chunk that are still to come
        self._is_last = False
        self._recipients: list[str] = []
        self._is_report = False
        self.is_mute = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._hop.sessions.add(self)
        if self._hop.mood is Mood.HANGS:
            self.is_mute = True
        elif self._hop.mood is Mood.REFUSES:
            self._leave(_BUSY)
        else:
            self._transport.write(_GREETING)

    def connection_lost(self, exc: Exception | None) -> None:
        self._hop.sessions.discard(self)

    def cut(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self.is_mute:
            return
        self._buffer += data
        while (answer := self._next()) is not None:
            self._transport.write(answer)

    def _next(self) -> bytes | None:
        """The answer to what is whole in the buffer; None: nothing is."""
        if self._hop.mood is Mood.HANGS:
            self.is_mute = True
        if self.is_mute:
            return None
        if self._wanted is not None:
            return self._chunk()
        if self._content is not None:
            return self._data()
        line, found, rest = self._buffer.partition(b"\r\n")
        if not found:
            return None
        self._buffer = rest
        return self._command(bytes(line))

    def _command(self, line: bytes) -> bytes | None:
        answer: bytes | None = b"250 2.0.0 ok\r\n"
        match line[:4].upper():
            case b"EHLO":
                answer = _EHLO
            case b"MAIL":
                answer = self._mail(line)
            case b"RCPT":
                answer = self._rcpt(line)
            case b"DATA" if self._recipients:
                self._content = bytearray(b"\r\n")
                answer = b"354 go on\r\n"
            case b"DATA":
                answer = _NO_RECIPIENTS
            case b"BDAT":
                _, size, *last = line.split()
                self._wanted, self._is_last = int(size), bool(last)
                answer = b""
            case b"RSET":
                self._forget()
            case b"QUIT":
                answer = self._leave(b"221 2.0.0 bye\r\n")
        return answer

    def _mail(self, line: bytes) -> bytes | None:
        self._forget()
        if self._hop.mood is Mood.REFUSES:
            return self._leave(_BUSY)
        self._is_report = b"<>" in line
        return b"250 2.1.0 ok\r\n"

    def _rcpt(self, line: bytes) -> bytes:
        found = _PATH.search(line)
        assert found is not None
        if self._hop.mood is Mood.DEFERS_RECIPIENTS:
            return b"451 4.2.0 come back later\r\n"
        if found[1].startswith(b"nobody"):
            return b"550 5.1.1 nobody here\r\n"
        self._recipients.append(found[1].decode())
        return b"250 2.1.5 ok\r\n"

    def _data(self) -> bytes | None:
        assert self._content is not None
        looked = max(0, len(self._content) - len(_END))
        self._content += self._buffer
        self._buffer.clear()
        end = self._content.find(_END, looked)
        if end < 0:
            return None
        self._buffer += self._content[end + len(_END) :]
        return self._whole(bytes(self._content[: end + 2]).replace(b"\r\n.", b"\r\n")[2:])

    def _chunk(self) -> bytes | None:
        assert self._wanted is not None
        octets = self._buffer[: self._wanted]
        del self._buffer[: len(octets)]
        self._chunks += octets
        self._wanted -= len(octets)
        if self._wanted:
            return None
        self._wanted = None
        if not self._is_last:
            return b"250 2.0.0 ok\r\n"
        if not self._recipients:
            self._forget()
            return _NO_RECIPIENTS
        return self._whole(bytes(self._chunks))

    def _whole(self, content: bytes) -> bytes | None:
        mood, recipients = self._hop.mood, tuple(self._recipients)
        report = self._is_report
        self._forget()
        if mood is Mood.DEFERS_MESSAGES:
            return b"451 4.3.0 come back later\r\n"
        answered = mood not in {Mood.DROPS, Mood.STALLS}
        self._hop.keep(entry(content, recipients, report=report, answered=answered))
        if answered:
            return b"250 2.0.0 taken\r\n"
        self.is_mute = True
        if mood is Mood.DROPS:
            self.cut()
        return None

    def _forget(self) -> None:
        self._content, self._wanted, self._is_report = None, None, False
        self._chunks.clear()
        self._recipients = []

    def _leave(self, words: bytes) -> bytes:
        """Say it, and close."""
        self._transport.write(words)
        self._transport.close()
        self.is_mute = True
        return b""


async def _serve(port: int, book: Path) -> None:
    loop = asyncio.get_running_loop()
    with book.open("ab") as opened:
        hop, server = _Moody(opened), None
        print("ready", flush=True)  # noqa: T201 - the parent reads it
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            mood = Mood(line.strip())
            if server is not None and mood is Mood.AWAY:
                server.close()
                server = None
            hop.change(mood)
            if server is None and mood is not Mood.AWAY:
                server = await loop.create_server(lambda: _Session(hop), "127.0.0.1", port, backlog=512)
            print(mood, flush=True)  # noqa: T201 - the same
        if server is not None:
            server.close()


@dataclass
class Hop:
    """The hop, from outside."""

    port: int
    book: Path
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.hop", str(self.port), str(self.book)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._said() == "ready"
        self.be(Mood.WELL)

    def be(self, mood: Mood) -> None:
        """Change its mood; it has when this returns."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(f"{mood}\n")
        self.process.stdin.flush()
        assert self._said() == mood

    def _said(self) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def entries(self) -> Iterator[Entry]:
        """What it took, in order."""
        if self.book.exists():
            with self.book.open("rb") as lines:
                for line in lines:
                    yield msgspec.json.decode(line, type=Entry)

    def stop(self) -> None:
        if self.process is not None:
            self.process.communicate("", timeout=_PATIENCE)
            self.process = None


@contextlib.contextmanager
def hop(port: int, book: Path) -> Iterator[Hop]:
    """A hop that listens."""
    made = Hop(port, book)
    made.start()
    try:
        yield made
    finally:
        made.stop()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
