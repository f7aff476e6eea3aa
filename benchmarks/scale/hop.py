"""A next hop in a process of its own: it counts every numbered message, and can be down or slow.

Run as a program it is the hop: `hop.py PORT DELAY`, counts on standard output when a line comes on standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import uvloop

_NUMBER = re.compile(rb"^X-Number: (\d+)\r$", re.MULTILINE)
_HEADER = 4_096
_END = b"\r\n.\r\n"


@dataclass
class Counts:
    """What came. most: connections at once; by_second: messages in each second since the first."""

    messages: int = 0
    recipients: int = 0
    octets: int = 0
    unique: int = 0
    twice: int = 0
    connections: int = 0
    most: int = 0
    open: int = 0
    first: float = 0.0
    last: float = 0.0
    opened: list[tuple[float, int]] = field(default_factory=list)


class _Books:
    """Which numbers were seen."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._seen = bytearray()

    def note(self, head: bytes, octets: int, recipients: int) -> None:
        counts = self.counts
        counts.last = time.time()
        counts.first = counts.first or counts.last
        counts.messages += 1
        counts.recipients += recipients
        counts.octets += octets
        found = _NUMBER.search(head)
        if found is not None:
            self._mark(int(found[1]))

    def _mark(self, number: int) -> None:
        if number >= len(self._seen):
            self._seen.extend(bytes(number + 65_536 - len(self._seen)))
        if self._seen[number]:
            self.counts.twice += 1
        else:
            self._seen[number] = 1
            self.counts.unique += 1


class _Session(asyncio.Protocol):
    """One connection from the service."""

    def __init__(self, books: _Books, delay: float) -> None:
        self._books = books
        self._delay = delay
        self._data = b""
        self._head: bytes | None = None
        self._tail = b""
        self._octets = 0
        self._recipients = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        counts = self._books.counts
        counts.connections += 1
        counts.open += 1
        counts.most = max(counts.most, counts.open)
        counts.opened.append((time.time(), counts.open))
        self._transport.write(b"220 hop.example.net ESMTP\r\n")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's interface
        self._books.counts.open -= 1

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._take(data)
        else:
            self._data += data
            self._commands()

    def _commands(self) -> None:
        answers = []
        while self._head is None and (end := self._data.find(b"\r\n")) >= 0:
            line, self._data = self._data[:end], self._data[end + 2 :]
            answers.append(self._answer(line[:4].upper()))
        self._transport.write(b"".join(answers))
        if self._head is not None and self._data:
            data, self._data = self._data, b""
            self._take(data)

    def _answer(self, verb: bytes) -> bytes:
        if verb == b"EHLO":
            return b"250-hop.example.net\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 200000000\r\n"
        if verb == b"RCPT":
            self._recipients += 1
        elif verb == b"DATA":
            self._head, self._tail, self._octets = b"", b"\r\n", 0
            return b"354 go on\r\n"
        elif verb == b"QUIT":
            return b"221 bye\r\n"
        return b"250 ok\r\n"

    def _take(self, data: bytes) -> None:
        """Octets of a message. Its end is the end of what came: the service sends nothing behind it."""
        assert self._head is not None
        if len(self._head) < _HEADER:
            self._head += data[:_HEADER]
        self._octets += len(data)
        self._tail = (self._tail + data[-5:])[-5:]
        if self._tail == _END:
            self._books.note(self._head, self._octets, self._recipients)
            self._head, self._recipients = None, 0
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, self._transport.write, b"250 ok\r\n")
            else:
                self._transport.write(b"250 ok\r\n")


async def _serve(port: int, delay: float) -> None:
    loop, books = asyncio.get_running_loop(), _Books()
    listening = socket.create_server(("127.0.0.1", port), backlog=1_024)
    server = await loop.create_server(lambda: _Session(books, delay), sock=listening)
    print("ready", flush=True)  # noqa: T201 - the parent reads it
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(books.counts.__dict__), flush=True)  # noqa: T201 - the same
    server.close()


@dataclass
class Hop:
    """The hop, from outside. delay: seconds before it answers each message."""

    port: int
    delay: float = 0.0
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Listen."""
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, __file__, str(self.port), str(self.delay)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def counts(self) -> Counts:
        """What came so far."""
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return Counts(**json.loads(self.process.stdout.readline()))

    def wait_for(self, messages: int, patience: float = 60.0) -> Counts:
        """What came, once it is so much, or once nothing more has come for `patience` seconds."""
        last, since = -1, time.monotonic()
        while True:
            counts = self.counts()
            if counts.messages >= messages:
                return counts
            if counts.messages != last:
                last, since = counts.messages, time.monotonic()
            elif time.monotonic() - since > patience:
                return counts
            time.sleep(0.05)

    def stop(self) -> None:
        """Be down."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None


@contextlib.contextmanager
def hop(port: int, delay: float = 0.0) -> Iterator[Hop]:
    """A hop that listens."""
    made = Hop(port, delay)
    made.start()
    try:
        yield made
    finally:
        made.stop()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
