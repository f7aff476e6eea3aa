"""A next hop that takes everything and remembers which messages came whole, in threads of its own."""

from __future__ import annotations

import hashlib
import itertools
import re
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

_MARK = re.compile(rb"^X-Mark: (\S+) ([0-9a-f]{64})\r$", re.MULTILINE)
_FAILED = re.compile(rb"^Final-Recipient: rfc822; ?(\S+)\r\nAction: failed\r$", re.MULTILINE)
_ADDRESS = re.compile(rb"<([^>]*)>")


def marked(mark: str, sender: str, body: bytes) -> bytes:
    """A message whose header says what its body must be. The body's lines end in CRLF."""
    digest = hashlib.sha256(body).hexdigest()
    header = f"From: {sender}\r\nTo: x@example.net\r\nSubject: {mark}\r\nX-Mark: {mark} {digest}\r\n\r\n"
    return header.encode() + body


class _Session(socketserver.StreamRequestHandler):
    server: Sink
    sender = ""
    recipients: tuple[str, ...] = ()

    def handle(self) -> None:
        self.say("220 sink.example.net")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.say("250-sink.example.net", "250-PIPELINING", "250-8BITMIME", "250 SIZE 104857600")
            elif verb == b"MAIL":
                self.sender, self.recipients = _address(line), ()
                self.say("250 ok")
            elif verb == b"RCPT":
                self.say(self.hear(line))
            elif verb == b"DATA" and self.recipients:
                self.say("354 go on")
                self.take()
            elif verb == b"DATA":
                self.say("554 5.5.1 no valid recipients")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def hear(self, line: bytes) -> str:
        """What is said to a recipient."""
        address = _address(line)
        if any(refused in line for refused in self.server.refused):
            return "550 5.1.1 nobody here"
        if self.server.late and self.puts_off(address, line):
            return "450 4.2.1 not now"
        self.recipients += (address,)
        return "250 ok"

    def puts_off(self, address: str, line: bytes) -> bool:
        if not self.sender:
            return next(self.server.is_not_now)
        return self.server.late in line and self.server.is_new(address)

    def take(self) -> None:
        lines: list[bytes] = []
        for line in self.rfile:
            if line == b".\r\n":
                self.server.keep(b"".join(lines), self.sender, self.recipients)
                time.sleep(self.server.pause)
                self.say("250 ok")
                return
            lines.append(line[1:] if line.startswith(b".") else line)

    def say(self, *lines: str) -> None:
        self.wfile.write("".join(line + "\r\n" for line in lines).encode())


class Sink(socketserver.ThreadingTCPServer):
    """refused: (parts of) addresses that get 550. late: of those that get 450 the first time; then every other report
    does, too. pause: seconds until it says that it has taken a message.

    marks: how often each marked message came; arrived: the same for each of its recipients. broken: marks of messages
    that did not come whole. reported: recipients that a report named as failed."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Session)
        self.marks: Counter[str] = Counter()
        self.arrived: Counter[tuple[str, str]] = Counter()
        self.broken: list[str] = []
        self.reported: Counter[str] = Counter()
        self.refused: set[bytes] = set()
        self.late = b""
        self.pause = 0.0
        self.is_not_now = itertools.cycle((True, False))
        self.messages: list[bytes] = []
        self.lock = threading.Lock()
        self._known: set[str] = set()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def is_new(self, address: str) -> bool:
        """Whether it is asked for the first time."""
        with self.lock:
            was_known = address in self._known
            self._known.add(address)
        return not was_known

    def keep(self, message: bytes, sender: str, recipients: tuple[str, ...]) -> None:
        header, _, body = message.partition(b"\r\n\r\n")
        found = _MARK.search(header + b"\r\n")
        with self.lock:
            self.messages.append(message if len(message) < 10_000 else header)
            if not sender:
                self.reported.update(address.decode() for address in _FAILED.findall(body))
            if found is None:
                return
            mark = found[1].decode()
            self.marks[mark] += 1
            self.arrived.update((mark, address) for address in recipients)
            if hashlib.sha256(body).hexdigest().encode() != found[2]:
                self.broken.append(mark)

    def handle_error(self, request: object, client_address: object) -> None:
        """A killed peer is what these tests are about."""


def _address(line: bytes) -> str:
    found = _ADDRESS.search(line)
    return found[1].decode() if found else ""


@contextmanager
def sink(port: int = 0) -> Iterator[Sink]:
    """A sink on a port, 0: any."""
    with Sink(port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
